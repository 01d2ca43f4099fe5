"""Complete copies of directory trees; each content is stored once.

A tree is a manifest (every entry with its owner, mode, times, links). Its files are
blobs named by their digest. A tree that did not change since the last night has the same
manifest and costs only a walk: known contents are recognized by device, inode,
size, modification and change time.
"""

from local_aws.backup.file_trees.restore import ItemNotFound
from local_aws.backup.file_trees.store import Capture, TreeStore

__all__ = ["Capture", "ItemNotFound", "TreeStore"]
