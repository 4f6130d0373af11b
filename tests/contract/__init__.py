"""One test suite for every index engine, with the exact index as the oracle."""
