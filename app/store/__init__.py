"""The SQL store: collections, entries, templates and the journal that the indexes follow."""
