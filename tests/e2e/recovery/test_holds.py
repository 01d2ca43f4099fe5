"""`cabal-backup hold`: what is held outlives its time, until it is released."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests import killing
from tests.e2e.operator import Operator, Said
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.test_formats import problems
from tests.e2e.terminal import type_answers

CREATE = ("hold", "create", "lawsuit 7", "--reason", "letter")
RELEASE = ("hold", "release", "lawsuit 7", "--reason", "settled")
REGIONS = ("us-west-1", "us-west-2")


def holds(operator: Operator) -> list[Any]:
    listed: list[Any] = operator.run("hold", "list", "--json").json["holds"]
    return listed


def points(operator: Operator) -> dict[str, Any]:
    listed = operator.run("points", "--json").json["points"]
    return {each["recovery_point_arn"]: each for each in listed}


def well(said: Said) -> Said:
    assert said.code == 0, said.out + said.err
    return said


def day(operator: Operator, ago: int) -> str:
    return f"{operator.sandbox.now() - timedelta(days=ago):%Y-%m-%d}"


def test_held_nights_outlive_their_year(operator: Operator) -> None:
    """Three nights of the addresses are held in both regions, and all others expire."""
    nights = ("--from", day(operator, 3), "--to", day(operator, 1), "--resource", "addresses")
    planned = well(operator.run(*CREATE, *nights, "--dry-run"))
    assert holds(operator) == []
    for words in (
        "us-west-1, cabal-backup: 3 recovery points of ",
        "would expire from ",
        "a month",
    ):
        assert words in planned.text
    well(operator.run(*CREATE, *nights, "--yes"))
    placed = holds(operator)
    assert [(hold["region"], hold["status"], len(hold["points"])) for hold in placed] == [
        ("us-west-1", "ACTIVE", 3),
        ("us-west-2", "ACTIVE", 3),
    ]
    held = {arn for hold in placed for arn in hold["points"]}
    assert problems("points", operator.run("points", "--json").json) == []
    assert points(operator).keys() > held
    shown = operator.run("points").out
    assert 'The legal hold "lawsuit 7" (ACTIVE) keeps 3 recovery points' in shown
    assert operator.run("points", "--list").out.count("held: lawsuit 7") == 6
    hand.unlock(operator.sandbox, hand.PRIMARY)
    with pytest.raises(ClientError, match="legal hold"):
        operator.sandbox.client("backup").delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=placed[0]["points"][0]
        )

    operator.sandbox.advance(days=370)

    left = points(operator)
    old = operator.sandbox.now() - timedelta(days=366)
    assert {arn for arn, each in left.items() if each["created"] < old.isoformat()} == held
    found = operator.run("status", "--json", "--only", "legal-holds,dr-points").json["findings"]
    by_check = {each["check"]: each for each in found}
    assert by_check["legal-holds"]["status"] == "ok"
    assert "2 legal holds on recovery points" in by_check["legal-holds"]["evidence"]
    assert not [line for line in by_check["dr-points"]["details"] if "deleted by now" in line]

    released = well(operator.run(*RELEASE, "--yes"))
    assert "6 recovery points of " in released.err
    assert "AWS Backup deletes them within 24 hours" in released.err
    operator.sandbox.advance(hours=9)
    assert not held & points(operator).keys()
    assert holds(operator) == []


def test_the_same_hold_for_other_nights_is_refused(operator: Operator) -> None:
    """A success would say that they are held."""
    well(operator.run(*CREATE, "--to", day(operator, 2), "--yes"))
    said = operator.run(*CREATE, "--to", day(operator, 1), "--yes")
    assert said.code == 4, said
    assert "of these recovery points, and a hold cannot be extended. Nothing was done." in said.err
    well(operator.run(*CREATE, "--to", day(operator, 2), "--yes"))
    assert len(holds(operator)) == 2


def test_nights_that_come_after_the_hold_are_named(operator: Operator) -> None:
    well(operator.run(*CREATE, "--yes"))
    operator.sandbox.run_nights(1)
    said = well(operator.run(*CREATE, "--yes"))
    assert "2 recovery points that came later: not held." in said.err


@pytest.mark.parametrize("place", [hand.PRIMARY, hand.DR], ids=REGIONS)
def test_cut_short_while_a_night_is_in_progress(operator: Operator, place: hand.Vault) -> None:
    """A recovery point is incomplete when the first hold is placed, and complete on the rerun: in
    the primary vault the backup of the mailstore, in the DR vault its copy, which has the creation
    date of its source."""
    sandbox, (region, vault) = operator.sandbox, place

    def complete() -> int:
        return [each["Status"] for each in hand.points(sandbox, place)].count("COMPLETED")

    before = complete()
    tomorrow = sandbox.now() + timedelta(days=1)
    sandbox.advance_to(tomorrow.replace(hour=0, minute=0))  # the night begins
    while complete() == before:
        sandbox.advance(minutes=1)
    sandbox.client("backup", region).create_legal_hold(
        Title="lawsuit 7", Description="letter", RecoveryPointSelection={"VaultNames": [vault]}
    )
    sandbox.advance(hours=3)
    assert complete() == before + 2
    said = well(operator.run(*CREATE, "--yes"))
    assert "1 recovery point that came later: not held." in said.err
    placed = {hold["region"]: hold["status"] for hold in holds(operator)}
    assert placed == dict.fromkeys(REGIONS, "ACTIVE")


@pytest.mark.parametrize("cools", [False, True], ids=["stays-warm", "moves-to-cold-storage"])
def test_a_held_night_is_as_cold_as_aws_backup_describes(operator: Operator, cools: bool) -> None:
    """After the day on which it should move to cold storage; AWS documents both."""
    operator.sandbox.settings(held_points_cool=cools)
    at = operator.sandbox.now()
    newest = [
        each["RecoveryPointArn"]
        for each in hand.points(operator.sandbox, hand.PRIMARY)
        if each["ResourceType"] == "DynamoDB"
    ][-1]
    well(operator.run(*CREATE, "--yes"))
    operator.sandbox.advance(days=32)
    for command, refusal in (
        (("copy-back", "addresses", "--at", at.isoformat()), "AWS Backup cannot copy a cold one"),
        (("restore", "addresses", "--at", at.isoformat()), "is in cold storage"),
        (("copy", "now", newest), "is in cold storage"),
    ):
        said = operator.run(*command, "--dry-run")
        assert (said.code, refusal in said.err) == ((4, True) if cools else (0, False)), said


def test_a_release_that_is_under_way_is_followed(operator: Operator) -> None:
    well(operator.run(*CREATE, "--yes"))
    for hold in holds(operator):
        operator.sandbox.client("backup", hold["region"]).cancel_legal_hold(
            LegalHoldId=hold["id"], CancelDescription="settled"
        )
    said = well(operator.run(*RELEASE, "--yes"))
    assert "is being released already" in said.err
    assert holds(operator) == []


def test_a_release_names_what_it_frees_in_other_vaults(operator: Operator) -> None:
    backup = operator.sandbox.client("backup")
    backup.create_backup_vault(BackupVaultName="elsewhere")
    role = operator.sandbox.client("iam").get_role(RoleName="cabal-backup-role")["Role"]["Arn"]
    table = operator.deployment.cabal.addresses_table_arn
    backup.start_backup_job(BackupVaultName="elsewhere", ResourceArn=table, IamRoleArn=role)
    operator.sandbox.advance(hours=2)
    backup.create_legal_hold(Title="lawsuit 7", Description="all")
    operator.sandbox.advance(minutes=1)
    said = well(operator.run(*RELEASE, "--dry-run"))
    assert "it also holds 1 recovery point of other vaults" in said.text


def test_what_a_hold_of_one_resource_also_holds_is_said(operator: Operator) -> None:
    """Recovery points of the resource in another vault; nothing else of the environment's vault."""
    backup = operator.sandbox.client("backup")
    backup.create_backup_vault(BackupVaultName="elsewhere")
    table = operator.deployment.cabal.addresses_table_arn
    backup.start_backup_job(
        BackupVaultName="elsewhere", ResourceArn=table, IamRoleArn=hand.ROLE_ARN
    )
    operator.sandbox.advance(minutes=30)
    operator.run("backup", "now", "addresses", "--yes")
    said = well(operator.run(*CREATE, "--resource", "addresses", "--yes"))
    assert said.err.count("CAUTION: it also holds 1 recovery point that the plan does not") == 1
    held = {arn for hold in holds(operator) for arn in hold["points"]}
    ours = hand.points(operator.sandbox, hand.PRIMARY) + hand.points(operator.sandbox, hand.DR)
    assert held == {p["RecoveryPointArn"] for p in ours if p["ResourceType"] == "DynamoDB"}


def test_another_hold_still_keeps_the_points(operator: Operator) -> None:
    well(operator.run(*CREATE, "--yes"))
    well(operator.run("hold", "create", "other", "--reason", "audit", "--yes"))
    planned = well(operator.run(*RELEASE, "--dry-run"))
    assert "none of its recovery points should have expired" in planned.out
    well(operator.run(*RELEASE, "--yes"))
    assert {hold["title"] for hold in holds(operator)} == {"other"}


def test_releasing_asks_for_the_title(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    well(operator.run(*CREATE, "--yes"))
    refused = operator.run(*RELEASE)
    assert refused.code == 4
    assert "stdin is not a terminal" in refused.err
    type_answers(monkeypatch, "development", "lawsuit 7")
    wrong = operator.run(*RELEASE)
    assert (wrong.code, len(holds(operator))) == (4, 2)
    right = well(operator.run(*RELEASE))
    assert "Type lawsuit 7 to continue" in right.err
    assert holds(operator) == []


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ((*CREATE, "--from", "2020-01-01", "--to", "2020-01-02"), 8, "of these nights to hold"),
        ((*CREATE, "--from", "2026-01-02", "--to", "2026-01-01"), 64, "--from is after --to"),
        (("hold", "create", " ", "--reason", "letter"), 64, "The title must not be empty"),
        (RELEASE, 9, "There is no legal hold 'lawsuit 7'"),
        (CREATE, 4, "stdin is not a terminal"),
    ],
)
def test_refusals(operator: Operator, command: tuple[str, ...], code: int, message: str) -> None:
    said = operator.run(*command, *(["--yes"] if code != 4 else []))
    assert (said.code, message in said.err) == (code, True), said.err
    assert holds(operator) == []


def test_a_title_that_is_taken_and_the_fifty_first_hold(operator: Operator) -> None:
    well(operator.run(*CREATE, "--yes"))
    other = operator.run("hold", "create", "lawsuit 7", "--reason", "another letter", "--yes")
    assert other.code == 4
    assert 'There is a legal hold "lawsuit 7" in us-west-1 already (ACTIVE, reason: letter)' in (
        other.err
    )
    for number in range(48):
        operator.sandbox.client("backup").create_legal_hold(Title=f"{number}", Description="x")
    full = operator.run("hold", "create", "one more", "--reason", "letter", "--yes")
    assert full.code == 4
    assert "There are 50 legal holds in us-west-1 and us-west-2, and 2 more would be" in full.err


@pytest.mark.parametrize("command", [CREATE, RELEASE])
def test_killed_before_and_after_each_call(operator: Operator, command: tuple[str, ...]) -> None:
    """In whichever of the two regions it ends, run again it does the rest."""
    if command is RELEASE:
        well(operator.run(*CREATE, "--yes"))
    start = operator.sandbox.checkpoint()

    def run(kill_at: int | None) -> killing.Ended:
        operator.sandbox.rollback(start)
        return killing.run(
            lambda: operator.run(*command, "--yes").code, killing.aws_calls, kill_at=kill_at
        )

    whole = run(None)
    assert whole.code == 0, whole.said
    changes = [
        number
        for number, name in enumerate(whole.moments, 1)
        if name.startswith(("POST /legal-holds", "DELETE /legal-holds"))
    ]
    assert len(changes) == 4
    for moment in changes:
        assert run(moment).killed
        operator.sandbox.advance(minutes=1)
        again = operator.run(*command, "--yes")
        # Killed after its last call, a release has nothing left to do.
        assert again.code in ((0, 9) if command is RELEASE else (0,)), again.err
        expected = 0 if command is RELEASE else 2
        found = holds(operator)
        assert (len(found), {hold["status"] for hold in found} <= {"ACTIVE"}) == (expected, True)


def test_a_hold_keeps_teardown_from_deleting(operator: Operator) -> None:
    well(operator.run(*CREATE, "--yes"))
    for place in (hand.PRIMARY, hand.DR):
        hand.unlock(operator.sandbox, place)
    assert "reason: letter" in operator.run("teardown", "plan").out
    refused = operator.run("teardown", "delete-recovery-points", "--yes")
    assert refused.code == 4
    assert '"lawsuit 7" in us-west-1 holds ' in refused.err
    assert "cabal-backup hold release " in refused.err
