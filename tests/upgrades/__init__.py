"""Upgrades of databases that earlier versions wrote."""
