"""Server processes and photos for tests and benchmarks; lock files, licences, bill of materials."""
