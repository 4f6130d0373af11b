"""Tests, in folders that mirror the source tree; `contract` runs over every index engine."""
