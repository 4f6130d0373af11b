"""Vocabularies: word lookup, neighbors, analogies, editing and vector file formats."""
