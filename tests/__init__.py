"""What Sima promises, as tests."""
