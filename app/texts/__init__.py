"""Turns texts and labels into vectors of an embedding space."""
