"""Tests of training/faces."""
