"""Downloads published models and converts them to model folders."""
