"""All checks together: a healthy environment, one that cannot be seen, and the documents."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.errors import ExitCode
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.checks.outcome import lifecycle_words
from cabal_backup.operations.status.findings import Outcome, Status, Verdict
from cabal_backup.operations.status.read_alerts import Channel
from cabal_backup.operations.status.state import State
from cabal_backup.text import duration, minutes, plural
from tests.unit.operations.status.builders import (
    DENIED,
    REGIONS,
    TABLES,
    a_region,
    a_role,
    a_state,
    a_table,
    an_air_gapped_vault,
    findings,
    not_ok,
    with_testing,
)
from tests.unit.operations.status.faults_of_resources import FAULTS

DOCS = Path(__file__).parents[4] / "docs"


def test_a_healthy_environment_is_all_ok() -> None:
    assert not_ok(a_state()) == {}
    assert [one.hint for one in findings(a_state()).values() if one.hint] == []


@pytest.mark.parametrize(
    ("check", "fault", "denied"),
    [
        ("role", None, "role"),
        ("resources", None, "other_mailstores"),
        ("tables", "a table was replaced", "restore_jobs"),
    ],
)
def test_an_answer_that_was_denied_is_not_a_no(check: str, fault: str | None, denied: str) -> None:
    state = FAULTS[fault](a_state()) if fault else a_state()
    changes: Any = {denied: DENIED}
    state = replace(state, **changes)
    assert findings(state)[check].status is Status.UNKNOWN


def test_an_environment_that_cannot_be_seen_is_all_unknown() -> None:
    third: dict[str, Any] = dict.fromkeys(("vault", "points", "policy"), DENIED)
    blind = third | dict.fromkeys(
        ("settings", "lock_removals", "deletions", "rule_changes"), DENIED
    )
    state = a_state(
        {"air_gapped": True},
        primary=a_region("primary", **blind),
        dr=a_region("dr", **blind),
        air_gapped=an_air_gapped_vault(**third, shares=DENIED),
        plan=DENIED,
        role=DENIED,
        backup_jobs=DENIED,
        copy_jobs=DENIED,
        restore_jobs=DENIED,
        dr_restore_jobs=DENIED,
        testing=dict.fromkeys(with_testing(), DENIED),
        mailstore=DENIED,
        drills=DENIED,
        clock_skew=DENIED,
        tables={name: a_table(table=DENIED, backups=DENIED) for name in TABLES},
        channels={
            region: Channel(**dict.fromkeys(Channel.__dataclass_fields__, DENIED))
            for region in REGIONS
        },
        trails=dict.fromkeys(REGIONS, DENIED),
    )

    assert not_ok(state) == dict.fromkeys(CHECKS, "unknown")
    assert all("AccessDeniedException" in one.evidence for one in findings(state).values())


def never_deployed() -> State:
    nothing: dict[str, Any] = {"vault": Known(None), "points": Known([])}
    return a_state(
        {"alerts": False},
        primary=a_region("primary", **nothing),
        dr=a_region("dr", **nothing),
        plan=Known(None),
        role=Known(None),
        backup_jobs=Known([]),
        copy_jobs=Known([]),
        restore_jobs=Known([]),
        tables={name: a_table(table=Known(None), backups=Known(None)) for name in TABLES},
        mailstore=Known(None),
        testing=dict.fromkeys(with_testing(), Known(None)),
        drills=Known([]),
    )


def test_an_environment_that_was_never_deployed_has_one_finding() -> None:
    (one,) = run_checks(never_deployed(), CHECKS).findings

    assert (one.check, one.status) == ("deployment", "fail")
    assert one.evidence == (
        "prod is not deployed: there is neither a vault nor a plan in account 123456789012, "
        "us-west-1 and us-west-2."
    )
    assert "cabal-backup doctor -e prod, then make deploy ENVIRONMENT=prod" in one.hint


def test_the_deployment_of_another_environment_has_one_finding() -> None:
    role = a_role(Tags=[{"Key": "environment", "Value": "stage"}])

    (one,) = run_checks(a_state(role=Known(role)), CHECKS).findings

    assert (one.check, one.status) == ("deployment", "fail")
    assert "the role cabal-backup-role there belongs to the environment stage." in one.evidence
    assert "cabal-backup status -e stage" in one.hint


@pytest.mark.parametrize("left", ["primary", "dr", "plan"])
def test_what_was_deployed_in_part_is_judged_check_by_check(left: str) -> None:
    state = replace(never_deployed(), **{left: getattr(a_state(), left)})

    assert findings(state)["deployment"].status == "ok"
    assert len(findings(state)) == len(CHECKS)


def test_no_check_is_ok_that_examined_nothing() -> None:
    """The region settings and the clock, which do not depend on a deployment, were examined."""
    found = run_checks(never_deployed(), set(CHECKS) - {"deployment"}).findings

    examined = {"primary-opt-in", "dr-opt-in", "clock"}
    assert {one.check for one in found if one.status is Status.OK} == examined
    assert {one.check for one in found if one.status is Status.OFF} == {
        *("backup-jobs", "dr-copies", "copy-jobs", "foreign-copies", "sizes"),
        *("legal-holds", "alerts", "watch", "trail", "air-gapped"),
    }


def test_only_what_was_asked_for_is_checked_in_the_fixed_order() -> None:
    verdict = run_checks(a_state(), ["role", "primary-lock"])

    assert [one.check for one in verdict.findings] == ["primary-lock", "role"]


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ([], "ok"),
        (["ok"], "ok"),
        (["ok", "warn"], "warn"),
        (["warn", "unknown"], "unknown"),
        (["unknown", "fail", "warn"], "fail"),
    ],
)
def test_the_verdict_is_the_worst(statuses: list[str], worst: str) -> None:
    found = tuple(Outcome(Status(status), "").of("plan") for status in statuses)

    assert Verdict(found).status == worst


# --- The documents


def headings(document: str, level: str) -> list[str]:
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"^{level} (.+)$", text, re.MULTILINE)


def test_every_check_is_explained_and_nothing_else_in_the_same_order() -> None:
    assert headings("status.md", "###") == list(CHECKS)


def test_every_explanation_says_something() -> None:
    text = (DOCS / "status.md").read_text(encoding="utf-8")
    for check in CHECKS:
        section = text.split(f"\n### {check}\n")[1].split("\n#")[0]
        assert len(section.split()) >= 10, check


def test_the_exit_codes_of_the_documents_are_those_of_the_tool() -> None:
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}

    assert documented == {int(code) for code in ExitCode}


# --- Words


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=-5), "0 minutes"),
        (timedelta(seconds=29), "0 minutes"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=89), "89 minutes"),
        (timedelta(minutes=90), "2 hours"),
        (timedelta(hours=47, minutes=29), "47 hours"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=365), "365 days"),
    ],
)
def test_durations_for_people(length: timedelta, words: str) -> None:
    assert duration(length) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "1 minute"), (89, "1 minute"), (5460, "91 minutes")]
)
def test_measured_times_for_people(seconds: float, words: str) -> None:
    assert minutes(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 copies"), (1, "1 copy"), (2, "2 copies"), (1460, "1,460 copies")]
)
def test_plurals(count: int, words: str) -> None:
    assert plural(count, "copy", "copies") == words


@pytest.mark.parametrize(
    ("cold", "delete", "words"),
    [
        (30, 365, "cold after 30 days, deleted after 365"),
        (None, 365, "never cold, deleted after 365"),
        (-1, -1, "never cold, never deleted"),
        (None, None, "never cold, never deleted"),
    ],
)
def test_lifecycles(cold: int | None, delete: int | None, words: str) -> None:
    assert lifecycle_words(cold, delete) == words
