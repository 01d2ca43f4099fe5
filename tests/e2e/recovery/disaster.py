"""The loss of the primary region, and a Cabal built anew in it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from local_aws.client import Sandbox

from tests.e2e.assembly import synthesize_here
from tests.sandbox.cabal import Cabal, delete_table
from tests.sandbox.deployment import Deployment


def wipe_primary_region(deployment: Deployment) -> None:
    """Delete everything in the primary region: stack, vault, points, tables, files.

    What is not in it stays: the DR region, and the role, which belongs to no region.
    """
    sandbox = deployment.sandbox
    _wipe_stack(sandbox)
    _wipe_vault(sandbox)
    _wipe_tables(sandbox)
    _wipe_file_systems(sandbox, deployment.cabal.file_system_root)


def build_anew(deployment: Deployment) -> Deployment:
    """A new, empty file system, as Cabal's Terraform would make it; no table is made."""
    sandbox = deployment.sandbox
    made = sandbox.client("efs").create_file_system(
        CreationToken="cabal-efs-2",
        Encrypted=True,
        Tags=[{"Key": "Name", "Value": "cabal-efs"}],
    )
    cabal: Cabal = replace(
        deployment.cabal,
        file_system_id=made["FileSystemId"],
        file_system_arn=made["FileSystemArn"],
        file_system_root=sandbox.efs_directory(made["FileSystemId"]),
    )
    return Deployment(sandbox, cabal, synthesize=synthesize_here)


def mail(root: Path) -> dict[str, bytes | str]:
    """Every file below a directory, with what is in it."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _wipe_stack(sandbox: Sandbox) -> None:
    cloudformation = sandbox.client("cloudformation")
    name = "cabal-backup"
    cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )


def _wipe_vault(sandbox: Sandbox) -> None:
    backup, name = sandbox.client("backup"), "cabal-backup"
    backup.delete_backup_vault_lock_configuration(BackupVaultName=name)
    pages = backup.get_paginator("list_recovery_points_by_backup_vault")
    for page in pages.paginate(BackupVaultName=name):
        for point in page["RecoveryPoints"]:
            backup.delete_recovery_point(
                BackupVaultName=name, RecoveryPointArn=point["RecoveryPointArn"]
            )
    sandbox.advance(minutes=1)
    sandbox.settings(emptied_vault_refuses_once=False)
    backup.delete_backup_vault(BackupVaultName=name)
    sandbox.settings(emptied_vault_refuses_once=True)


def _wipe_tables(sandbox: Sandbox) -> None:
    for table in sandbox.client("dynamodb").list_tables()["TableNames"]:
        delete_table(sandbox, table)


def _wipe_file_systems(sandbox: Sandbox, root: Path) -> None:
    efs = sandbox.client("efs")
    for file_system in efs.describe_file_systems()["FileSystems"]:
        identity = file_system["FileSystemId"]
        for target in efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]:
            efs.delete_mount_target(MountTargetId=target["MountTargetId"])
        for point in efs.describe_access_points(FileSystemId=identity)["AccessPoints"]:
            efs.delete_access_point(AccessPointId=point["AccessPointId"])
        efs.delete_file_system(FileSystemId=identity)
    shutil.rmtree(root, ignore_errors=True)
