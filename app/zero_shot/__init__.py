"""Zero-shot: score labels that nobody trained."""
