"""The `FileSystems` port: EFS file systems, each of them a directory on disk."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import internals
from local_aws.ministack.scope import acting_in, current

METERING_SECONDS = 3600
"""The maximum age of a size. A new file system has no measured size for this time."""

UPDATING_SECONDS = 600
"""How long a change of the throughput keeps a file system in the state `updating`."""

_METADATA, _INCREMENT = 2048, 4096


class MiniStackFileSystems:
    """Directories under `root`, one per account, region and file system id."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._updated: dict[str, float] = {}
        """When the throughput of a file system was last changed, by id."""

    def install(self, now: Callable[[], float]) -> None:
        """Create the directory of every file system with it, and remove it with it.

        :param now: the time, as EFS sees it.
        """
        efs = internals.efs
        create, delete = efs._create_file_system, efs._delete_file_system

        def create_with_directory(body: dict[str, Any]) -> Any:
            answer = create(body)
            if answer[0] in (200, 201):
                self.root(current(), json.loads(answer[2])["FileSystemId"])
            return answer

        def delete_with_directory(file_system_id: str) -> Any:
            answer = delete(file_system_id)
            if answer[0] == 204:
                shutil.rmtree(self._path(current(), file_system_id), ignore_errors=True)
            return answer

        describe = efs._describe_file_systems

        def describe_metered(query: dict[str, Any]) -> Any:
            scope = current()
            for record in efs._file_systems.values_scoped(scope.account, scope.region):
                if query.get("FileSystemId") in (None, record["FileSystemId"]):
                    self._meter(scope, record, now())
                    self._end_update(record, now())
            return _page(describe({**query, "MaxItems": sys.maxsize}), query)

        update = efs._update_file_system

        def update_for_a_while(file_system_id: str, body: dict[str, Any]) -> Any:
            answer = update(file_system_id, body)
            if answer[0] == 202:
                efs._file_systems[file_system_id]["LifeCycleState"] = "updating"
                self._updated[file_system_id] = now()
            return answer

        efs._update_file_system = update_for_a_while
        efs._create_file_system = create_with_directory
        efs._describe_file_systems = describe_metered
        efs._delete_file_system = delete_with_directory

    def describe(self, scope: Scope, file_system_id: str) -> Mapping[str, Any] | None:
        record = internals.efs._file_systems.get_scoped(scope.account, scope.region, file_system_id)
        if record is None:
            return None
        description: dict[str, Any] = copy.deepcopy(internals.efs._fs_response(record))
        return description

    def root(self, scope: Scope, file_system_id: str) -> Path:
        """The directory. Raises KeyError if there is no such file system."""
        if self.describe(scope, file_system_id) is None:
            raise KeyError(f"File system '{file_system_id}' does not exist in {scope.region}")
        path = self._path(scope, file_system_id)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def create(
        self,
        scope: Scope,
        *,
        creation_token: str,
        performance_mode: str,
        encrypted: bool,
        kms_key_id: str | None,
    ) -> str:
        body: dict[str, Any] = {
            "CreationToken": creation_token,
            "PerformanceMode": performance_mode,
            "Encrypted": encrypted,
        }
        if kms_key_id:
            body["KmsKeyId"] = kms_key_id
        with acting_in(scope):
            status, _, answer = internals.efs._create_file_system(body)
        if status != 201:
            raise ValueError(f"EFS refused to create a file system: {answer.decode()}")
        return str(json.loads(answer)["FileSystemId"])

    def delete(self, scope: Scope, file_system_id: str) -> None:
        """Raises RuntimeError if EFS refuses, for example because of a mount target."""
        with acting_in(scope):
            status, _, answer = internals.efs._delete_file_system(file_system_id)
        if status != 204:
            raise RuntimeError(f"EFS refused to delete {file_system_id}: {answer.decode()}")

    def tags(self, scope: Scope) -> dict[str, dict[str, str]]:
        """The tags of every file system, by ARN."""
        return {
            str(record["FileSystemArn"]): {tag["Key"]: tag["Value"] for tag in record["Tags"]}
            for record in internals.efs._file_systems.values_scoped(scope.account, scope.region)
        }

    def all_roots(self) -> Path:
        """The directory that contains all file systems, for checkpoints."""
        return self._root

    def _meter(self, scope: Scope, record: dict[str, Any], now: float) -> None:
        """Measure the directory, if the last time was an hour or more ago."""
        size = record["SizeInBytes"]
        if now - size["Timestamp"] >= METERING_SECONDS:
            held = metered_bytes(self._path(scope, record["FileSystemId"]))
            size.update(Value=held, ValueInStandard=held, Timestamp=int(now))

    def _end_update(self, record: dict[str, Any], now: float) -> None:
        """EFS: LifeCycleState of a file system, in API_FileSystemDescription."""
        # Compared in both directions, because of rollbacks.
        since = self._updated.get(record["FileSystemId"], now - UPDATING_SECONDS)
        if record["LifeCycleState"] == "updating" and not 0 <= now - since < UPDATING_SECONDS:
            record["LifeCycleState"] = "available"

    def _path(self, scope: Scope, file_system_id: str) -> Path:
        return self._root / scope.account / scope.region / file_system_id


def _page(answer: Any, query: Mapping[str, Any]) -> Any:
    """At most MaxItems, 100 by default, of a list, and a marker if there are more."""
    status, headers, body = answer
    if status != 200:
        return answer
    start, size = int(query.get("Marker") or 0), int(query.get("MaxItems") or 100)
    listed = json.loads(body)["FileSystems"]
    page: dict[str, Any] = {"FileSystems": listed[start : start + size]}
    if start + size < len(listed):
        page["NextMarker"] = str(start + size)
    return status, headers, json.dumps(page).encode()


def metered_bytes(root: Path) -> int:
    """The metered size: 2 KiB of metadata for each object, and its data in steps of 4 KiB.

    EFS User Guide, "How Amazon EFS reports file system and object sizes".
    """
    seen: set[int] = set()
    total = _METADATA + _INCREMENT
    for directory, subdirectories, files in os.walk(root):
        for name in (*subdirectories, *files):
            status = Path(directory, name).lstat()
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                data = _INCREMENT if name in subdirectories else status.st_size
                total += _METADATA + -(-data // _INCREMENT) * _INCREMENT
    return total
