"""Tests of the `sima` command line."""
