"""Word vectors: contexts, learners, what they are measured with."""
