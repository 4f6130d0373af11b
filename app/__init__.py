"""Sima: a face-recognition microservice that learns a person from one photo."""

import os

__version__ = "0.1.0"

# ONNX Runtime reports to its maker unless this is set before it is loaded, and keeps an id of the
# device in the home folder. Faces are nobody else's business, how often they are looked at neither.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
