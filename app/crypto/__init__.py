"""Encryption keys, encrypted streams and signatures."""
