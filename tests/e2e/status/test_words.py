"""What a person reads of the commonest faults: the thing, what it means, and what to type.

Where what is to be typed is a command of the aws CLI, it is typed, and fixes the fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from local_aws.client import Sandbox

from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import PROJECT, Deployment
from tests.sandbox.seed import run_aws


def commands(out: str) -> list[str]:
    """The `aws …` commands among what was said, each whole on its line."""
    return [
        command
        for line in out.splitlines()
        for command in re.findall(r"aws [a-z0-9-]+ [a-z-]+ --.*?(?=; |, then|$)", line)
    ]


def fixed(operator: Operator, out: str, **after: float) -> None:
    """Type what the tool said, with the real aws CLI; all is well afterwards.

    :param after: how long that takes, as in `advance`; an hour when left out.
    """
    for command in commands(out):
        run_aws(operator.sandbox, command)
    operator.sandbox.advance(**(after or {"hours": 1}))
    assert operator.not_ok() == {}


@pytest.mark.parametrize(("vault", "check"), [(PRIMARY, "primary-lock"), (DR, "dr-lock")])
def test_a_removed_lock(operator: Operator, vault: hand.Vault, check: str) -> None:
    region, name = vault
    when = operator.sandbox.now()
    hand.unlock(operator.sandbox, vault)
    operator.sandbox.advance(days=1)

    said = operator.run("status")

    assert said.out.endswith("\n✘ development is NOT protected as promised: 1 check failed.\n")
    assert f"The lock of {name} in {region} is off" in said.text
    assert "every user who may delete recovery points can delete all of them" in said.text
    moments = [f"{when + timedelta(seconds=s):%Y-%m-%d %H:%M}" for s in (0, 5)]
    assert any(f"Removed at {moment} UTC by arn:aws:iam::" in said.text for moment in moments)
    assert f"\n  ✘ {check}  docs/status.md#{check}\n" in said.out
    relock = f"cabal-backup relock {operator.options} --vault {check.partition('-')[0]}"
    assert f"Put it back: {relock} (docs/runbooks/locks.md#on). Or, without the tool: " in said.text
    assert commands(said.out) == [
        f"aws backup put-backup-vault-lock-configuration --region {region} --backup-vault-name="
        f"{name} --min-retention-days 30 --max-retention-days 365"
    ]
    fixed(operator, said.out, days=8)  # For a week it is reported.


def test_a_removed_lock_is_put_back_by_our_command(operator: Operator) -> None:
    hand.unlock(operator.sandbox, DR)
    (command,) = re.findall(r"cabal-backup (relock .*?) \(", operator.run("status").text)

    assert operator.type(*command.split()).code == 0

    operator.sandbox.advance(days=8)  # For a week it is reported.
    assert operator.not_ok() == {}


def test_what_was_deleted_is_restored_by_our_commands(operator: Operator) -> None:
    for table in ("cabal-addresses", "cabal-counter"):
        delete_table(operator.sandbox, table)
    hand.delete_file_system(operator.deployment)

    commands = re.findall(r"cabal-backup (restore .*?) \(", said := operator.run("status").text)

    assert commands == [
        f"restore addresses {operator.options}",
        f"restore mailstore {operator.options}",
        f"restore table cabal-counter --latest {operator.options}",
    ], said
    for command in commands:
        planned = operator.type(*command.split(), "--dry-run")
        assert planned.code == 0, planned.err


@pytest.mark.parametrize("region", ["us-west-1", "us-west-2"])
def test_a_region_that_does_not_answer(operator: Operator, region: str) -> None:
    operator.sandbox.faults.lose_regions(region)

    said = operator.run("status")
    everything = operator.run("status", "--json").json["findings"]

    unknown = [one["check"] for one in everything if one["status"] == "unknown"]
    assert len(unknown) > 5
    assert f"No answer from {region}: " in said.text
    assert f"{len(unknown)} checks could not be made." in said.text
    assert said.out.count("\n  ? ") == 1
    assert said.text.count("Run it again") == 0
    assert f"cabal-backup status {operator.options} --assume-region-lost {region}" in said.text
    assert all(check in said.text for check in unknown)
    remedy = "lose-a-region.md" if region == "us-west-1" else "cabal-backup copy now -e development"
    assert remedy in said.text
    lost = operator.run("status", "--assume-region-lost", region)
    assert f"No answer from {region}: {region} is assumed lost and was not asked." in lost.text
    assert "--assume-region-lost" not in lost.text  # What it advises needs the region.


def test_a_widened_lock(operator: Operator) -> None:
    hand.lock(operator.sandbox, DR, least=1, most=36500)

    said = operator.run("status")

    assert (
        "cabal-backup-dr in us-west-2 is locked to 1 to 36500 days, and should be locked to 30 to "
        "365 days." in said.text
    )
    fixed(operator, said.out)


def test_a_lock_in_compliance_mode(operator: Operator) -> None:
    hand.lock(operator.sandbox, PRIMARY, ChangeableForDays=3)
    until = operator.sandbox.now() + timedelta(days=3)

    said = operator.run("status")

    assert f"is in compliance mode: from {until:%Y-%m-%d}" in said.text
    assert "it can never be removed or changed" in said.text
    assert len(commands(said.out)) == 2
    fixed(operator, said.out, days=8)  # For a week it is reported.


@pytest.mark.parametrize("region", ["us-west-1", "us-west-2"])
def test_the_opt_in_off(operator: Operator, region: str) -> None:
    hand.opt_in(operator.sandbox, region, managed=False)

    said = operator.run("status")

    assert f"Advanced DynamoDB backup is off in {region} (full management)" in said.text
    assert "can never be copied to the other region" in said.text
    fixed(operator, said.out)


def test_pitr_off(operator: Operator) -> None:
    for table in ("cabal-counter", "cabal-dmarc-reports"):
        hand.pitr(operator.sandbox, table, enabled=False)

    said = operator.run("status")

    assert (
        "Point-in-time recovery is off for cabal-counter and cabal-dmarc-reports: what is lost "
        "there cannot be recovered." in said.text
    )
    assert len(commands(said.out)) == 2
    for command in commands(said.out):
        run_aws(operator.sandbox, command)
    # The window starts anew, and is reported until it is long enough again.
    again = operator.run("status")
    assert "reaches back less than 7 days for cabal-counter and cabal-dmarc-reports" in again.text
    assert "35 days, back to" in again.text
    assert "where it was switched off and on again" in again.text
    assert operator.not_ok() == {"pitr": "fail"}


def test_deletion_protection_off(operator: Operator) -> None:
    hand.protect(operator.sandbox, "cabal-counter", protected=False)

    said = operator.run("status")

    assert said.code == 0
    assert said.out.endswith("\n! development is protected; 1 check with a warning.\n")
    assert "cabal-counter can be deleted by mistake: deletion protection is off." in said.text
    fixed(operator, said.out)


def test_a_copy_that_failed(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("copy", resource_type="EFS", message="The vault was full.")
    operator.sandbox.advance(days=1)
    night = f"{operator.sandbox.now():%Y-%m-%d}"
    mailstore = f"mailstore {operator.deployment.cabal.file_system_id}"

    said = operator.run("status")

    assert "NOT protected as promised: 2 checks failed." in said.out
    assert "1 recovery point of the last 30 days without a copy in cabal-backup-dr." in said.text
    assert (
        "1 copy job failed, and no later job for the same recovery point has succeeded."
        in said.text
    )
    assert f"{night} 00:30 UTC: {mailstore}: FAILED: The vault was full." in said.text
    assert "To copy what is missing: cabal-backup copy now -e development" in said.text
    assert operator.run("copy", "now", "--yes").code == 0
    # What failed is on record for 30 days, and that is all.
    assert operator.not_ok() == {"copy-jobs": "warn"}


def test_a_night_that_failed(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("backup", resource_type="DynamoDB", message="Not today.")
    now = operator.sandbox.advance(days=1)
    before = now - timedelta(days=1)

    said = operator.run("status")

    assert f"The night of {now:%Y-%m-%d} is missing in cabal-backup." in said.text
    assert (
        f"cabal-addresses: the newest is of {before:%Y-%m-%d} 00:20 UTC, 37 hours ago" in said.text
    )
    assert "1 backup job failed, and none has succeeded since." in said.text
    assert f"{now:%Y-%m-%d} 00:15 UTC: cabal-addresses: FAILED: Not today." in said.text
    assert "Why: cabal-backup jobs --days 2 -e development" in said.text
    assert "Not today." in operator.run("jobs", "--days", "2").out
    assert "cabal-backup backup now -e development" in said.text
    assert operator.run("backup", "now", "--yes").code == 0
    assert operator.run("copy", "now", "--yes").code == 0
    # The night itself stays on record.
    assert operator.not_ok() == {"backup-jobs": "warn", "last-night": "warn"}


def deleted_mailstore(deployment: Deployment) -> None:
    hand.delete_file_system(deployment)


def on(change: Callable[[Sandbox], None]) -> Callable[[Deployment], None]:
    return lambda deployment: change(deployment.sandbox)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(
            deleted_mailstore,
            [
                "What the plan protects is missing or not in use: {file_system} does not exist.",
                "Nights without it fail, are skipped, or contain nothing new.",
                "To restore the mailstore: cabal-backup restore mailstore {options} "
                "(docs/runbooks/restore-mail.md#the-whole-mailstore).",
                "set addresses_table or mailstore_file_system_id of development to the new one, "
                "then: make deploy ENVIRONMENT=development",
            ],
            id="the mailstore was replaced",
        ),
        pytest.param(
            on(lambda sandbox: hand.strip(sandbox, hand.FOR_RESTORES)),
            [
                "The role cabal-backup-role cannot do its work.",
                "it cannot restore: AWS's policy AWSBackupServiceRolePolicyForRestores is not "
                "attached",
                'make deploy ENVIRONMENT=development ARGS="--revert-drift"',
            ],
            id="the role cannot restore",
        ),
        pytest.param(
            on(lambda sandbox: hand.edit_rule(sandbox, ScheduleExpression="cron(0 5 * * ? *)")),
            [
                "The plan cabal-backup-plan is not as development is configured.",
                "schedule: cron(0 5 * * ? *), should be cron(0 0 * * ? *)",
                'make deploy ENVIRONMENT=development ARGS="--revert-drift"',
            ],
            id="the plan was edited",
        ),
        pytest.param(
            on(lambda sandbox: delete_table(sandbox, "cabal-addresses")),
            [
                "cabal-addresses does not exist",
                "To restore the table: cabal-backup restore addresses {options} "
                "(docs/runbooks/restore-tables.md).",
            ],
            id="the addresses are missing",
        ),
        pytest.param(
            on(lambda sandbox: delete_table(sandbox, "cabal-counter")),
            [
                "In us-west-1: cabal-counter does not exist.",
                "To restore cabal-counter, within 35 days of its deletion: cabal-backup restore "
                "table cabal-counter --latest {options} "
                "(docs/runbooks/restore-tables.md#the-other-tables).",
                "remove it from pitr_tables of development",
            ],
            id="a table is missing",
        ),
        pytest.param(
            on(lambda sandbox: sandbox.faults.deny("ListCopyJobs")),
            [
                "? Cannot tell whether development is protected: 2 checks could not be made.",
                "Could not look at the copy jobs: ListCopyJobs: AccessDeniedException: User: ",
                "the credentials may not be allowed to look",
            ],
            id="not allowed to look",
        ),
    ],
)
def test_what_is_fixed_by_deploying_or_elsewhere(
    operator: Operator, fault: Callable[[Deployment], None], words: list[str]
) -> None:
    fault(operator.deployment)

    said = operator.run("status")

    file_system = operator.deployment.cabal.file_system_id
    for each in words:
        assert each.format(file_system=file_system, options=operator.options) in said.text


def test_an_ordinary_terminal_is_wide_enough(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than 80 columns, but those with something to copy, which is in one piece."""
    monkeypatch.setenv("COLUMNS", "80")
    hand.unlock(operator.sandbox, PRIMARY)

    said = operator.run("status")

    assert [
        line
        for line in said.out.splitlines()
        if len(line.rstrip()) > 80 and not line.startswith("    Put it back: ")
    ] == []


def test_five_details_are_shown_and_all_on_demand(operator: Operator) -> None:
    for _ in range(7):
        operator.sandbox.faults.fail_next("copy", resource_type="EFS", message="Broken.")
        operator.sandbox.advance(days=1)

    few, all_of_them = operator.run("status"), operator.run("status", "--verbose")

    assert few.out.count("FAILED: Broken.") < all_of_them.out.count("FAILED: Broken.") == 7
    assert "… and 2 more (--verbose shows all)" in few.text


ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b1m\rFailed.\ncabal-backup: all is well\u202e"


def test_what_aws_says_cannot_steer_the_terminal(operator: Operator) -> None:
    sandbox = operator.sandbox
    sandbox.faults.fail_next("backup", resource_type="EFS", message=ATTACK)
    sandbox.advance(days=1)
    sandbox.faults.fail_next("restore", resource_type="DynamoDB", message=ATTACK)
    environment = ["--project", str(PROJECT), "-e", "development"]
    environment += operator.deployment.context_arguments()

    said = [
        operator.run("status", "--verbose"),
        operator.run("jobs"),
        operator.run("jobs", "--json"),
        operator.type("restore", "addresses", "--yes", *environment),
        operator.run("jobs", "--days", "2"),
    ]

    assert said[3].code == 3
    for each in said:
        text = each.out + each.err
        assert "owned" in text
        assert not any(steering in text for steering in "\x1b\x07\x9b\r\u202e")
        assert "\ncabal-backup: all is well" not in text
