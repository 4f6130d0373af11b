"""Tests of app/texts."""
