"""Restoring: which recovery point, with which role, and to what."""
