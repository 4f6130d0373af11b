"""Sima: a face-recognition microservice that learns a person from one photo."""

import os

__version__ = "0.1.0"

# ONNX Runtime sends telemetry and stores a device id in the home folder unless this variable
# is set before the library is loaded. Usage of a face-recognition service must stay private.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
