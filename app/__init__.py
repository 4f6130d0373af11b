"""Sima: a face-recognition microservice that learns a person from one photo."""

__version__ = "0.1.0"
