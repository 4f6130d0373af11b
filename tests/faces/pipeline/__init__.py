"""Tests of app/faces/pipeline."""
