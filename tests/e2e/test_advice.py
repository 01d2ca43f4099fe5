"""What a command advises to type is about what that command was about."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.cli.parser import COMMANDS
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.hints import printed_commands, read
from tests.sandbox.deployment import PROJECT

LOST = ("--assume-region-lost", hand.PRIMARY[0])


@pytest.fixture
def rescuer(operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One lock is off, and the credentials are in a profile only."""
    hand.unlock(operator.sandbox, hand.PRIMARY)
    names = ("aws_access_key_id", "aws_secret_access_key")
    keys = "".join(f"{name} = {os.environ[name.upper()]}\n" for name in names)
    profiles = tmp_path / "profiles"
    profiles.write_text(f"[profile rescue]\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profiles))
    for name in names:
        monkeypatch.delenv(name.upper())
    return operator


def advised(operator: Operator, *arguments: str) -> list[Any]:
    """The options of each command that one advises."""
    said = operator.type(*arguments)
    shown = f"{said.out}\n{said.err}".replace("cabal-backup: ", "")
    commands = [each for each in printed_commands(shown) if each.split()[0] in COMMANDS]
    assert commands, said
    return [read(each) for each in commands]


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "status --json",
        "jobs watch nonesuch",
        "restore addresses --recovery-point nonesuch",
        "restore mailstore --night 2020-01-01",
        "restore table cabal-counter --latest --to cabal-counter-before --yes",
        "backup now --dry-run",
        "copy now nonesuch",
        "copy-back nonesuch",
        "unlock --reason maintenance --yes",
        "hold create lawsuit --reason letter --yes",
        "hold create lawsuit --reason letter --yes --json",
        "hold release nonesuch --reason settled",
        "teardown plan",
        "teardown plan --json",
        "teardown delete-recovery-points --dry-run",
    ],
)
def test_it_has_the_options_that_were_given(rescuer: Operator, command: str) -> None:
    settings = rescuer.deployment.context_arguments(alert_emails="a@example.com, b@example.com")
    given = ["-e", "development", *settings, "--project", str(PROJECT), "--profile", "rescue"]
    for each in advised(rescuer, *shlex.split(command), *given):
        assert (each.environment, each.profile, each.project) == ("development", "rescue", PROJECT)
        assert each.context == settings[1::2]


def test_it_names_the_file_of_settings_and_the_lost_region(
    rescuer: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = rescuer.deployment.context.items()
    lines = [f"{name.partition('.')[2]} = {value!r}" for name, value in settings]
    config = tmp_path / "my settings.toml"
    text = "\n".join(lines).replace("'true'", "true").replace("'false'", "false")
    config.write_text(f"[environments.development]\n{text}\n")
    command = ("restore", "addresses", "--in", "dr", "--recovery-point", "nonesuch")
    monkeypatch.setenv("CABAL_ENVIRONMENT", "development")
    monkeypatch.setenv("AWS_PROFILE", "rescue")
    (points,) = advised(rescuer, *command, "--config", str(config), *LOST)
    assert (points.environment, points.config) == ("development", config)
    assert (points.assume_region_lost, points.profile, points.context) == (LOST[1], None, [])
