"""Tests of app/zero_shot."""
