"""The API of CompreFace: recognition, detection and verification under `/api/v1`."""
