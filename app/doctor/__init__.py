"""Examines an installation for what is wrong with it, and repairs what can be repaired."""
