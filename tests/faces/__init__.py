"""Tests of app/faces."""
