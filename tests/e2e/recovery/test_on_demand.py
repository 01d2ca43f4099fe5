"""`backup now` and `copy now`: what the night does, on request."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import NoReturn

import pytest
from local_aws.client import Sandbox

from tests.e2e.audit import changes_since
from tests.e2e.exercise import newest_point
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.terminal import Keyboard, type_answers

PRIMARY, DR = ("cabal-backup", "us-west-1"), ("cabal-backup-dr", "us-west-2")
ROLE = "arn:aws:iam::123456789012:role/cabal-backup-role"


def points(sandbox: Sandbox, where: tuple[str, str], since: timedelta) -> dict[str, dict[str, int]]:
    """The lifecycles of the completed recovery points that were made lately, by resource type."""
    vault, region = where
    pages = sandbox.client("backup", region).get_paginator("list_recovery_points_by_backup_vault")
    found = [
        point
        for page in pages.paginate(BackupVaultName=vault, ByCreatedAfter=sandbox.now() - since)
        for point in page["RecoveryPoints"]
    ]
    assert {(point["Status"], point["IamRoleArn"]) for point in found} <= {("COMPLETED", ROLE)}
    assert len({point["ResourceType"] for point in found}) == len(found)
    return {point["ResourceType"]: dict(point["Lifecycle"]) for point in found}


YEAR = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365}
BOTH = {"DynamoDB": YEAR, "EFS": YEAR}
LATELY = timedelta(hours=3)


def test_both_are_backed_up_and_then_copied(operator: Operator) -> None:
    backed_up = operator.run("backup", "now", "--yes")

    assert backed_up.code == 0
    assert "the lock of cabal-backup refuses to delete one before that date" in backed_up.err
    assert points(operator.sandbox, PRIMARY, LATELY) == BOTH
    made = {newest_point(operator.sandbox, kind) for kind in BOTH}
    assert set(backed_up.out.split()) == made

    copied = operator.run("copy", "now", "--yes")

    assert copied.code == 0
    assert points(operator.sandbox, DR, LATELY) == BOTH
    assert operator.not_ok() == {}
    again = operator.run("copy", "now")
    assert (again.code, again.out) == (0, "")
    assert "there is nothing to copy" in again.err


def test_one_resource_and_one_recovery_point(operator: Operator) -> None:
    arn = operator.run("backup", "now", "mailstore", "--yes").out.strip()
    assert points(operator.sandbox, PRIMARY, LATELY) == {"EFS": YEAR}

    assert operator.run("copy", "now", arn.rpartition(":")[2], "--yes").code == 0

    assert points(operator.sandbox, DR, LATELY) == {"EFS": YEAR}


def test_a_copy_that_failed_in_the_night_is_made_up_for(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("copy", resource_type="EFS", message="The vault was full.")
    operator.sandbox.advance(days=1)
    assert set(operator.not_ok()) == {"copy-jobs", "dr-copies"}

    assert operator.run("copy", "now", "--yes").code == 0

    assert operator.not_ok() == {"copy-jobs": "warn"}


def test_a_copy_that_is_almost_cold_has_the_lifecycle_of_the_plan(operator: Operator) -> None:
    sandbox = operator.sandbox
    night = sandbox.now() - timedelta(days=28)
    lost = [
        point
        for point in hand.points(sandbox, hand.DR)
        if timedelta() < point["CreationDate"] - night < timedelta(days=1)
    ]
    with hand.unlocked(sandbox, hand.DR):
        hand.delete_points(sandbox, hand.DR, lost)

    assert operator.run("copy", "now", "--yes").code == 0

    dates = {point["CreationDate"] for point in lost}
    made = [point for point in hand.points(sandbox, hand.DR) if point["CreationDate"] in dates]
    assert [point["Lifecycle"] for point in made] == [YEAR, YEAR]


@pytest.mark.parametrize("command", ["backup", "copy"])
def test_run_again_it_follows_what_runs(operator: Operator, command: str) -> None:
    if command == "copy":
        operator.run("backup", "now", "--yes")
    started = operator.run(command, "now", "--yes", "--no-wait")
    assert len(started.out.split()) == 2

    followed = operator.run(command, "now")

    assert followed.code == 0
    for job in started.out.split():
        assert f"the job {job} is doing this already" in followed.err
    assert points(operator.sandbox, PRIMARY if command == "backup" else DR, LATELY) == BOTH


@pytest.mark.parametrize("command", ["backup", "copy"])
def test_the_reason_of_a_job_that_fails(operator: Operator, command: str) -> None:
    if command == "copy":
        operator.run("backup", "now", "addresses", "--yes")
    operator.sandbox.faults.fail_next(command, resource_type="DynamoDB", message="Not today.")

    said = operator.run(command, "now", "--yes")

    assert (said.code, "AWS says: Not today." in said.err) == (3, True)


def test_what_cannot_be_copied(operator: Operator) -> None:
    pages = operator.sandbox.client("backup").list_recovery_points_by_backup_vault(
        BackupVaultName="cabal-backup", MaxResults=1000
    )
    cold = min(pages["RecoveryPoints"], key=lambda point: point["CreationDate"])
    began = operator.sandbox.advance(seconds=2)

    for name, code, words in (
        (cold["RecoveryPointArn"], 4, "is in cold storage, and AWS Backup cannot copy it"),
        ("nonesuch", 8, "There is no recovery point nonesuch in cabal-backup"),
    ):
        said = operator.run("copy", "now", name, "--yes")
        assert (said.code, words in said.err) == (code, True)
    for command in ("backup", "copy"):
        lost = operator.run(command, "now", "--yes", "--assume-region-lost", "us-west-1")
        assert (lost.code, "us-west-1 is assumed lost" in lost.err) == (69, True)
    wrong = operator.run("backup", "now", "everything", "--yes")
    assert (wrong.code, "one of addresses, mailstore" in wrong.err) == (64, True)
    assert changes_since(operator.sandbox, began) == []


def test_nothing_is_started_without_a_confirmation(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = operator.sandbox.advance(seconds=2)
    dry = operator.run("backup", "now", "--dry-run")
    assert (dry.code, "DynamoDB cabal-addresses: cold after 30 days" in dry.out) == (0, True)
    assert operator.run("backup", "now").code == 4
    type_answers(monkeypatch, "no")
    assert operator.run("backup", "now").code == 4
    assert changes_since(operator.sandbox, began) == []

    type_answers(monkeypatch, "yes")
    assert operator.run("backup", "now", "--no-wait").code == 0


def test_ctrl_c_says_what_became_of_it(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    began = operator.sandbox.advance(seconds=2)
    monkeypatch.setattr(sys, "stdin", Keyboard(["yes"], interrupt))
    asked = operator.run("backup", "now")
    assert asked.code == 130
    assert asked.err.endswith("cabal-backup: interrupted. Nothing was changed.\n")
    assert changes_since(operator.sandbox, began) == []

    with monkeypatch.context() as patched:
        patched.setattr(operator.clock, "sleep", interrupt)
        followed = operator.run("backup", "now", "addresses", "--yes")
    assert followed.code == 130
    assert "Nothing was changed" not in followed.err
    continues, command = followed.err.splitlines()[-1].split(" continues. To follow it again: ")
    assert re.fullmatch("cabal-backup: interrupted. The backup job \\S{36}", continues)
    _, jobs, *arguments = command.strip("`").split()
    assert operator.run(jobs, *arguments).code == 0


def test_jobs_are_one_line_each(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("backup", resource_type="DynamoDB", message="Not today.")
    operator.sandbox.advance(days=1)

    heading, *lines = operator.run("jobs").out.splitlines()

    assert heading.split() == ["STARTED", "UTC", "REGION", "KIND", "STATE", "RESOURCE", "ID"]
    *jobs, failed = lines
    shown = operator.run("jobs", "--json").json["jobs"]
    assert [job.split()[-1] for job in jobs] == [job["id"] for job in shown]
    assert {job.split()[5] for job in jobs} == {"cabal-addresses", "mailstore"}
    assert max(map(len, jobs)) <= 100
    (identity,) = (job["id"] for job in shown if job["state"] == "FAILED")
    assert failed == f"{identity}: Not today."


def test_a_vault_that_is_not_there_is_named_first(operator: Operator) -> None:
    sandbox = operator.sandbox
    sandbox.faults.deny("ListBackupVaults")
    said = operator.run("backup", "now", "--yes")
    assert (said.code, "The vault cannot be examined" in said.err) == (2, True)
