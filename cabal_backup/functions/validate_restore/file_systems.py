"""A restored file system beside the live one, as far as EFS's API describes both."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup.functions.validate_restore.verdict import Differs, NotYet, apart, client

if TYPE_CHECKING:
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef

SETTLED_AFTER = timedelta(hours=3)
"""From the end of a restore until the size of its file system counts: EFS says it is right
when nothing was written "for a period longer than a couple of hours".

https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemSize.html
"""

PATIENCE = timedelta(hours=18)
"""From the end of a restore until a size that is still missing is a failure."""

OVERHEAD = 64 * 1024
"""Bytes a restored file system may have more: a directory at its root holds everything."""


def compare_file_systems(
    restored: str, live: str, tolerance: int, completed: datetime, now: datetime
) -> str:
    """What the API can tell: state, encryption and metered size.

    Not the performance mode: restore testing restores into generalPurpose, whatever the
    live file system has.
    """
    if now < completed + SETTLED_AFTER:
        raise NotYet("EFS has not measured it since the restore")
    found, expected = _file_system(restored, "restored"), _file_system(live, "live")
    if found["LifeCycleState"] != "available":
        raise Differs(f"The restored file system is {found['LifeCycleState']}, not available.")
    if expected.get("Encrypted") and not found.get("Encrypted"):
        raise Differs(f"The restored file system is not encrypted, {live} is.")
    measured = found["SizeInBytes"].get("Timestamp")
    if measured is None or measured < completed:
        if now < completed + PATIENCE:
            raise NotYet("EFS has not measured it since the restore")
        raise Differs(
            f"EFS has not measured the restored file system in {PATIENCE // timedelta(hours=1)} "
            "hours since the restore, so its size is not known."
        )
    size, expected_size = found["SizeInBytes"]["Value"], expected["SizeInBytes"]["Value"]
    if apart(size, expected_size, tolerance, spare=OVERHEAD):
        raise Differs(
            f"The restored file system holds {size:,} bytes, {live} {expected_size:,}; "
            f"{tolerance} % may differ. Either that much came or went since the backup, or the "
            "backup is not whole."
        )
    return f"{size:,} bytes, {expected_size:,} in {live}; available; encrypted as it should be."


def _file_system(identity: str, which: str) -> FileSystemDescriptionTypeDef:
    """A file system as EFS describes it. Raises Differs when there is none."""
    efs = client("efs", live=which == "live")
    try:
        described = efs.describe_file_systems(FileSystemId=identity)["FileSystems"]
    except efs.exceptions.FileSystemNotFound:
        described = []
    if not described:
        raise Differs(
            f"The {which} file system {identity} does not exist, so nothing can be compared."
        )
    found: FileSystemDescriptionTypeDef = described[0]
    return found
