"""Model manifests and the ONNX Runtime sessions that run the models."""
