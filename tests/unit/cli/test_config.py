"""`cabal-backup config show`: each setting's value, default and source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.cli.main import main
from cabal_backup.config.environment import SETTINGS

ADDRESS = "operator@example.com"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with settings in each place."""
    user, private = {"prod.lock_min_days": 7}, {"prod.alert_emails": [ADDRESS]}
    environments = {"prod": {"cold_after_days": "never", "region": None}, "stage": {}}
    (tmp_path / ".cdk.json").write_text(json.dumps({"context": user}))
    (tmp_path / "cdk.context.json").write_text(json.dumps(private))
    (tmp_path / "cdk.json").write_text(json.dumps({"context": {"environments": environments}}))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CABAL_ENVIRONMENT", raising=False)
    return tmp_path


def show(project: Path, *options: str) -> int:
    return main(["config", "show", "--project", str(project), *options])


def test_as_json_every_setting_has_its_value_default_and_source(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(project, "--json", "-e", "prod", "-c", "prod.pitr_tables=one,two") == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (shown["version"], list(shown["environments"])) == (1, ["prod"])
    settings = shown["environments"]["prod"]
    assert list(settings) == list(SETTINGS)
    assert {
        name: (each["value"], each["default"], each["source"])
        for name, each in settings.items()
        if each["source"] != "default"
    } == {
        "cold_after_days": ("never", 30, "cdk.json"),
        "alert_emails": (None, [], "cdk.context.json"),
        "lock_min_days": (7, 30, "~/.cdk.json"),
        "pitr_tables": (["one", "two"], settings["pitr_tables"]["default"], "-c"),
    }
    assert all(s["value"] == s["default"] for s in settings.values() if s["source"] == "default")
    assert [name for name, each in settings.items() if each["sensitive"]] == [
        "alert_emails",
        "alert_urls",
    ]


def test_without_an_environment_all_are_shown(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(project) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["prod", "stage"]
    names = [line.split()[0] for line in lines if re.match("  [a-z]", line)]
    assert names == [*SETTINGS, *SETTINGS]
    assert f"  {'cold_after_days':<36}  never  (cdk.json; default: 30)" in lines
    assert f"  {'region':<36}  us-west-1" in lines
    assert f"  {'account':<36}  none" in lines
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_sensitive_values_are_shown_only_on_request(
    project: Path, capsys: pytest.CaptureFixture[str], form: tuple[str, ...]
) -> None:
    assert show(project, *form) == 0
    assert ADDRESS not in capsys.readouterr().out
    assert show(project, *form, "--show-sensitive") == 0
    assert ADDRESS in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("-e", "staging"), 78, "did you mean stage?"),
        (("-c", "stage.backup=yes", "-c", "prod.colour=red"), 78, "2 problems"),
        (("-c", "stage.backup"), 64, "-c requires NAME.SETTING=VALUE"),
        (("--profile", "prod"), 64, "unrecognized arguments"),
    ],
)
def test_what_cannot_be_shown_ends_with_the_documented_exit_code(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    assert show(project, *options) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


# --- A TOML file instead of a checkout

TOML = """
[environments.prod]
cold_after_days = "never"
lock_min_days = 7
pitr_tables = ["one", "two"]
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration folder; the current folder has no cdk.json above it."""
    folder = tmp_path / "config" / "cabal-backup"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
    monkeypatch.delenv("CABAL_ENVIRONMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def test_without_a_checkout_the_user_s_file_has_the_same_settings(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "config.toml").write_text(TOML)

    assert main(["config", "show", "--json", "-c", "prod.lock_min_days=8"]) == 0

    settings = json.loads(capsys.readouterr().out)["environments"]["prod"]
    assert {
        name: (each["value"], each["source"])
        for name, each in settings.items()
        if each["source"] != "default"
    } == {
        "cold_after_days": ("never", "config.toml"),
        "lock_min_days": (8, "-c"),
        "pitr_tables": (["one", "two"], "config.toml"),
    }


def test_a_cdk_json_comes_before_the_user_s_file(
    elsewhere: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "config.toml").write_text(TOML)

    assert main(["config", "show", "-e", "stage"]) == 0
    assert main(["config", "show", "--config", str(elsewhere / "config.toml")]) == 0

    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if not line.startswith(" ")] == ["stage", "prod"]
    assert project


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 78, "There is no cdk.json in {here} or above it, and no {user}/config.toml. Go to"),
        (("--config", "other.toml"), 78, "There is no file other.toml."),
        (("--config", "bad.toml"), 78, "bad.toml is not TOML: Expected '=' after a key"),
        (("--config", "wrong.toml"), 78, "prod.lock_min_day: 7\n    rule:   there is no such"),
        (("--config", "bad.toml", "--project", "."), 64, "--config and --project exclude each"),
        (("--project", "."), 78, "There is no cdk.json in {here} or above it. Go to"),
    ],
)
def test_settings_that_cannot_be_used(
    elsewhere: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    Path("bad.toml").write_text("environments")
    Path("wrong.toml").write_text("[environments.prod]\nlock_min_day = 7\n")

    assert main(["config", "show", *options]) == code

    assert said.format(here=Path.cwd(), user=elsewhere) in capsys.readouterr().err
