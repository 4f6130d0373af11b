"""Index engines that several processes share: pgvector and Milvus."""
