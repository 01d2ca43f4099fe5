"""MiniStack, and all parts of it that AWS Backup uses.

All private names of MiniStack are imported in `internals`, one line each
with the reason. No other module imports `ministack`.
"""
