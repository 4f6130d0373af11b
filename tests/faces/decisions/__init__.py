"""Tests of app/faces/decisions."""
