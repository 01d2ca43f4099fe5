HUNG_SECONDS = 900
"""A process that takes longer hangs, even on a busy machine."""
