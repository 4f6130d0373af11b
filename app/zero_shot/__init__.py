"""Zero-shot classification: scores labels that no model was trained on."""
