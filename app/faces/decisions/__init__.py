"""From similarities to decisions: thresholds and their calibration."""
