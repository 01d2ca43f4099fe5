"""Checkpoints and rollbacks."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox, SandboxFailed
from local_aws_tests.served.backups import (
    VAULT,
    back_up,
    items,
    make_file_system,
    make_role,
    make_table,
    make_vault,
    opt_in,
    put,
)
from local_aws_tests.served.templates import Stack, template, vault


def points(sandbox: Sandbox) -> int:
    found = sandbox.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=VAULT)
    return len(found["RecoveryPoints"])


def test_a_rollback_restores_all_services(sandbox: Sandbox) -> None:
    arn = make_table(sandbox)
    put(sandbox, "a-table", "one", "before")
    opt_in(sandbox)
    make_role(sandbox)
    make_vault(sandbox)
    back_up(sandbox, arn)
    file_system = make_file_system(sandbox)
    a_file = sandbox.efs_directory(file_system["FileSystemId"]) / "a-file"
    then = sandbox.now()
    checkpoint = sandbox.checkpoint()

    for _ in range(2):
        put(sandbox, "a-table", "one", "after")
        put(sandbox, "a-table", "two", "after")
        a_file.write_text("other content")
        a_file.with_name("another").write_text("new")
        back_up(sandbox, arn)
        sandbox.client("iam").create_user(UserName="someone")
        sandbox.advance(days=400)
        sandbox.rollback(checkpoint)

        assert items(sandbox, "a-table") == {"one": "before"}
        assert a_file.read_text() == "content"
        assert not a_file.with_name("another").exists()
        assert points(sandbox) == 1
        assert (sandbox.now() - then).days == 0
        with pytest.raises(ClientError, match="NoSuchEntity"):
            sandbox.client("iam").get_user(UserName="someone")


def test_a_rollback_restores_the_settings(sandbox: Sandbox) -> None:
    """Otherwise one test would change AWS for all later tests."""
    before = sandbox.settings()
    checkpoint = sandbox.checkpoint()
    sandbox.settings(emptied_vault_refuses_once=False, deletion_duration=1, table_restore=3600)

    sandbox.rollback(checkpoint)

    assert sandbox.settings() == before


def test_a_rollback_restores_expired_points(sandbox: Sandbox) -> None:
    role = make_role(sandbox)
    make_vault(sandbox)
    made = make_file_system(sandbox)
    point = back_up(sandbox, made["FileSystemArn"])["RecoveryPointArn"]
    checkpoint = sandbox.checkpoint()
    backup = sandbox.client("backup")
    backup.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)
    sandbox.advance(hours=1)
    remaining = points(sandbox)

    sandbox.rollback(checkpoint)
    job = backup.start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn=role,
        Metadata={"file-system-id": made["FileSystemId"], "newFileSystem": "false"},
    )["RestoreJobId"]
    sandbox.advance(hours=1)

    assert remaining == 0
    assert backup.describe_restore_job(RestoreJobId=job)["Status"] == "COMPLETED"


def test_a_stack_can_be_updated_after_a_rollback(sandbox: Sandbox) -> None:
    stack = Stack(sandbox.client("cloudformation"))
    stack.create(template(Vault=vault()))
    checkpoint = sandbox.checkpoint()
    assert stack.delete() == "DELETE_COMPLETE"

    sandbox.rollback(checkpoint)

    lock = {"MinRetentionDays": 30}
    assert stack.update(template(Vault=vault(LockConfiguration=lock))) == "UPDATE_COMPLETE"


def test_a_rollback_clears_the_faults(sandbox: Sandbox) -> None:
    checkpoint = sandbox.checkpoint()
    sandbox.faults.lose_regions("us-west-1")

    sandbox.rollback(checkpoint)

    assert sandbox.client("backup").list_backup_vaults()["BackupVaultList"] == []


def test_an_unknown_checkpoint_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxFailed, match="no-such-checkpoint"):
        sandbox.rollback("no-such-checkpoint")
