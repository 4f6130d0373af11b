"""Training, evaluation and export of the models. The service never imports this package."""

import app  # noqa: F401 - disables telemetry before anything here loads ONNX Runtime
