"""Restoring mail: one mailbox, or the whole mailstore."""
