"""The FAISS engine: an in-process index with snapshots on disk."""
