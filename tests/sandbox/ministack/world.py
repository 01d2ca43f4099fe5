"""The world around AWS Backup, standing on MiniStack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.sandbox.backup.world import Scope
from tests.sandbox.ministack.file_systems import MiniStackFileSystems
from tests.sandbox.ministack.reports import MiniStackReports
from tests.sandbox.ministack.roles import MiniStackRoles
from tests.sandbox.ministack.tables import MiniStackTables


@dataclass(frozen=True)
class MiniStackWorld:
    """The four ports of `tests.sandbox.backup.world.World`."""

    tables: MiniStackTables
    file_systems: MiniStackFileSystems
    roles: MiniStackRoles
    reports: MiniStackReports

    def resources(self, scope: Scope) -> Mapping[str, Mapping[str, str]]:
        """ARN and tags of every table and file system, for selections by tag or wildcard."""
        return {**self.tables.tags(scope), **self.file_systems.tags(scope)}
