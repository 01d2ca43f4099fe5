"""How the tool ends, in every way it can: docs/exit-codes.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cabal_backup.cli.main import main
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import PRIMARY
from tests.e2e.status.calls import calls
from tests.e2e.status.proxy import Change, Reply, proxy
from tests.sandbox.deployment import PROJECT

COMMANDS = ["status", "points"]


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
    assert "cabal-backup: could not read cabal-backup-dr: ListRecoveryPointsBy" in said.err


# --- Where the environment is described


def test_the_environment_can_be_set_in_a_variable(
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
    assert "AWS does not accept the request: An error occurred" in said.err
    assert error in said.err
    assert "ign in again" in said.err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 20260101T120000Z is now earlier than 2026…"),
        ("InvalidSignatureException", "Signature not yet current: 2026 is still later than 2026"),
        ("RequestExpired", "Request has expired."),
    ],
)
def test_77_names_the_clock_where_the_time_is_wrong(
    operator: Operator, error: str, message: str
) -> None:
    rule = {"service": "sts", "error": error, "message": message, "status": 403}
    operator.sandbox.faults.services(rule)

    said = operator.run("status")

    assert said.code == 77
    assert message in said.err
    assert "Probably the clock of this machine is wrong: set it" in said.err
    assert "ign in again" not in said.err


def test_a_region_that_is_not_enabled_is_named_as_the_likely_cause(operator: Operator) -> None:
    message = "The security token included in the request is invalid."
    rule = {
        "service": "dynamodb",
        "error": "UnrecognizedClientException",
        "message": message,
        "status": 400,
    }
    operator.sandbox.faults.services(rule)

    checked = operator.run("status", "--json")
    restored = operator.type(
        "restore", "table", "cabal-counter", "--latest", "--dry-run", "--project", str(PROJECT),
        "-e", "development", *operator.deployment.context_arguments(),
    )  # fmt: skip

    assert checked.code == 2
    assert restored.code == 77
    for said in (checked.out, restored.err):
        assert message in said
        assert "Probably the region is not enabled for this account" in said
        assert "ign in again" not in said


def test_77_where_an_mfa_code_is_needed_and_there_is_no_terminal(
    operator: Operator, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile needs-mfa]\nregion = us-west-1\nsource_profile = base\n"
        "role_arn = arn:aws:iam::123456789012:role/operator\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/alice\n"
        "[profile base]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n"
    )
    arguments = ["-e", "development", *operator.deployment.context_arguments()]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cabal_backup", "status", *arguments, *more],
            cwd=PROJECT,
            env={
                **operator.sandbox.environ(),
                "AWS_CONFIG_FILE": str(config),
                "AWS_PROFILE": "needs-mfa",
                "AWS_ACCESS_KEY_ID": "",
                "AWS_SECRET_ACCESS_KEY": "",
            },
            input="123456\n",
            capture_output=True,
            start_new_session=True,  # without a controlling terminal
            text=True,
            check=False,
        )

    plain, nagios = run(), run("--nagios")

    assert plain.returncode == 77, plain.stderr
    assert "needs an MFA code (mfa_serial), and there is no terminal" in plain.stderr
    assert plain.stderr.count("\n") == 1
    assert (nagios.returncode, nagios.stderr) == (3, "")
    assert nagios.stdout.startswith("UNKNOWN: There are no usable AWS credentials")


# --- 3 and 69: AWS refuses, or does not answer


def test_3_when_aws_refuses_to_say_who_we_are(operator: Operator) -> None:
    operator.sandbox.faults.services({"service": "sts", "error": "AccessDenied", "status": 403})

    said = operator.run("status")

    assert said.code == 3
    assert "AWS refused while finding out whose credentials these are: An error" in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_69_when_aws_does_not_answer(
    operator: Operator, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    said = operator.run(command)

    assert said.code == 69
    assert "AWS did not answer while finding out whose credentials these are" in said.err


def test_69_when_both_regions_are_lost(operator: Operator) -> None:
    operator.sandbox.faults.lose_regions("us-west-1", "us-west-2")

    assert operator.run("status").code == 69


# --- 2: something other than AWS answers

HTML = b"<!DOCTYPE html>\n<html><head><title>Blocked</title></head><body>Sorry</body></html>"
SPOILED: dict[str, Change] = {
    "a page with 503": lambda _: Reply(503, HTML, {"content-type": "text/html"}),
    "a page of an old proxy with 503": lambda _: Reply(503, b"<html><b>Sorry</b></html>"),
    "a page with 403": lambda _: Reply(403, HTML, {"content-type": "text/html"}),
    "a page with 200": lambda _: Reply(200, HTML, {"content-type": "text/html"}),
    "nothing with 200": lambda _: Reply(200, b""),
    "half of it": lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]),
    "bytes": lambda reply: replace(reply, body=b"\xff\xfe\x00" * 9),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("but_not", [(), ("sts",)], ids=["all", "all but the account"])
def test_2_when_something_else_answers_in_aws_s_place(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, spoil: Change, but_not: tuple[str, ...]
) -> None:
    with proxy(operator.sandbox.endpoint, spoil, but_not=but_not) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        plain = operator.run("status")
        nagios = operator.run("status", "--nagios")
        points = operator.run("points", "--json")

    assert (plain.code, nagios.code, points.code) == (2, 3, 2), plain.err
    assert nagios.out.startswith("UNKNOWN: ")
    assert nagios.out.count("\n") == 1
    assert "Traceback" not in plain.err + points.err
    assert "<html>" not in plain.out + plain.err + points.out + points.err


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_command_that_changes_something_stops_there(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, spoil: Change
) -> None:
    with proxy(operator.sandbox.endpoint, spoil, but_not=("sts",)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        said = operator.run("unlock", "--reason", "test", "--yes")

    assert said.code == 2, said.err
    assert said.err.count("\n") == 1
    assert "a proxy or another machine on the way may have sent it" in said.err


# --- 70: the tool itself


class Broken:
    """A clock that no one foresaw."""

    def now(self) -> datetime:
        raise KeyError("spring\nand fall")

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.mark.parametrize("command", COMMANDS)
def test_70_for_what_is_not_foreseen(operator: Operator, command: str) -> None:
    operator.clock = Broken()  # type: ignore[assignment]

    said = operator.run(command)
    debugged = operator.run(command, "--debug")

    assert (said.code, debugged.code) == (70, 70)
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("cabal-backup: internal error at ")
    assert ": KeyError: 'spring\\nand fall'. This is a bug in the tool" in said.err
    assert "Traceback (most recent call last)" in debugged.err
    assert said.err in debugged.err


def test_3_for_monitoring_whatever_is_not_foreseen(operator: Operator) -> None:
    operator.clock = Broken()  # type: ignore[assignment]

    said = operator.run("status", "--nagios")

    assert (said.code, said.err) == (3, "")
    assert said.out.startswith("UNKNOWN: internal error at ")
    assert said.out.count("\n") == 1


# --- Monitoring


@pytest.mark.parametrize("settings", [{"account": "000000000000"}, {"lock_min_days": "0"}])
def test_monitoring_reads_one_line_on_stdout_whatever_happens(
    operator: Operator, settings: dict[str, str]
) -> None:
    said = operator.run("status", "--nagios", **settings)

    assert said.code == 3
    assert said.out.startswith("UNKNOWN: ")
    assert said.out.count("\n") == 1
    assert "|" not in said.out
    assert said.err == ""


# --- 130 and 141: interrupted, and the reader stopped


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


PRINTING = [
    "status",
    "status --json",
    "status --nagios",
    "points",
    "points --list",
    "points --json",
]


def run_into(
    operator: Operator, command: str, descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str]:
    """The exit code and stderr of a command whose stdout is this descriptor.

    The first also runs in a process of its own, which has to end in the same way.
    """
    stdout = os.fdopen(descriptor, "w")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        said = operator.run(*command.split())
    if command == PRINTING[0]:
        ended = in_a_process(operator, command, descriptor)
        assert (ended.returncode, ended.stderr) == (said.code, said.err)
    with suppress(OSError):
        stdout.close()
    return said.code, said.err


def in_a_process(
    operator: Operator, command: str, stdout: int, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    arguments = ["-e", "development", *operator.deployment.context_arguments()]
    return subprocess.run(
        [sys.executable, "-m", "cabal_backup", *command.split(), *arguments],
        cwd=PROJECT,
        env={
            **operator.sandbox.environ(),
            "CABAL_DRILLS": str(operator.drills),
            "PYTHONIOENCODING": encoding,
        },
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding=encoding,
        check=False,
    )


@pytest.mark.parametrize("command", PRINTING)
def test_141_when_the_reader_stops(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As in `cabal-backup points --json | true`."""
    reader, writer = os.pipe()
    os.close(reader)

    assert run_into(operator, command, writer, monkeypatch) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
@pytest.mark.parametrize("command", PRINTING)
def test_74_on_a_full_disk(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)

    assert run_into(operator, command, full, monkeypatch) == (
        74,
        "cabal-backup: cannot write the output: No space left on device\n",
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_encoding_without_the_symbols_changes_no_exit_code(
    operator: Operator, encoding: str
) -> None:
    """A process of its own looks at the machine's clock, for which the sandbox is long past."""
    failed(operator)

    checked = in_a_process(operator, "status", subprocess.PIPE, encoding)
    listed = in_a_process(operator, "points", subprocess.PIPE, encoding)

    assert (checked.returncode, checked.stderr) == (1, "")
    assert "x development is NOT protected" in checked.stdout
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "missing 124" in listed.stdout
