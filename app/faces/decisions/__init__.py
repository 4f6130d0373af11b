"""Decisions from similarities: thresholds and the calibration of their false match rates."""
