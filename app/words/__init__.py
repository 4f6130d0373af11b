"""Vocabularies: lookup, neighbors, analogies, and the files that vectors come in."""
