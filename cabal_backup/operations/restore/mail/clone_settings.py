"""Giving a restored file system the settings of the one that it replaces.

Every step looks first and sets only what is missing, so that a run that was killed can
be run again and creates nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws, in_words
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Progress, Report, Wait, follow_until
from cabal_backup.operations.restore.mail import file_system_settings
from cabal_backup.operations.restore.mail.file_system_settings import (
    AccessPoint,
    FileSystemSettings,
    MountTarget,
)

if TYPE_CHECKING:
    from types_boto3_efs.type_defs import (
        CreateAccessPointRequestTypeDef,
        CreateMountTargetRequestTypeDef,
        DescribeBackupPolicyRequestTypeDef,
        TagTypeDef,
        UpdateFileSystemRequestTypeDef,
    )


def clone(
    aws: Aws, settings: FileSystemSettings, file_system_id: str, clock: Clock, report: Report
) -> None:
    """Set on a file system, in the region to act in, what it lacks of `settings`.

    Raises CabalBackupError when AWS refuses; run again, it continues.
    """
    cloning = _Clone(aws, settings, file_system_id)
    cloning.wait(clock, report)
    try:
        cloning.throughput(report)
        cloning.wait(clock, report)
        cloning.tags(report)
        cloning.lifecycle(report)
        cloning.backup_policy(report)
        cloning.access_points(report)
        cloning.policy(report)
        cloning.mount_targets(report)
    except (BotoCoreError, ClientError) as error:
        worded = in_words(error, f"setting up {file_system_id}")
        raise type(worded)(
            f"{worded} The files are restored; run the same command again to continue."
        ) from error
    cloning.wait(clock, report)


def missing_access_points(
    wanted: tuple[AccessPoint, ...], there: tuple[AccessPoint, ...]
) -> list[AccessPoint]:
    """The wanted ones without an equal one in `there`; each of two equal ones needs its own."""
    left = list(there)
    missing = []
    for point in wanted:
        like = next((other for other in left if other.is_like(point)), None)
        if like is None:
            missing.append(point)
        else:
            left.remove(like)
    return missing


class _Clone:
    """One file system that is given the settings of another."""

    def __init__(self, aws: Aws, wanted: FileSystemSettings, file_system_id: str) -> None:
        self._aws = aws
        self._efs = aws.client("efs")
        self._wanted = wanted
        self._id = file_system_id
        self._which: DescribeBackupPolicyRequestTypeDef = {"FileSystemId": file_system_id}

    def wait(self, clock: Clock, report: Report) -> None:
        """Look until the file system and its mount targets are available."""

        def question() -> list[str]:
            described = self._efs.describe_file_systems(FileSystemId=self._id)["FileSystems"][0]
            pages = self._efs.get_paginator("describe_mount_targets").paginate(**self._which)
            targets = [target for page in pages for target in page["MountTargets"]]
            states = [str(one["LifeCycleState"]) for one in (described, *targets)]
            if "error" in states:
                raise AwsError(
                    f"EFS could not create {self._id} or one of its mount targets: `aws efs "
                    f"describe-mount-targets --region {self._aws.region} "
                    f"--file-system-id={self._id}` shows which. Delete that one and run this again."
                )
            return [state for state in states if state != "available"]

        wait = Wait(
            question=question,
            finished=lambda busy: not busy,
            event=lambda busy: Progress(f"{self._id} is {busy[0]}") if busy else None,
            what=f"creation of {self._id}",
            pick_up="the same command",
        )
        follow_until(wait, clock, report)

    def throughput(self, report: Report) -> None:
        if self._wanted.throughput in (None, self._now().throughput):
            return
        mode, rate = self._wanted.throughput
        update: UpdateFileSystemRequestTypeDef = {"FileSystemId": self._id, "ThroughputMode": mode}
        if rate:
            update["ProvisionedThroughputInMibps"] = rate
        self._efs.update_file_system(**update)
        report(self._line(f"throughput is {mode}"))

    def tags(self, report: Report) -> None:
        if self._wanted.tags.items() <= self._now().tags.items():
            return
        self._efs.tag_resource(ResourceId=self._id, Tags=_listed(self._wanted.tags))
        report(self._line("tags are set"))

    def lifecycle(self, report: Report) -> None:
        if self._now().lifecycle == self._wanted.lifecycle:
            return
        self._efs.put_lifecycle_configuration(
            **self._which, LifecyclePolicies=self._wanted.lifecycle
        )
        report(self._line("lifecycle is set"))

    def backup_policy(self, report: Report) -> None:
        wanted = self._wanted.backup_policy
        if wanted in (None, self._now().backup_policy):
            return
        self._efs.put_backup_policy(**self._which, BackupPolicy={"Status": wanted})
        report(self._line(f"automatic backups are {wanted}"))

    def access_points(self, report: Report) -> None:
        for point in missing_access_points(self._wanted.access_points, self._now().access_points):
            wanted: CreateAccessPointRequestTypeDef = {
                "FileSystemId": self._id,
                # The same for the same access point: a lost answer does not make a second.
                "ClientToken": f"{self._id}-{point.id or point.path.strip('/')}"[:64],
                "RootDirectory": point.root_directory,
                "Tags": _listed(point.tags),
            }
            if point.posix_user:
                wanted["PosixUser"] = point.posix_user
            made = self._efs.create_access_point(**wanted)
            report(self._line(f"access point {made['AccessPointId']} for {point.path}"))

    def policy(self, report: Report) -> None:
        """The policy names the file system and its access points, each by its ARN."""
        if self._wanted.policy is None:
            return
        there = self._now()
        policy = self._wanted.policy.replace(self._wanted.file_system_id, self._id)
        left = list(there.access_points)
        for point in self._wanted.access_points:
            like = next(other for other in left if other.is_like(point))
            left.remove(like)
            policy = policy.replace(point.id, like.id)
        if there.policy is not None and json.loads(there.policy) == json.loads(policy):
            return
        self._efs.put_file_system_policy(FileSystemId=self._id, Policy=policy)
        report(self._line("file system policy is set"))

    def mount_targets(self, report: Report) -> None:
        there = {target.subnet: target for target in self._now().mount_targets}
        for wanted in self._wanted.mount_targets:
            found = there.get(wanted.subnet)
            if found is None:
                self._create_mount_target(wanted)
                report(self._line(f"mount target in {wanted.subnet}"))
            elif wanted.security_groups and set(found.security_groups) != set(
                wanted.security_groups
            ):
                self._efs.modify_mount_target_security_groups(
                    MountTargetId=found.id, SecurityGroups=list(wanted.security_groups)
                )
                report(self._line(f"security groups of the mount target in {wanted.subnet}"))

    def _create_mount_target(self, wanted: MountTarget) -> None:
        target: CreateMountTargetRequestTypeDef = {
            "FileSystemId": self._id,
            "SubnetId": wanted.subnet,
        }
        if wanted.security_groups:
            target["SecurityGroups"] = wanted.security_groups
        if wanted.addresses != "IPV4_ONLY":
            target["IpAddressType"] = wanted.addresses
        try:
            self._efs.create_mount_target(**target)
        except ClientError as error:
            # A lost answer makes botocore ask again, and then it is there already.
            if error.response["Error"].get("Code") != "MountTargetConflict":
                raise
            if wanted.subnet not in {target.subnet for target in self._now().mount_targets}:
                raise

    def _now(self) -> FileSystemSettings:
        settings = file_system_settings.read_settings(self._aws, self._id)
        if settings is None:
            raise AwsError(f"The file system {self._id} was deleted while it was set up.")
        return settings

    def _line(self, what: str) -> str:
        return f"{self._id}: {what}."


def _listed(tags: Mapping[str, str]) -> list[TagTypeDef]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
