"""The dashboard: what it shows, of which region, and that it goes without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Stack, Synthesized
from tests.synth.test_sensitivity import changes

KINDS = ["DynamoDB", "EFS"]


def widgets(stack: Stack) -> list[Any]:
    body = stack.in_account(stack.only("AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"])
    found: list[Any] = json.loads(body)["widgets"]
    return found


def shown(stack: Stack) -> set[tuple[str, str, str, str, str]]:
    """Every metric: namespace, name, vault ("" for ours), type and region."""
    found = set()
    for widget in widgets(stack):
        for namespace, name, *rest in widget["properties"].get("metrics", []):
            *pairs, options = rest
            dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
            region = options.get("region", stack.region)
            vault = dimensions.get("BackupVaultName", "")
            found.add((namespace, name, vault, dimensions["ResourceType"], region))
    return found


def text(stack: Stack) -> str:
    (only,) = (widget for widget in widgets(stack) if widget["type"] == "text")
    return str(only["properties"]["markdown"])


@pytest.fixture
def stage(synthesized: Synthesize) -> Synthesized:
    """An environment with the dashboard and restore testing, and nothing else on."""
    return synthesized(an_environment(**{**CORE, "dashboard": True, "restore_testing": True}))


def test_it_shows_nights_copies_lag_points_and_tests_of_both_regions(stage: Synthesized) -> None:
    here, there = "us-west-1", "us-west-2"
    vault, dr_vault = "cabal-backup", "cabal-backup-dr"
    jobs = {
        ("AWS/Backup", f"NumberOf{name}", vault, here)
        for name in (
            "BackupJobsCompleted",
            "BackupJobsFailed",
            "BackupJobsExpired",
            "BackupJobsAborted",
            "RestoreJobsCompleted",
            "RestoreJobsFailed",
        )
    }
    copies = {
        ("AWS/Backup", f"NumberOfCopyJobs{state}", dr_vault, region)
        for state in ("Completed", "Failed")
        for region in (here, there)
    }
    points = {
        ("AWS/Backup", f"NumberOfRecoveryPoints{state}", *where)
        for state in ("Completed", "Cold", "Deleting", "Partial", "Expired")
        for where in ((vault, here), (dr_vault, there))
    }
    ours = {
        ("CabalBackup", name, "", here)
        for name in ("CopyLag", "RestoreTestSuccessful", "RestoreTestFailed")
    }
    assert shown(stage.primary) == {
        (namespace, name, where, kind, region)
        for namespace, name, where, region in jobs | copies | points | ours
        for kind in KINDS
    }


def test_it_has_one_name_and_is_in_the_primary_region_alone(stage: Synthesized) -> None:
    properties = stage.primary.only("AWS::CloudWatch::Dashboard")["Properties"]
    assert properties["DashboardName"] == "cabal-backup"
    assert not stage.dr.all("AWS::CloudWatch::Dashboard")


def test_no_widget_covers_another(stage: Synthesized) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets(stage.primary):
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_each_line_says_what_it_is(stage: Synthesized) -> None:
    for widget in widgets(stage.primary):
        labels = [metric[-1]["label"] for metric in widget["properties"].get("metrics", [])]
        assert len(labels) == len(set(labels)), labels
        assert all("table" in label or "mailstore" in label for label in labels)


def test_the_words_say_which_command_to_run(stage: Synthesized) -> None:
    said = text(stage.primary)
    for command in ("status", "points", "jobs"):
        assert f"`cabal-backup {command} -e prod`" in said
    assert "cron(0 6 1 * ? *)" in said


def test_without_restore_testing_it_shows_no_verdicts_and_says_so(
    synthesized: Synthesize,
) -> None:
    stack = synthesized(an_environment(**{**CORE, "dashboard": True})).primary
    assert not {name for _, name, _, _, _ in shown(stack) if "RestoreTest" in name}
    assert "**Restore tests** are off" in text(stack)


def test_without_it_only_it_and_what_measures_for_it_are_gone(
    synthesized: Synthesize, stage: Synthesized
) -> None:
    without = synthesized(an_environment(**{**CORE, "restore_testing": True}))
    assert changes(stage.dr, without.dr) == {}
    changed = changes(stage.primary, without.primary)
    assert {path.split(".")[1][:9] for path in changed} == {"Dashboard", "CompleteN"}
    assert set(changed.values()) == {"gone"}


def test_with_a_heartbeat_the_measuring_stays(synthesized: Synthesize) -> None:
    on = {**CORE, "heartbeat_parameter": "heartbeat"}
    with_it = synthesized(an_environment(**{**on, "dashboard": True}))
    without = synthesized(an_environment(**on))
    changed = changes(with_it.primary, without.primary)
    assert {path.split(".")[1] for path in changed} == {"Dashboard"}
