"""How the tool ends, in every way it can: docs/exit-codes.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import botocore.endpoint
import pytest

from cabal_backup.cli.main import main
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import PRIMARY
from tests.e2e.status.calls import calls
from tests.sandbox.deployment import PROJECT

COMMANDS = ["status", "points"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore does not wait between its tries."""
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _seconds: None)


def warned(operator: Operator) -> None:
    hand.protect(operator.sandbox, "cabal-counter", protected=False)


def failed(operator: Operator) -> None:
    hand.unlock(operator.sandbox, PRIMARY)


def unknown(operator: Operator) -> None:
    operator.sandbox.faults.deny("ListCopyJobs")


def failed_and_unknown(operator: Operator) -> None:
    failed(operator)
    unknown(operator)


def healthy(operator: Operator) -> None:
    del operator


@pytest.mark.parametrize(
    ("state", "code", "nagios", "word"),
    [
        (healthy, 0, 0, "OK"),
        (warned, 0, 1, "WARNING"),
        (failed, 1, 2, "CRITICAL"),
        (unknown, 2, 3, "UNKNOWN"),
        (failed_and_unknown, 1, 2, "CRITICAL"),
    ],
)
def test_of_what_was_seen(
    operator: Operator, state: object, code: int, nagios: int, word: str
) -> None:
    assert callable(state)
    state(operator)

    said = operator.run("status", "--nagios")

    assert operator.run("status").code == code
    assert (said.code, said.out.split(":")[0]) == (nagios, word)


def test_points_are_known_or_not(operator: Operator) -> None:
    assert operator.run("points").code == 0

    operator.sandbox.faults.deny("ListRecoveryPointsByBackupVault")
    said = operator.run("points")

    assert said.code == 2
    assert "cabal-backup: could not look into cabal-backup-dr: ListRecoveryPointsBy" in said.err


def test_64_for_a_report_that_cannot_be_written(operator: Operator) -> None:
    said = operator.run("status", "--junit", "/no/such/folder/file.xml")

    assert said.code == 64
    assert "Cannot write /no/such/folder/file.xml: No such file or directory." in said.err


# --- Where the environment is described


def test_the_environment_may_be_said_once_and_for_all(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CABAL_ENVIRONMENT", "development")
    context = operator.deployment.context_arguments()

    assert operator.type("status", "--project", str(PROJECT), *context).code == 0


def test_what_the_repository_does_not_hold_may_be_in_a_private_file(
    operator: Operator, tmp_path: Path
) -> None:
    (tmp_path / "cdk.json").write_text(
        json.dumps({"context": {"environments": {"development": {"backup": False}}}})
    )
    (tmp_path / "cdk.context.json").write_text(json.dumps(dict(operator.deployment.context)))
    below = tmp_path / "below"
    below.mkdir()

    said = operator.type("status", "--project", str(below), "-e", "development")

    assert said.code == 0, said.err


# --- 77: the credentials


@pytest.mark.parametrize("command", COMMANDS)
def test_77_in_another_account_and_nothing_is_asked(operator: Operator, command: str) -> None:
    before = calls(operator.sandbox)

    said = operator.run(command, account="000000000000")

    assert said.code == 77
    assert (
        "These credentials belong to account 123456789012, but development is in account "
        "000000000000. Nothing was done." in said.err
    )
    assert said.out == ""
    assert calls(operator.sandbox) - before == {("us-west-1", "GetCallerIdentity"): 1}


@pytest.mark.parametrize("error", ["ExpiredToken", "InvalidClientTokenId"])
def test_77_for_credentials_that_aws_does_not_accept(operator: Operator, error: str) -> None:
    operator.sandbox.faults.services({"service": "sts", "error": error, "status": 403})

    said = operator.run("status")

    assert said.code == 77
    assert f"AWS does not accept these credentials ({error})." in said.err


# --- 3 and 69: AWS refuses, or does not answer


def test_3_when_aws_refuses_to_say_who_we_are(operator: Operator) -> None:
    operator.sandbox.faults.services({"service": "sts", "error": "AccessDenied", "status": 403})

    said = operator.run("status")

    assert said.code == 3
    assert "AWS refused while finding out whose credentials these are: An error" in said.err


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("command", COMMANDS)
def test_69_when_nobody_answers(
    operator: Operator, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    said = operator.run(command)

    assert said.code == 69
    assert "AWS did not answer while finding out whose credentials these are" in said.err


@pytest.mark.usefixtures("impatient")
def test_69_when_both_regions_are_gone(operator: Operator) -> None:
    operator.sandbox.faults.lose_regions("us-west-1", "us-west-2")

    assert operator.run("status").code == 69


@pytest.mark.parametrize(
    "settings", [{"account": "000000000000"}, {"lock_min_days": "0"}, {"backup": "false"}]
)
def test_monitoring_reads_one_line_on_stdout_whatever_happens(
    operator: Operator, settings: dict[str, str]
) -> None:
    said = operator.run("status", "--nagios", **settings)

    assert said.code == 3
    assert said.out.startswith("UNKNOWN: ")
    assert said.out.count("\n") == 1
    assert "|" not in said.out
    assert said.err == ""


# --- 130 and 141: whoever asked has gone


class Interrupted:
    """A clock that is looked at just as Ctrl-C is pressed."""

    def now(self) -> datetime:
        raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.mark.parametrize("command", COMMANDS)
def test_130_for_ctrl_c(operator: Operator, command: str) -> None:
    arguments = ["-e", "development", *operator.deployment.context_arguments()]

    assert main([command, "--project", str(PROJECT), *arguments], clock=Interrupted()) == 130


def test_141_when_nobody_reads_on(operator: Operator) -> None:
    """As in `cabal-backup points --json | true`."""
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ["-e", "development", *operator.deployment.context_arguments(), "--json"]

    ended = subprocess.run(
        [sys.executable, "-m", "cabal_backup", "points", *arguments],
        cwd=PROJECT,
        env=operator.sandbox.environ(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, "")
