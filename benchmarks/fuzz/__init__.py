"""Sends generated requests and mutated images to a service, and reports what must not happen."""
