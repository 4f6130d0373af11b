"""What `sima` does, a file a topic."""
