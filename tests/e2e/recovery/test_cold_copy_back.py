"""`copy-back --cold`: any night of the year back in the primary region; S24."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import Sandbox

from cabal_backup.cli.main import main
from tests import killing, mail_host
from tests.e2e.audit import changes_since
from tests.e2e.operator import Operator
from tests.e2e.recovery.disaster import build_anew, mail, wipe_primary_region
from tests.e2e.recovery.test_copy_back import hide_the_points
from tests.e2e.recovery.test_in_dr import items, night, type_in
from tests.e2e.recovery.test_lost_region import remove_the_role
from tests.e2e.terminal import type_answers
from tests.killing import Ended
from tests.long import LONG
from tests.sandbox.cabal import let_tables_settle
from tests.sandbox.deployment import Deployment

DR = "us-west-2"
TABLE = "cabal-addresses"
PRIMARY_VAULT, DR_VAULT = ("cabal-backup", "us-west-1"), ("cabal-backup-dr", DR)


def points(sandbox: Sandbox, vault: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """The recovery points of a vault, by ARN."""
    pages = sandbox.client("backup", vault[1]).get_paginator("list_recovery_points_by_backup_vault")
    return {
        point["RecoveryPointArn"]: point
        for page in pages.paginate(BackupVaultName=vault[0])
        for point in page["RecoveryPoints"]
    }


def intermediates(sandbox: Sandbox) -> list[str]:
    """What a copy-back restored in the DR region and has not deleted."""
    tables = sandbox.client("dynamodb", DR).list_tables()["TableNames"]
    systems = sandbox.client("efs", DR).describe_file_systems()["FileSystems"]
    return [*tables, *(one["CreationToken"] for one in systems)]


def jobs(sandbox: Sandbox) -> dict[str, list[str]]:
    """The states of all jobs in the DR region that are no copies of the nights."""
    backup = sandbox.client("backup", DR)
    return {
        "restore": [job["Status"] for job in backup.list_restore_jobs()["RestoreJobs"]],
        "backup": [job["State"] for job in backup.list_backup_jobs()["BackupJobs"]],
        "copy": [job["State"] for job in backup.list_copy_jobs()["CopyJobs"]],
    }


ONE_OF_EACH = {"restore": ["COMPLETED"], "backup": ["COMPLETED"], "copy": ["COMPLETED"]}


@pytest.mark.parametrize("what", ["addresses", "mailstore"])
def test_a_cold_night_comes_back(operator: Operator, what: str) -> None:
    sandbox, this = operator.sandbox, night(operator, 35)
    before, dr_before = points(sandbox, PRIMARY_VAULT), points(sandbox, DR_VAULT)
    healthy = operator.not_ok()
    command = ("copy-back", what, "--night", this, "--cold")
    refused = operator.run(*command[:-1], "--yes")
    assert (refused.code, "With --cold it is restored in us-west-2" in refused.err) == (4, True)
    plan = operator.run(*command, "--dry-run").out
    assert "about four hours" in plan
    assert "it costs about $0.00: restoring 0.00 GB, copying it, and storing it" in plan
    assert "tags with the night, " + this in plan
    began = sandbox.now()

    said = operator.run(*command, "--yes")

    assert said.code == 0, said
    assert sandbox.now() - began > timedelta(hours=4)
    (back,) = [one for arn, one in points(sandbox, PRIMARY_VAULT).items() if arn not in before]
    (warm,) = [one for arn, one in points(sandbox, DR_VAULT).items() if arn not in dr_before]
    assert said.out.strip() == back["RecoveryPointArn"]
    # As short as the lock of the DR vault accepts; and as long as the cold one is there.
    assert warm["Lifecycle"] == {"DeleteAfterDays": 30}
    original = dr_before[tags(sandbox, back)["cabal-backup:original"]]
    assert back["CalculatedLifecycle"]["DeleteAt"] >= original["CalculatedLifecycle"]["DeleteAt"]
    assert back["Lifecycle"]["MoveToColdStorageAfterDays"] == 30
    assert 30 <= back["Lifecycle"]["DeleteAfterDays"] <= 365
    assert tags(sandbox, back)["cabal-backup:night"].startswith(this)
    assert intermediates(sandbox) == []
    assert jobs(sandbox) == ONE_OF_EACH
    shown = operator.run("jobs", "--json").json["jobs"]
    assert {job["kind"] for job in shown if job["region"] == DR} == {"restore", "backup", "copy"}
    # Every list shows it under its night, and the checks take it for what it is.
    listed = operator.run("points", "--list").out
    assert [
        line for line in listed.splitlines() if back["RecoveryPointArn"] in line and this in line
    ]
    assert operator.not_ok() == healthy
    again = operator.run(*command)
    assert (again.code, again.out) == (0, said.out)
    assert "it is back already, and there is nothing left to do" in again.err


def tags(sandbox: Sandbox, point: dict[str, Any]) -> dict[str, str]:
    region = point["RecoveryPointArn"].split(":")[3]
    listed: dict[str, str] = sandbox.client("backup", region).list_tags(
        ResourceArn=point["RecoveryPointArn"]
    )["Tags"]
    return listed


def test_what_is_refused(operator: Operator) -> None:
    sandbox = operator.sandbox
    began = sandbox.advance(seconds=2)
    cold = ("addresses", "--night", night(operator, 35), "--cold")
    for arguments, code, words in (
        (
            ("addresses", "--night", night(operator, 2), "--cold", "--yes"),
            4,
            "is warm, so it is copied as it is",
        ),
        ((*cold, "--yes", "--no-wait"), 64, "--no-wait: not with --cold"),
        (cold, 4, "--yes was not given"),
        ((*cold, "--assume-region-lost", "us-west-1"), 69, "with the option --in dr"),
    ):
        said = operator.run("copy-back", *arguments)
        assert (said.code, words in said.err) == (code, True), said
    assert changes_since(sandbox, began) == []
    sandbox.client("backup", DR).update_region_settings(
        ResourceTypeManagementPreference={"DynamoDB": False}
    )
    said = operator.run("copy-back", *cold, "--yes")
    assert (said.code, "Advanced DynamoDB backup is off in us-west-2" in said.err) == (3, True)


@pytest.mark.parametrize("step", ["restore", "backup", "copy"])
def test_a_step_that_fails_is_done_again(operator: Operator, step: str) -> None:
    command = ("copy-back", "addresses", "--night", night(operator, 35), "--cold", "--yes")
    operator.sandbox.faults.fail_next(step, message="Not today.")
    failed = operator.run(*command)
    assert (failed.code, "AWS says: Not today." in failed.err) == (3, True)

    again = operator.run(*command)

    assert again.code == 0, again
    assert intermediates(operator.sandbox) == []
    assert jobs(operator.sandbox)[step] in (["COMPLETED", "FAILED"], ["FAILED", "COMPLETED"])


@pytest.mark.parametrize("step", ["restore", "backup"])
def test_a_job_that_is_no_longer_listed_is_done_again(operator: Operator, step: str) -> None:
    """AWS Backup lists a job for 30 days, and does not say when it forgets an idempotency token."""
    sandbox = operator.sandbox
    command = ("copy-back", "addresses", "--night", night(operator, 35), "--cold", "--yes")
    sandbox.faults.fail_next(step, message="Not today.")
    assert operator.run(*command).code == 3
    for table in intermediates(sandbox):
        sandbox.client("dynamodb", DR).delete_table(TableName=table)
    sandbox.advance(days=31)

    again = operator.run(*command)

    assert again.code == 0, again


def test_a_vault_that_does_not_say_what_is_back(operator: Operator) -> None:
    hide_the_points(operator.sandbox)
    began = operator.sandbox.advance(seconds=2)
    command = ("copy-back", "addresses", "--night", night(operator, 35), "--cold", "--yes")
    said = operator.run(*command)
    words = "Whether the recovery point is back already is not known (ListRecoveryPointsByBackupVau"
    assert (said.code, words in said.err) == (2, True)
    assert "). Nothing was done." in said.err
    assert changes_since(operator.sandbox, began) == []


@pytest.mark.parametrize(
    ("what", "service", "operation"),
    [
        ("addresses", "dynamodb", "DeleteTable"),
        ("mailstore", "elasticfilesystem", "DeleteFileSystem"),
    ],
)
def test_only_the_deletion_fails(
    operator: Operator, what: str, service: str, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run deletes, and says that it does nothing else."""
    sandbox = operator.sandbox
    command = ("copy-back", what, "--night", night(operator, 35), "--cold")
    denied = {"operation": operation, "region": DR, "error": "AccessDeniedException"}
    sandbox.faults.services({"service": service, "status": 400, **denied})
    known = points(sandbox, PRIMARY_VAULT)

    failed = operator.run(*command, "--yes")

    (back,) = points(sandbox, PRIMARY_VAULT).keys() - known.keys()
    assert failed.code == 3, failed
    assert f"The recovery point is back: {back}. It can be restored now. Only deleting" in (
        failed.err
    )
    assert "AccessDeniedException" in failed.err
    sandbox.faults.services()
    began = sandbox.advance(seconds=2)
    plan = operator.run(*command, "--dry-run").out
    assert f"it is back already, as {back}" in plan
    assert [words for words in ("it costs", "1. restore", "back that up") if words in plan] == []
    assert (operator.run(*command).code, changes_since(sandbox, began)) == (4, [])
    type_answers(monkeypatch, "yes")
    again = operator.run(*command)
    assert (again.code, again.out.strip(), intermediates(sandbox)) == (0, back, [])
    asked = "This deletes the table cabal-addresses-copy-back-"
    if what == "mailstore":
        asked = "This deletes the file system fs-"
    assert asked in again.err
    assert len(changes_since(sandbox, began)) == 1


def test_a_second_file_system_has_a_backup_job_of_its_own(operator: Operator) -> None:
    """Its token is not that of the failed backup of the first one, which was deleted."""
    sandbox = operator.sandbox
    command = ("copy-back", "mailstore", "--night", night(operator, 35), "--cold", "--yes")
    sandbox.faults.fail_next("backup", message="Not today.")
    assert operator.run(*command).code == 3
    efs = sandbox.client("efs", DR)
    (first,) = efs.describe_file_systems()["FileSystems"]
    efs.delete_file_system(FileSystemId=first["FileSystemId"])
    sandbox.advance(minutes=5)

    again = operator.run(*command)

    assert again.code == 0, again
    assert intermediates(sandbox) == []


@pytest.mark.parametrize("earlier", [False, True], ids=["no-job", "a-job-made-an-earlier-one"])
def test_a_table_that_is_not_known_to_be_of_the_restore_is_left_alone(
    operator: Operator, *, earlier: bool
) -> None:
    sandbox, this = operator.sandbox, night(operator, 35)
    plan = operator.run("copy-back", "addresses", "--night", this, "--cold", "--dry-run").out
    name = next(word for word in plan.split() if "-copy-back-" in word)
    dynamodb = sandbox.client("dynamodb", DR)
    if earlier:
        sandbox.faults.fail_next("backup", message="Not today.")
        assert operator.run("copy-back", "addresses", "--night", this, "--cold", "--yes").code == 3
        dynamodb.delete_table(TableName=name)
        sandbox.advance(hours=1)
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
    )
    let_tables_settle(sandbox)
    said = operator.run("copy-back", "addresses", "--night", this, "--cold", "--yes")
    assert (said.code, f"delete-table --region us-west-2 --table-name={name}" in said.err) == (
        4,
        True,
    )
    assert intermediates(operator.sandbox) == [name]


def changes(pass_moment: killing.Pass) -> None:
    """The calls that start a job, or delete what was restored; how often it asks is left out."""
    starts = ("PUT /restore-jobs", "PUT /backup-jobs", "PUT /copy-jobs", "DeleteTable")

    def pass_change(name: str) -> None:
        if name in starts or name.startswith("DELETE /2015-02-01/file-systems"):
            pass_moment(name)

    killing.aws_calls(pass_change)


@pytest.mark.parametrize("what", ["addresses", "mailstore"])
def test_killed_at_any_change_and_run_again(operator: Operator, what: str) -> None:
    sandbox = operator.sandbox
    arguments = ["copy-back", what, "--night", night(operator, 35), "--cold", "--yes"]
    deployment = operator.deployment
    command = [*arguments, "-e", deployment.environment, *deployment.context_arguments()]
    remembered, before = sandbox.checkpoint(), len(points(sandbox, PRIMARY_VAULT))

    def bring_back(kill_at: int | None = None) -> Ended:
        sandbox.rollback(remembered)
        return killing.run(lambda: main(command, clock=operator.clock), changes, kill_at=kill_at)

    whole = bring_back()
    assert whole.code == 0, whole.said
    # Each of the four changes passes two moments: before it is sent, and after its answer.
    assert len(whole.moments) == 8
    for moment in range(1, 9) if LONG else range(2, 9, 2):
        ended = bring_back(moment)
        assert ended.killed, ended.said

        again = operator.run(*arguments)

        assert again.code == 0, again
        let_tables_settle(sandbox)
        assert intermediates(sandbox) == []
        assert jobs(sandbox) == ONE_OF_EACH, moment
        assert len(points(sandbox, PRIMARY_VAULT)) == before + 1


def test_s24_night_200_of_a_lost_region(
    deployed: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """200 nights later, the primary region lost and built anew: the table and the mailstore as they
    were 200 nights ago, byte for byte.
    """
    sandbox, root = deployed.sandbox, deployed.cabal.file_system_root
    users = [owner.user for owner in deployed.cabal.users]
    sandbox.run_nights(1)
    _live(sandbox, root, "before")
    addresses, mailboxes = items(sandbox, TABLE), {user: mail(root / user) for user in users}
    sandbox.run_nights(1)
    this = f"{sandbox.now():%Y-%m-%d}"
    _live(sandbox, root, "after")
    sandbox.run_nights(199)
    wipe_primary_region(deployed)
    anew = build_anew(deployed)
    remove_the_role(anew, tmp_path)
    anew.deploy_assembly()
    operator = Operator(anew, monkeypatch, capsys)

    back = {}
    for what in ("addresses", "mailstore"):
        said = operator.run("copy-back", what, "--night", this, "--cold", "--yes")
        assert said.code == 0, said
        back[what] = said.out.strip()
        assert f"cabal-backup restore {what} --recovery-point={back[what]}" in said.err

    assert intermediates(sandbox) == []
    nights = operator.run("points", "--json", "--nights", "366").json["nights"]
    (cells,) = (each["cells"] for each in nights if each["night"] == this)
    assert {(cell["vault"], cell["resource"]): cell["state"] for cell in cells} == {
        ("cabal-backup", "addresses"): "warm",
        ("cabal-backup", "mailstore"): "warm",
        ("cabal-backup-dr", "addresses"): "warm",
        ("cabal-backup-dr", "mailstore"): "warm",
    }
    table = type_in(operator, "restore", "addresses", "--night", this, "--yes")
    assert (table.code, table.out.strip()) == (0, TABLE)
    assert items(sandbox, TABLE) == addresses
    mailbox = type_in(operator, "restore", "mailbox", "alice", "--night", this, "--yes")
    assert (mailbox.code, "brings a cold one back" in mailbox.err) == (4, True)
    whole = f"restore mailstore {operator.options} --recovery-point={back['mailstore']}`"
    assert whole in mailbox.err
    cold = f"restore mailbox alice {operator.options} --in dr --recovery-point=arn:aws:backup:us-"
    assert cold in mailbox.err
    # The new mailstore has no mount target, so neither has what takes its place.
    made = type_in(operator, "restore", "mailstore", "--night", this, "--yes")
    assert (made.code, made.out.startswith("fs-")) == (7, True)
    restored = sandbox.efs_directory(made.out.strip())
    for _ in range(2):
        promote = ["mailstore", "promote", "--mount", str(restored), "--yes"]
        assert mail_host.main(promote) == 0
    assert {user: mail(restored / user) for user in users} == mailboxes


def _live(sandbox: Sandbox, root: Path, word: str) -> None:
    """An address and a message that come, and an address that is deleted."""
    first = items(sandbox, TABLE)[0]
    dynamodb = sandbox.client("dynamodb")
    dynamodb.delete_item(TableName=TABLE, Key={"address": first["address"]})
    address = {"address": {"S": f"{word}@mail.example.com"}, "user": {"S": "alice"}}
    dynamodb.put_item(TableName=TABLE, Item=address)
    (root / "alice" / "Maildir" / "new" / word).write_text(f"mail of {word}")
