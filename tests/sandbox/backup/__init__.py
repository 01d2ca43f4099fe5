"""An AWS Backup that runs: vaults, plans, jobs and recovery points with real effects.

The service is one object, `BackupService`; it answers AWS's own requests and reaches
the rest of AWS only through the ports in `world`.
"""

from tests.sandbox.backup.clock import Clock
from tests.sandbox.backup.errors import ServiceError
from tests.sandbox.backup.faults import Faults
from tests.sandbox.backup.file_trees import TreeStore
from tests.sandbox.backup.protocol import Response
from tests.sandbox.backup.service import BackupService
from tests.sandbox.backup.settings import Settings
from tests.sandbox.backup.world import (
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
