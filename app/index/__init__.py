"""Vector indexes: the protocol, the exact reference and the engines that implement it."""
