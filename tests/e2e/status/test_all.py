"""`cabal-backup status --all`: three environments, each with its own profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.operator import Operator, Said
from tests.e2e.status.test_formats import problems

DEVELOPMENT, PROD = "123456789012", "210987654321"
MAILSTORE = "fs-0123456789abcdef0"


@pytest.fixture
def desk(operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(operator, tmp_path, monkeypatch)


class Desk:
    """A project with `development`, and profiles instead of credentials in the environment."""

    def __init__(self, operator: Operator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._operator = operator
        self.folder = folder
        profiles = folder / "config"
        profiles.write_text(
            "".join(
                f"[profile {name}]\naws_access_key_id = {account}\naws_secret_access_key = x\n"
                for name, account in (("dev-profile", DEVELOPMENT), ("prod-profile", PROD))
            )
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(profiles))
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("COLUMNS", "80")

    def status(self, *arguments: str, **others: Any) -> Said:
        """`status` in a project that declares `development` and these others."""
        deployment = self._operator.deployment
        mine = {
            name.partition(".")[2]: value
            for name, value in deployment.context.items()
            if name.startswith("development.")
        }
        environments = {"development": {**mine, "profile": "dev-profile"}, **others}
        (self.folder / "cdk.json").write_text(
            json.dumps({"context": {"environments": environments}})
        )
        return self._operator.type("status", "--project", str(self.folder), *arguments)


def prod(**changes: Any) -> dict[str, Any]:
    return {
        "backup": True,
        "account": PROD,
        "mailstore_file_system_id": MAILSTORE,
        "profile": "prod-profile",
        **changes,
    }


def test_one_that_is_healthy_and_one_that_is_off(desk: Desk) -> None:
    said = desk.status("--all", stage={"backup": False})

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == ["development", "stage"]
    assert lines[1].split() == ["vaults", "✔", "8", "ok", "-"]
    assert lines[-2] == "✔ development is protected: all of 29 checks are fine (4 off)."
    assert lines[-1].startswith("- stage: stage is not protected: its backup is off.")


@pytest.mark.parametrize("profile", ["", "dev-profile"], ids=["no variable", "AWS_PROFILE"])
def test_one_that_was_never_deployed_is_one_sentence(
    desk: Desk, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    said = desk.status("--all", prod=prod())
    on = f"--project={desk.folder}" + (" --profile=prod-profile" if profile else "")

    assert said.code == 1
    assert said.out.endswith(
        "✘ prod is not deployed: there is neither a vault nor a plan in account 210987654321, "
        f"us-west-1 and us-west-2.\n  cabal-backup status -e prod {on}\n"
    )
    assert len(said.out.splitlines()) < 24


def test_one_whose_credentials_are_wrong_does_not_hide_the_others(desk: Desk) -> None:
    said = desk.status("--all", prod=prod(profile="dev-profile"))

    assert said.code == 2
    assert "\n✔ development is protected: all of 29 checks are fine (4 off).\n" in said.out
    assert "? prod: These credentials belong to account 123456789012, but prod is in" in said.out


def test_without_any_backup_nothing_is_ok(desk: Desk) -> None:
    said = desk.status("--all", "-c", "development.backup=false", "-c", "development.account=")

    assert said.code == 2


def test_the_setting_is_used_for_one_environment_too(desk: Desk) -> None:
    assert desk.status("-e", "development").code == 0


def test_credentials_in_the_environment_come_before_the_setting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "prod-profile")

    said = desk.status("-e", "development")

    assert said.code == 77
    assert "These credentials belong to account 210987654321" in said.err


def test_json_is_as_documented(desk: Desk) -> None:
    environments = {"prod": prod(), "stage": {"backup": False}}
    document = desk.status("--all", "--json", **environments).json

    assert problems("status-all", document) == []
    first, second, third = document["environments"]
    assert problems("status", first) == problems("status", second) == []
    assert (document["verdict"], first["verdict"], second["verdict"], third["verdict"]) == (
        "fail",
        "ok",
        "fail",
        "off",
    )
    assert [each["check"] for each in second["findings"]] == ["deployment"]


@pytest.mark.parametrize("option", ["--nagios", "--watch"])
def test_what_is_for_one_environment_is_refused(desk: Desk, option: str) -> None:
    said = desk.status("--all", option)

    assert said.code == (3 if option == "--nagios" else 64)
    assert "use them for one environment each" in said.out + said.err
