"""The FAISS engine: an index in the process with snapshots on disk."""
