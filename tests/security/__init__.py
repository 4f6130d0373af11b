"""Attacks: requests that must not cost more than ordinary ones, nor break stored data."""
