"""From image bytes to face embeddings: decode, detect, align, assess quality, embed."""
