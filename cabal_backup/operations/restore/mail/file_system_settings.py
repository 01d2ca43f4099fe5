"""What an EFS file system has beside its files, which AWS Backup does not restore.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cabal_backup import names
from cabal_backup.mail_host.mail_names import QUEUES
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.results import Unknown, ask, unless_missing

if TYPE_CHECKING:
    from types_boto3_efs import EFSClient
    from types_boto3_efs.literals import IpAddressTypeType, StatusType, ThroughputModeType
    from types_boto3_efs.type_defs import (
        AccessPointDescriptionTypeDef,
        BackupPolicyDescriptionTypeDef,
        DescribeBackupPolicyRequestTypeDef,
        DescribeFileSystemsResponseTypeDef,
        FileSystemDescriptionTypeDef,
        LifecyclePolicyTypeDef,
        MountTargetDescriptionTypeDef,
        PosixUserOutputTypeDef,
        RootDirectoryTypeDef,
        TagTypeDef,
    )


class Throughput(NamedTuple):
    """How fast a file system is."""

    mode: ThroughputModeType
    rate: float | None
    """MiB/s, for `provisioned`."""


@dataclass(frozen=True, kw_only=True)
class MountTarget:
    """Where a file system can be mounted from."""

    subnet: str
    security_groups: tuple[str, ...]
    addresses: IpAddressTypeType
    id: str = ""
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class AccessPoint:
    """A directory of a file system under a name and a user of its own."""

    root_directory: RootDirectoryTypeDef
    posix_user: PosixUserOutputTypeDef | None
    tags: Mapping[str, str]
    id: str = ""

    @property
    def path(self) -> str:
        """Its root directory."""
        return str(self.root_directory.get("Path", "/"))

    def is_like(self, other: AccessPoint) -> bool:
        """Whether it does the same, whatever its id and its tags."""
        return (self.root_directory, self.posix_user) == (other.root_directory, other.posix_user)


@dataclass(frozen=True, kw_only=True)
class FileSystemSettings:
    """All of it that can be set on another file system too."""

    file_system_id: str = ""
    """Whose they are; empty if it was deleted and this is what Cabal's usually has."""
    throughput: Throughput | None = None
    """None for whatever it comes with."""
    zone: str | None = None
    """The availability zone of a One Zone file system."""
    tags: Mapping[str, str] = field(default_factory=dict)
    lifecycle: tuple[LifecyclePolicyTypeDef, ...] = ()
    backup_policy: StatusType | None = None
    """ENABLED or DISABLED: EFS's own automatic backups, beside the plan. None as above."""
    policy: str | None = None
    """The file system policy, a JSON document."""
    access_points: tuple[AccessPoint, ...] = ()
    mount_targets: tuple[MountTarget, ...]

    def lines(self) -> tuple[str, ...]:
        """What will be set, in sentences."""
        kept = [" ".join(f"{key} {value}" for key, value in one.items()) for one in self.lifecycle]
        return (
            *(
                f"mount target: {target.subnet}, security groups "
                f"{', '.join(target.security_groups) or 'of the VPC by default'}"
                for target in self.mount_targets
            ),
            *(f"access point: {point.path}{_as(point)}" for point in self.access_points),
            f"lifecycle: {', '.join(kept) or 'none'}",
            f"file system policy: {'as it is' if self.policy else 'none'}",
            f"automatic backups of EFS itself: {self.backup_policy or 'as they come'}",
            f"throughput: {_in_words(self.throughput)}",
            f"tags: {', '.join(f'{key}={value}' for key, value in sorted(self.tags.items()))}",
        )


def describe(aws: Aws, file_system_id: str) -> FileSystemDescriptionTypeDef | None:
    """The file system; None when there is none. Raises CabalBackupError."""
    with worded(f"looking at the file system {file_system_id}"):
        return _first(lambda: aws.client("efs").describe_file_systems(FileSystemId=file_system_id))


def find_by_token(aws: Aws, creation_token: str) -> FileSystemDescriptionTypeDef | None:
    """The file system that was made with this token; None when there is none."""
    with worded("looking for a file system that was restored before"):
        return _first(lambda: aws.client("efs").describe_file_systems(CreationToken=creation_token))


def how_to_delete(region: str, file_system_id: str) -> str:
    """The commands that delete a file system, one a line.

    EFS refuses to delete one that has mount targets, and deletes these in the background.
    https://docs.aws.amazon.com/efs/latest/ug/API_DeleteFileSystem.html
    """
    which = f"--region {region} --file-system-id={file_system_id}"
    return (
        f"  aws efs describe-mount-targets {which} --query 'MountTargets[].MountTargetId' "
        f"--output text | xargs -r -n 1 aws efs delete-mount-target --region {region} "
        "--mount-target-id\n"
        "  # Repeat the next one while EFS answers FileSystemInUse.\n"
        f"  aws efs delete-file-system {which}"
    )


def list_tokens(aws: Aws) -> list[str]:
    """The creation tokens of all file systems.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded("listing the file systems"):
        pages = aws.client("efs").get_paginator("describe_file_systems").paginate()
        return [str(one["CreationToken"]) for page in pages for one in page["FileSystems"]]


def read_settings(aws: Aws, file_system_id: str) -> FileSystemSettings | None:
    """The settings of a file system; None if it was deleted.

    Raises CabalBackupError when AWS refuses or does not answer: half of them is not enough.
    """
    described = describe(aws, file_system_id)
    if described is None:
        return None
    efs = aws.client("efs")
    which: DescribeBackupPolicyRequestTypeDef = {"FileSystemId": file_system_id}
    with worded(f"looking at the settings of {file_system_id}"):
        policy = unless_missing(lambda: efs.describe_file_system_policy(**which), "PolicyNotFound")
        own_backups = unless_missing(lambda: efs.describe_backup_policy(**which), "PolicyNotFound")
        return FileSystemSettings(
            file_system_id=file_system_id,
            throughput=Throughput(
                described.get("ThroughputMode", "bursting"),
                described.get("ProvisionedThroughputInMibps"),
            ),
            zone=described.get("AvailabilityZoneName"),
            tags=_tags(described.get("Tags", [])),
            lifecycle=tuple(efs.describe_lifecycle_configuration(**which)["LifecyclePolicies"]),
            backup_policy=_switch(own_backups),
            policy=policy["Policy"] if policy else None,
            access_points=tuple(
                _access_point(entry)
                for page in efs.get_paginator("describe_access_points").paginate(**which)
                for entry in page["AccessPoints"]
            ),
            mount_targets=tuple(
                _mount_target(efs, entry)
                for page in efs.get_paginator("describe_mount_targets").paginate(**which)
                for entry in page["MountTargets"]
            ),
        )


def as_cabal_has_it(
    aws: Aws, recovery_point_arn: str, subnets: Sequence[str], security_groups: Sequence[str]
) -> FileSystemSettings:
    """What to set when the file system does not exist any more.

    Its tags are on its recovery point; the rest is as Cabal's own Terraform makes it.
    """
    tags = ask(
        lambda: aws.client("backup").list_tags(ResourceArn=recovery_point_arn).get("Tags", {})
    )
    known = {} if isinstance(tags, Unknown) else _settable(tags.value)
    return FileSystemSettings(
        tags={"Name": names.MAILSTORE, **known},
        lifecycle=({"TransitionToIA": "AFTER_30_DAYS"},),
        access_points=tuple(_of_a_queue(aws, queue) for queue in QUEUES),
        mount_targets=new_targets(subnets, security_groups),
    )


def only_targets(subnets: Sequence[str], security_groups: Sequence[str]) -> FileSystemSettings:
    """Nothing but mount targets, for a file system that salvages one mailbox."""
    return FileSystemSettings(mount_targets=new_targets(subnets, security_groups))


def new_targets(subnets: Sequence[str], security_groups: Sequence[str]) -> tuple[MountTarget, ...]:
    """A mount target in each subnet."""
    groups = tuple(security_groups)
    return tuple(
        MountTarget(subnet=subnet, security_groups=groups, addresses="IPV4_ONLY")
        for subnet in subnets
    )


def _first(
    question: Callable[[], DescribeFileSystemsResponseTypeDef],
) -> FileSystemDescriptionTypeDef | None:
    found = unless_missing(question, "FileSystemNotFound")
    return next(iter(found["FileSystems"]), None) if found else None


def _of_a_queue(aws: Aws, queue: str) -> AccessPoint:
    # Without a user: sendmail changes the owners of its files itself. Without tags in the DR
    # region: the operator's policy has no room for them.
    return AccessPoint(
        root_directory={
            "Path": f"/{queue}",
            "CreationInfo": {"OwnerUid": 0, "OwnerGid": 12, "Permissions": "0700"},
        },
        posix_user=None,
        tags={} if aws.in_dr else {"Name": f"cabal-{queue}"},
    )


def _access_point(entry: AccessPointDescriptionTypeDef) -> AccessPoint:
    return AccessPoint(
        id=entry["AccessPointId"],
        root_directory=entry.get("RootDirectory") or {"Path": "/"},
        posix_user=entry.get("PosixUser") or None,
        tags=_tags(entry.get("Tags", [])),
    )


def _mount_target(efs: EFSClient, entry: MountTargetDescriptionTypeDef) -> MountTarget:
    target = entry["MountTargetId"]
    # While it is being created it is not known.
    groups = unless_missing(
        lambda: efs.describe_mount_target_security_groups(MountTargetId=target),
        "IncorrectMountTargetState",
    )
    both = bool(entry.get("IpAddress")), bool(entry.get("Ipv6Address"))
    return MountTarget(
        id=entry["MountTargetId"],
        subnet=entry["SubnetId"],
        security_groups=tuple(sorted(groups["SecurityGroups"] if groups else ())),
        addresses=_ADDRESSES.get(both, "IPV4_ONLY"),
        state=entry["LifeCycleState"],
    )


_ADDRESSES: Mapping[tuple[bool, bool], IpAddressTypeType] = {
    (True, True): "DUAL_STACK",
    (False, True): "IPV6_ONLY",
}
"""By whether there is an IPv4 and an IPv6 address."""


def _switch(own_backups: BackupPolicyDescriptionTypeDef | None) -> StatusType:
    """The policy as it can be set: it is reported as ENABLING and DISABLING, too."""
    policy = own_backups.get("BackupPolicy") if own_backups else None
    status = policy["Status"] if policy else "DISABLED"
    return "ENABLED" if status in ("ENABLED", "ENABLING") else "DISABLED"


def _tags(listed: Sequence[TagTypeDef]) -> dict[str, str]:
    return _settable({tag["Key"]: tag["Value"] for tag in listed})


def _settable(tags: Mapping[str, str]) -> dict[str, str]:
    """Without the tags that begin with aws:, which are AWS's own."""
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _in_words(throughput: Throughput | None) -> str:
    if throughput is None:
        return "as it comes"
    mode, rate = throughput
    return f"{mode}, {rate:g} MiB/s" if rate else mode


def _as(point: AccessPoint) -> str:
    user = point.posix_user
    return f" as {user['Uid']}:{user['Gid']}" if user else ""
