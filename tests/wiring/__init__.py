"""Tests of app/wiring."""
