"""Tests of training/networks."""
