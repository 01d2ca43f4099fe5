"""The world around AWS Backup, implemented with MiniStack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from local_aws.backup.world import Scope
from local_aws.ministack.file_systems import MiniStackFileSystems
from local_aws.ministack.reports import MiniStackReports
from local_aws.ministack.roles import MiniStackRoles
from local_aws.ministack.tables import MiniStackTables


@dataclass(frozen=True)
class MiniStackWorld:
    """The four ports of `local_aws.backup.world.World`."""

    tables: MiniStackTables
    file_systems: MiniStackFileSystems
    roles: MiniStackRoles
    reports: MiniStackReports

    def resources(self, scope: Scope) -> Mapping[str, Mapping[str, str]]:
        """ARN and tags of every table and file system, for selections by tag or wildcard."""
        return {**self.tables.tags(scope), **self.file_systems.tags(scope)}
