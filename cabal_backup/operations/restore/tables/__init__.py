"""Restoring a table, comparing it with the live one, and bringing its items back."""
