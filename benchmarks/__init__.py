"""Runnable measurements; each prints a table with its conditions. Nothing here asserts."""
