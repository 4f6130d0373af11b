"""Stress test of the store's guarantees under concurrent clients and SIGKILL."""
