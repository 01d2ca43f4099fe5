"""MiniStack, and everything of it that AWS Backup has to reach.

All names that MiniStack keeps to itself are fetched in `internals`, one line each
with the reason; no other module imports `ministack`.
"""
