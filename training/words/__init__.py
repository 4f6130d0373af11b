"""Training of word vectors: corpora, contexts and learners."""
