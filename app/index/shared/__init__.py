"""Engines that several processes share: pgvector and Milvus."""
