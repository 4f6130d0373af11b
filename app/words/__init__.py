"""Services for vocabularies: lookup, neighbors, analogies, editing and vector files."""
