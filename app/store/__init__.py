"""SQL is the truth; every index is a disposable projection of it."""
