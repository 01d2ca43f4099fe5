"""`cabal-backup points`: the calendar, the list, and what each night left."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY

ALL_WARM = ("warm", "warm", "warm", "warm")


def calendar(operator: Operator, *arguments: str) -> dict[str, tuple[str, ...]]:
    """What each night left: addresses and mailstore of the primary vault, then of the DR vault."""
    nights = operator.run("points", "--json", *arguments).json["nights"]
    for night in nights:
        assert [(cell["vault"], cell["resource"]) for cell in night["cells"]] == [
            ("cabal-backup", "addresses"),
            ("cabal-backup", "mailstore"),
            ("cabal-backup-dr", "addresses"),
            ("cabal-backup-dr", "mailstore"),
        ]
    return {night["night"]: tuple(cell["state"] for cell in night["cells"]) for night in nights}


def last_night(operator: Operator) -> tuple[str, ...]:
    return calendar(operator)[f"{operator.sandbox.now():%Y-%m-%d}"]


def test_a_month_of_nights_the_newest_first(operator: Operator) -> None:
    now = operator.sandbox.now()

    seen = calendar(operator)

    assert list(seen) == [f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in range(31)]
    # The oldest of the 31 went cold this night.
    assert list(seen.values()) == [ALL_WARM] * 30 + [("cold",) * 4]


def test_nights_before_the_first_are_missing(operator: Operator) -> None:
    states = list(calendar(operator, "--nights", "40").values())

    assert Counter(states) == {ALL_WARM: 30, ("cold",) * 4: 6, ("missing",) * 4: 4}
    assert states[-4:] == [("missing",) * 4] * 4


@pytest.mark.parametrize(
    ("kind", "resource_type", "expected"),
    [
        ("backup", "EFS", ("warm", "failed", "warm", "missing")),
        ("backup", "DynamoDB", ("failed", "warm", "missing", "warm")),
        ("copy", "EFS", ("warm", "warm", "warm", "failed")),
    ],
)
def test_a_job_that_failed(
    operator: Operator, kind: str, resource_type: str, expected: tuple[str, ...]
) -> None:
    operator.sandbox.faults.fail_next(kind, resource_type=resource_type, message="Broken.")
    operator.sandbox.advance(days=1)

    assert last_night(operator) == expected


def test_a_copy_that_fails_later_is_of_the_night_of_its_source(operator: Operator) -> None:
    sandbox = operator.sandbox
    night = sandbox.now() - timedelta(days=3)
    (source,) = (
        each
        for each in hand.points(sandbox, PRIMARY)
        if each["ResourceType"] == "EFS" and each["CreationDate"].date() == night.date()
    )
    copy = [
        each
        for each in hand.points(sandbox, DR)
        if (each["ResourceType"], each["CreationDate"]) == ("EFS", source["CreationDate"])
    ]
    with hand.unlocked(sandbox, DR):
        hand.delete_points(sandbox, DR, copy)
    sandbox.faults.fail_next("copy", resource_type="EFS", message="Broken.")
    hand.copy_again(sandbox, source["RecoveryPointArn"])

    assert calendar(operator)[f"{night:%Y-%m-%d}"] == ("warm", "warm", "warm", "failed")


@pytest.mark.parametrize("kind", ["backup", "copy"])
def test_jobs_that_may_not_be_listed_are_unknown(operator: Operator, kind: str) -> None:
    operator.sandbox.faults.deny(f"List{kind.capitalize()}Jobs")

    said = operator.run("points")

    assert said.code == 2
    assert said.err.startswith(f"cabal-backup: could not read {kind} jobs in us-west-1: List")


def test_what_was_made_up_for_has_not_failed(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("copy", resource_type="EFS", message="Broken.")
    operator.sandbox.advance(days=1)
    newest = [p for p in hand.points(operator.sandbox, PRIMARY) if p["ResourceType"] == "EFS"][-1]
    hand.copy_again(operator.sandbox, newest["RecoveryPointArn"])

    assert last_night(operator) == ALL_WARM


def test_a_night_that_was_missed(operator: Operator) -> None:
    hand.delete_selections(operator.sandbox)
    operator.sandbox.advance(days=1)

    assert last_night(operator) == ("missing",) * 4


def test_tonight_while_it_runs(operator: Operator) -> None:
    operator.sandbox.faults.apply(hold=["backup"])
    operator.sandbox.advance(days=1)

    assert last_night(operator) == ("incomplete", "incomplete", "missing", "missing")


def test_a_copy_that_was_deleted(operator: Operator) -> None:
    with hand.unlocked(operator.sandbox, DR):
        hand.delete_points(operator.sandbox, DR, hand.points(operator.sandbox, DR)[-2:])

    assert last_night(operator) == ("warm", "warm", "missing", "missing")


def test_a_region_that_is_down_is_unknown_and_the_other_is_not(operator: Operator) -> None:
    operator.sandbox.faults.lose_regions("us-west-2")

    said = operator.run("points")

    assert set(calendar(operator).values()) == {
        ("warm", "warm", "unknown", "unknown"),
        ("cold", "cold", "unknown", "unknown"),
    }
    assert said.code == 2
    assert said.out.splitlines()[32].split()[2:] == ["●", "●", "?", "?"]
    assert said.err.startswith("cabal-backup: could not read cabal-backup-dr: ListRecovery")


def test_a_deleted_vault_cannot_be_read(operator: Operator) -> None:
    """AWS answers that as it answers what is not allowed; `status` can tell the two apart."""
    hand.delete_vault(operator.sandbox, DR)

    assert operator.run("points").code == 2
    assert last_night(operator) == ("warm", "warm", "unknown", "unknown")


def test_the_calendar_for_people(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("backup", resource_type="EFS", message="Broken.")
    operator.sandbox.advance(days=1)
    now = operator.sandbox.now()

    said = operator.run("points", "--nights", "33")

    lines = [line.split() for line in said.out.splitlines()]
    headings = [
        ["us-west-1", "us-west-1", "us-west-2", "us-west-2"],
        ["night", "addresses", "mailstore", "addresses", "mailstore"],
    ]
    assert [sorted(line) for line in lines[:2]] == [sorted(line) for line in headings]
    assert lines[2][2:] == ["○", "○", "○", "○"]
    assert lines[33][2:] == ["●", "●", "●", "●"]
    assert lines[34] == [f"{now:%a}", f"{now:%Y-%m-%d}", "●", "✘", "●", "·"]
    # It is longer than the terminal.
    assert [sorted(line) for line in lines[35:37]] == [sorted(line) for line in headings]
    assert said.text.endswith("● warm 118 ○ cold 12 · missing 1 ✘ failed 1")


def test_a_calendar_that_fits_has_its_headings_once(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "24")

    for nights, times in (("18", 1), ("19", 2)):
        said = operator.run("points", "--nights", nights)
        assert said.out.count("addresses") == 2 * times
        assert len(said.out.splitlines()) == int(nights) + 2 * times + 2


def test_the_calendar_begins_at_the_first_recovery_point(operator: Operator) -> None:
    now = operator.sandbox.now()

    said = operator.run("points", "--nights", "40")

    days = [line.split()[1] for line in said.out.splitlines() if line[3:6] == " 20"]
    assert days == [f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in range(35, -1, -1)]
    assert "missing" not in said.out


def test_since_limits_nights_and_points(operator: Operator) -> None:
    now = operator.sandbox.now()
    since = f"{now - timedelta(days=4):%Y-%m-%d}"

    document = operator.run("points", "--since", since, "--json").json
    listed = operator.run("points", "--since", since, "--list").out.splitlines()

    assert [night["night"] for night in document["nights"]][-1] == since
    assert len(document["nights"]) == 5
    assert len(document["points"]) == len(listed) == 5 * 4
    assert listed[0].startswith(since)


@pytest.mark.parametrize("since", ["2026-02-08", "1900-01-01"])
def test_since_is_a_time_of_the_past_century(operator: Operator, since: str) -> None:
    said = operator.run("points", "--since", since)

    assert said.code == 64
    assert "--since is a time of the last 36,500 days" in said.err


def test_without_a_recovery_point_it_says_so(operator: Operator) -> None:
    for vault in (PRIMARY, DR):
        with hand.unlocked(operator.sandbox, vault):
            hand.delete_points(operator.sandbox, vault, hand.points(operator.sandbox, vault))

    assert operator.run("points").out == "There is no recovery point in any vault.\n"


def test_the_list_has_a_line_for_each_point(operator: Operator) -> None:
    rows = [line.split() for line in operator.run("points", "--list").out.splitlines()]

    assert len(rows) == 36 * 2 * 2
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert Counter((row[1], row[2]) for row in rows) == {
        (vault, kind): 36
        for vault in ("cabal-backup", "cabal-backup-dr")
        for kind in ("DynamoDB", "EFS")
    }
    assert Counter(row[3] for row in rows) == {"warm": 120, "cold": 24}
    assert {row[4] for row in rows} == {"COMPLETED"}
    newest = rows[-1]
    assert newest[0] == f"{operator.sandbox.now():%Y-%m-%d}T00:20:00Z"
    assert newest[5] == f"{operator.sandbox.now() + timedelta(days=365):%Y-%m-%d}"
    assert len({row[6] for row in rows}) == len(rows)


def test_the_list_shows_never(operator: Operator) -> None:
    with hand.unlocked(operator.sandbox, PRIMARY):
        hand.back_up(operator.deployment)

    assert operator.run("points", "--list").out.splitlines()[-1].split()[3:6] == [
        "warm",
        "COMPLETED",
        "never",
    ]
