"""Bringing recovery points in cold storage back."""
