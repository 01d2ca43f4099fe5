"""Taking an environment down: look, delete every recovery point, destroy."""
