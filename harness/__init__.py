"""Starts servers and provides photos, for tests and benchmarks."""
