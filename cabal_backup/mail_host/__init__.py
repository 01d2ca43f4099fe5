"""Merges restored mail into mailboxes, on a host that mounts the mailstore.

AWS Backup restores files of the mailstore into a directory of their own,
`aws-backup-restore_<datetime>`, at the root of a file system. This program moves them from
there to their places:

    python3 mail_host.py mailbox merge alice
    python3 mail_host.py mailstore promote --mount /mnt/new

It needs Python 3.9 or newer and its standard library. Both commands read, show a plan, and
carry it out after confirmation. Both can be killed at any moment and run again.

It runs as root on files that a user controls. Therefore every directory is opened relative
to its parent and never through a symbolic link; no file is ever overwritten; a file gets its
owner through a descriptor, before it is visible in the mailbox. A message is moved with
link(2) and then unlink(2): of the calls that refuse to overwrite, NFS supports these.

A message is in the mailbox if a file of the same folder has its base name and either is the
same inode or has the same content. The name alone proves nothing: two messages can have the
same base name, and the file in the mailbox can be damaged.
"""
