"""Sends events about faces and people to the receiver that the operator names."""
