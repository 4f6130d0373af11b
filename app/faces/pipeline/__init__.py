"""Turns image bytes into face embeddings: decode, detect, align, assess quality, embed."""
