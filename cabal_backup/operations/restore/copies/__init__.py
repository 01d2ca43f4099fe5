"""Backups and copies on demand, and bringing copies back from the DR vault."""
