"""Runnable measurements; each prints a table with its conditions and asserts nothing."""
