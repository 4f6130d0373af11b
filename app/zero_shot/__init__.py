"""Labels that nobody ever trained, scored in the same embedding store."""
