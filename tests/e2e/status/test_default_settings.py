"""With the default settings, nothing has to be done by hand for all to be well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.operator import Operator
from tests.e2e.prepared import prepare
from tests.e2e.status.calls import calls
from tests.long import LONG
from tests.sandbox.deployment import Deployment

NIGHTS = 35

LOOKED_AT = range(13) if LONG else (0, 1, 6)
"""The nights after which `status` is asked before the first restore tests."""

LOOKED_AT_LATER = range(13, NIGHTS) if LONG else (13, 22, 29, 30, 31)
"""Around restore tests: the last one of all is that after night 30, of 1 February."""

MOST_CALLS = 130
"""How many calls `status` makes at most with everything on, whatever the age."""

TRAIL = {"trail": "warn"}
"""The local AWS has none: it belongs to the account, not to the application."""
FIRST_NIGHT = {"last-night": "warn", "copy-back": "warn"}
"""Until the first night there is no recovery point, and so no protection."""

NOON_AFTER_FIRST_NIGHT = datetime(2026, 1, 2, 13, 0, tzinfo=UTC)
"""When the night is due, whatever the start window allows."""

BEFORE_TESTS_OF_COPIES = datetime(2026, 1, 15, 5, 0, tzinfo=UTC)
"""They start at 06:00; the copies of the night are complete."""

DR_TABLE, DR_MAILSTORE = "cabal_backup_dr_table", "cabal_backup_dr_mailstore"


@pytest.fixture(scope="module")
def default_deployment(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """Everything deployed that is on by default, and a subscriber; half a day before a night."""
    deployment, checkpoint = first_deployment
    whole, sandbox = replace(deployment, whole=True), deployment.sandbox

    def deploy() -> None:
        sandbox.rollback(checkpoint)
        whole.deploy_assembly()
        subscribe(sandbox)

    _, deployed = prepare(sandbox, "default-settings", deploy, whole.cabal.file_system_id)
    return whole, deployed


def subscribe(sandbox: Sandbox) -> None:
    """An address by hand, as docs/alerts.md says."""
    for region in ("us-west-1", "us-west-2"):
        sandbox.client("sns", region).subscribe(
            TopicArn=f"arn:aws:sns:{region}:{ACCOUNT}:cabal-backup-alerts",
            Protocol="email",
            Endpoint="operator@example.com",
        )
    for mail in sandbox.emails():
        sandbox.client("sns", mail["topic"].split(":")[3]).confirm_subscription(
            TopicArn=mail["topic"], Token=mail["token"]
        )


@pytest.fixture(scope="module")
def before_tests_of_copies(default_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    deployment, checkpoint = default_deployment
    deployment.sandbox.rollback(checkpoint)
    deployment.sandbox.run_nights(13)
    deployment.sandbox.advance_to(BEFORE_TESTS_OF_COPIES)
    return deployment, deployment.sandbox.checkpoint()


@pytest.fixture
def operator(
    default_deployment: tuple[Deployment, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Operator:
    deployment, checkpoint = default_deployment
    deployment.sandbox.rollback(checkpoint)
    return Operator(deployment, monkeypatch, capsys)


def not_ok_after(operator: Operator, nights: Iterable[int]) -> dict[str, dict[str, str]]:
    """What is not ok at noon after each of these nights, by its date, where it is not the trail."""
    sandbox, seen = operator.sandbox, {}
    for night in nights:
        noon = NOON_AFTER_FIRST_NIGHT + timedelta(days=night)
        sandbox.run_nights((noon.date() - sandbox.now().date()).days)
        sandbox.advance_to(noon)
        if (not_ok := operator.not_ok()) != TRAIL:
            seen[f"{sandbox.now():%Y-%m-%d}"] = not_ok
    return seen


def test_all_is_well_from_the_first_night_on(operator: Operator) -> None:
    """Before the first restore tests, which are due on 15 January and 1 February."""
    assert operator.not_ok() == {**FIRST_NIGHT, **TRAIL}
    assert not_ok_after(operator, LOOKED_AT) == {}


def test_all_is_well_after_the_restore_tests(
    before_tests_of_copies: tuple[Deployment, str], operator: Operator
) -> None:
    operator.sandbox.rollback(before_tests_of_copies[1])
    assert operator.not_ok() == TRAIL
    assert not_ok_after(operator, LOOKED_AT_LATER) == {}

    tested = operator.run("status", "--only", "restore-tests").text
    for what in (
        "table in cabal-backup: successful, 2026-02-01",
        "mailstore in cabal-backup: successful, 2026-02-01",
        "table in cabal-backup-dr: successful, 2026-01-15",
        "mailstore in cabal-backup-dr: successful, 2026-01-15",
    ):
        assert what in tested


def test_no_call_about_restore_tests_is_repeated(operator: Operator) -> None:
    before = calls(operator.sandbox)

    operator.run("status", "--only", "restore-tests")

    asked = calls(operator.sandbox) - before
    assert {key: count for key, count in asked.items() if "Restore" in key[1]} == {
        ("us-west-1", "ListRestoreJobs"): 1,
        ("us-west-1", "GetRestoreTestingPlan"): 1,
        ("us-west-1", "ListRestoreTestingSelections"): 1,
        ("us-west-1", "GetRestoreTestingSelection"): 2,
        ("us-west-2", "ListRestoreJobs"): 1,
        ("us-west-2", "GetRestoreTestingPlan"): 2,
        ("us-west-2", "ListRestoreTestingSelections"): 2,
        ("us-west-2", "GetRestoreTestingSelection"): 2,
    }
    assert sum(asked.values()) <= MOST_CALLS


# --- faults of the restore tests of the copies


def without_selection(sandbox: Sandbox) -> None:
    sandbox.client("backup", "us-west-2").delete_restore_testing_selection(
        RestoreTestingPlanName=DR_MAILSTORE, RestoreTestingSelectionName=f"{DR_MAILSTORE}_efs"
    )


def from_another_vault(sandbox: Sandbox) -> None:
    backup = sandbox.client("backup", "us-west-2")
    plan = backup.get_restore_testing_plan(RestoreTestingPlanName=DR_TABLE)["RestoreTestingPlan"]
    other = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:other"
    backup.update_restore_testing_plan(
        RestoreTestingPlanName=DR_TABLE,
        RestoreTestingPlan={
            "RecoveryPointSelection": {**plan["RecoveryPointSelection"], "IncludeVaults": [other]}
        },
    )


def unlike_the_live_table(sandbox: Sandbox) -> None:
    """The live table grows by a fifth between the night and the test of its copy."""
    dynamodb = sandbox.client("dynamodb")
    for number in range(100):
        dynamodb.put_item(
            TableName="cabal-addresses", Item={"address": {"S": f"new{number}@example.com"}}
        )
    sandbox.advance_to(BEFORE_TESTS_OF_COPIES + timedelta(hours=12))


def not_restorable(sandbox: Sandbox) -> None:
    sandbox.faults.fail_next("restore", resource_type="EFS", message="No.")
    sandbox.advance_to(BEFORE_TESTS_OF_COPIES + timedelta(hours=12))


FAULTS: Mapping[str, Callable[[Sandbox], object]] = {
    "the copy of the mailstore is not tested": without_selection,
    "the table is restored from another vault": from_another_vault,
    "the copy of the table is not like the live table": unlike_the_live_table,
    "the copy of the mailstore cannot be restored": not_restorable,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_tests_of_copies_turns_the_check(
    before_tests_of_copies: tuple[Deployment, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    deployment, checkpoint = before_tests_of_copies
    deployment.sandbox.rollback(checkpoint)
    operator = Operator(deployment, monkeypatch, capsys)
    assert operator.not_ok() == TRAIL

    FAULTS[fault](operator.sandbox)

    assert operator.not_ok() == {**TRAIL, "restore-tests": "fail"}
