"""Tests of training; skipped where torch is not installed."""
