"""How an operator asks: parses, confirms and renders; one file for each command."""
