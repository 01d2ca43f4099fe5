"""True copies of directory trees, each content kept once.

A tree is a manifest (every entry with its owner, mode, times, links) whose files are
blobs named by their digest. A tree that did not change since last night has the same
manifest and costs only a walk: contents already read are recognised by device, inode,
size, modification and change time.
"""

from local_aws.backup.file_trees.restore import ItemNotFound
from local_aws.backup.file_trees.store import Capture, TreeStore

__all__ = ["Capture", "ItemNotFound", "TreeStore"]
