"""An AWS Backup that works: vaults, plans, jobs and recovery points with real effects.

The service is one object, `BackupService`. It answers AWS's requests and uses
the rest of AWS only through the ports in `world`.
"""

from local_aws.backup.clock import Clock
from local_aws.backup.errors import ServiceError
from local_aws.backup.faults import Faults
from local_aws.backup.file_trees import TreeStore
from local_aws.backup.protocol import Response
from local_aws.backup.service import BackupService
from local_aws.backup.settings import Settings
from local_aws.backup.world import (
    FileSystems,
    Inventory,
    Item,
    Reports,
    Roles,
    RoleTrust,
    Scope,
    TableImage,
    Tables,
    World,
)

__all__ = [
    "BackupService",
    "Clock",
    "Faults",
    "FileSystems",
    "Inventory",
    "Item",
    "Reports",
    "Response",
    "RoleTrust",
    "Roles",
    "Scope",
    "ServiceError",
    "Settings",
    "TableImage",
    "Tables",
    "TreeStore",
    "World",
]
