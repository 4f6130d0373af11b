"""Server processes and photos for tests and benchmarks."""
