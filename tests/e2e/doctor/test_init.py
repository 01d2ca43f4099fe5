"""`cabal-backup init`: the private settings, from what the account has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.operator import Operator, Said
from tests.e2e.terminal import type_answers
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import PROJECT


class Project:
    """A checkout with the environments of this repository and nothing private."""

    def __init__(self, operator: Operator, folder: Path) -> None:
        self._operator = operator
        self.folder = folder
        self.file = folder / "cdk.context.json"
        (folder / "cdk.json").write_text((PROJECT / "cdk.json").read_text())

    def init(self, *arguments: str) -> Said:
        return self._operator.type(
            "init", "--project", str(self.folder), "-e", "development", *arguments
        )

    @property
    def settings(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.file.read_text())
        return read


@pytest.fixture
def project(operator: Operator, tmp_path: Path) -> Project:
    return Project(operator, tmp_path)


@pytest.fixture
def file_system(operator: Operator) -> str:
    return operator.deployment.cabal.file_system_id


def another_file_system(operator: Operator, *tags: dict[str, str]) -> str:
    made = operator.sandbox.client("efs").create_file_system(CreationToken="other", Tags=[*tags])
    return str(made["FileSystemId"])


def test_what_it_finds_is_enough_for_status(
    operator: Operator, project: Project, file_system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_answers(monkeypatch, "yes")

    said = project.init()

    assert said.code == 0
    command = f"cabal-backup doctor -e development --project={project.folder}"
    assert said.out == f"Wrote {project.file}. Next: {command}\n"
    assert f"File system {file_system} has the tag Name=cabal-efs." in said.err
    assert project.settings == {
        "development.backup": True,
        "development.account": "123456789012",
        "development.mailstore_file_system_id": file_system,
    }
    settings = ["-c", "development.alerts=false", "-c", "development.restore_testing=false"]
    checked = operator.type(
        "status", "--project", str(project.folder), "-e", "development", *settings
    )
    assert checked.code == 0, checked.err


def test_a_dry_run_only_prints(project: Project, file_system: str) -> None:
    said = project.init("--dry-run", "--dr-region", "us-east-1")

    assert said.code == 0
    assert json.loads(said.out)["development.mailstore_file_system_id"] == file_system
    assert json.loads(said.out)["development.dr_region"] == "us-east-1"
    assert not project.file.exists()


def test_another_answer_than_yes_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_answers(monkeypatch, "no")

    assert project.init().code == 4
    assert not project.file.exists()


def test_without_a_terminal_it_takes_yes(project: Project) -> None:
    assert project.init().code == 4
    assert project.init("--yes").code == 0


def test_an_existing_file_is_never_changed(project: Project) -> None:
    project.file.write_text('{"prod.account": "210987654321"}')

    said = project.init("--yes")

    assert said.code == 4
    assert "exists and was not changed. Add the lines above to it." in said.err
    assert '"development.account": "123456789012"' in said.err
    assert project.file.read_text() == '{"prod.account": "210987654321"}'


def test_of_several_file_systems_one_is_chosen(
    operator: Operator, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = another_file_system(operator, {"Key": "Name", "Value": "cabal-efs"})

    assert "use --file-system" in project.init("--yes").err
    type_answers(monkeypatch, other, "yes")
    said = project.init()

    assert said.code == 0
    assert f"  {other}  cabal-efs, " in said.err
    assert project.settings["development.mailstore_file_system_id"] == other


@pytest.mark.parametrize("answer", ["", "fs-00000000"])
def test_an_answer_that_is_none_of_them_writes_nothing(
    operator: Operator, project: Project, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    another_file_system(operator, {"Key": "Name", "Value": "cabal-efs"})
    type_answers(monkeypatch, answer, "yes")

    assert project.init().code == 4
    assert not project.file.exists()


def test_the_option_names_a_file_system_that_exists(operator: Operator, project: Project) -> None:
    other = another_file_system(operator)

    assert project.init("--yes", "--file-system", "fs-00000000").code == 9
    assert project.init("--yes", "--file-system", other).code == 0
    assert project.settings["development.mailstore_file_system_id"] == other


def test_a_table_that_is_missing_is_left_out(operator: Operator, project: Project) -> None:
    delete_table(operator.sandbox, "cabal-counter")

    said = project.init("--yes")

    assert "Not found, and left out of pitr_tables: cabal-counter." in said.err
    assert project.settings["development.pitr_tables"] == [
        "cabal-user-preferences",
        "cabal-user-domain-access",
        "cabal-dmarc-reports",
    ]


def test_another_table_has_the_addresses(
    operator: Operator, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_table(operator.sandbox, "cabal-addresses")
    type_answers(monkeypatch, "cabal-counter", "yes")

    said = project.init()

    # Every problem of the settings is reported before anything is written.
    assert said.code == 78
    assert "cabal-counter is in the plan" in said.err
    assert not project.file.exists()


def test_an_account_without_cabal(project: Project) -> None:
    said = project.init("--yes", "--region", "eu-west-1")

    assert said.code == 78
    assert "Found no" in said.err
    assert not project.file.exists()


def test_the_environment_is_one_of_cdk_json(operator: Operator, project: Project) -> None:
    said = operator.type("init", "--project", str(project.folder), "-e", "qa")

    assert said.code == 64
    assert "prod, stage, development" in said.err


def test_settings_without_a_checkout_are_not_changed(operator: Operator, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[environments.development]\n")

    said = operator.type("init", "--config", str(config), "-e", "development", "--yes")

    assert said.code == 64
    assert "change it by hand (docs/settings.md)" in said.err
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]
