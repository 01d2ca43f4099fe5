"""Rehearsing the runbooks: a real restore, verified, measured and cleared away again."""
