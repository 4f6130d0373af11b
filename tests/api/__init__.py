"""Tests of the HTTP API through a test client."""
