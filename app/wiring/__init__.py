"""Builds the services and the index engine from the settings."""
