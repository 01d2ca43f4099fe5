"""What an account has that could be a Cabal: for the settings of a new environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.operations.aws.client import make_session

if TYPE_CHECKING:
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """An EFS file system."""

    id: str
    name: str
    """Its tag Name; empty without one."""
    size_bytes: int

    @property
    def is_mailstore(self) -> bool:
        """Whether it has the name that Cabal gives its mailstore."""
        return self.name == names.MAILSTORE


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What the account of the credentials has in one region."""

    account: str
    caller: str
    """The ARN of the credentials' owner."""
    file_systems: Sequence[FileSystem]
    """Those with the mailstore's name first."""
    tables: Sequence[str]
    """The names of all tables that begin like Cabal's."""


def find_candidates(region: str, *, profile: str | None = None) -> Candidates:
    """Ask the account of the credentials. Raises botocore's errors."""
    session = make_session(profile)
    identity = session.client("sts", region_name=region).get_caller_identity()
    efs = session.client("efs", region_name=region).get_paginator("describe_file_systems")
    found = [_file_system(each) for page in efs.paginate() for each in page["FileSystems"]]
    dynamodb = session.client("dynamodb", region_name=region).get_paginator("list_tables")
    tables = [str(name) for page in dynamodb.paginate() for name in page["TableNames"]]
    return Candidates(
        account=identity["Account"],
        caller=identity["Arn"],
        file_systems=sorted(found, key=lambda one: (not one.is_mailstore, one.id)),
        tables=[name for name in tables if name.startswith(names.TABLES)],
    )


def _file_system(described: FileSystemDescriptionTypeDef) -> FileSystem:
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())}
    return FileSystem(
        id=described["FileSystemId"],
        name=tags.get("Name", ""),
        size_bytes=described["SizeInBytes"]["Value"],
    )
