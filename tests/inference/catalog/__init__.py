"""Tests of app/inference/catalog."""
