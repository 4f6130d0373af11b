"""Network architectures, torch modules only."""
