"""Where the models of Sima are trained, measured and exported. The service never imports this."""

import app  # noqa: F401 - switches telemetry off before anything here loads ONNX Runtime
