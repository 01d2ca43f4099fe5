"""The findings for scripts and for monitoring, and which checks are made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from local_aws.client import Sandbox

from cabal_backup.cli.main import main
from cabal_backup.operations.status.checks import CHECKS
from tests.e2e.operator import Operator, SandboxClock
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import PRIMARY
from tests.sandbox.deployment import PROJECT

DOCS = PROJECT / "docs"


def schema(name: str) -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads((DOCS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(read)
    return read


def problems(name: str, document: object) -> list[str]:
    validator = Draft202012Validator(
        schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def much_goes_wrong(operator: Operator) -> None:
    """Of every status something, and of every state of a night."""
    operator.sandbox.faults.fail_next("backup", resource_type="EFS", message='<broken> & "|"')
    operator.sandbox.faults.fail_next("copy", resource_type="DynamoDB", message="Broken: ünïcode.")
    operator.sandbox.advance(days=1)
    hand.unlock(operator.sandbox, PRIMARY)
    hand.back_up(operator.deployment)
    hand.protect(operator.sandbox, "cabal-counter", protected=False)
    operator.sandbox.faults.deny("DescribeRegionSettings")


# --- JSON


@pytest.mark.parametrize("command", ["status", "points"])
def test_json_is_as_documented(operator: Operator, command: str) -> None:
    assert problems(command, operator.run(command, "--json").json) == []

    much_goes_wrong(operator)
    assert problems(command, operator.run(command, "--json").json) == []

    operator.sandbox.faults.deny("ListRecoveryPointsByBackupVault")
    assert problems(command, operator.run(command, "--json").json) == []


def shapes(document: Mapping[str, Any]) -> dict[str, set[str]]:
    """The fields of a document, and of one of each thing in it."""
    if "findings" in document:
        return {"": set(document), "finding": set(document["findings"][0])}
    return {
        "": set(document),
        "night": set(document["nights"][0]),
        "cell": set(document["nights"][0]["cells"][0]),
        "point": set(document["points"][0]),
    }


@pytest.mark.parametrize("command", ["status", "points"])
def test_every_field_is_in_the_schema_and_in_the_document(operator: Operator, command: str) -> None:
    seen = shapes(operator.run(command, "--json").json)

    described = schema(command)
    for name, fields in seen.items():
        definition = described["$defs"][name] if name else described
        assert set(definition["properties"]) == set(definition["required"]) == fields
    text = (DOCS / f"{command}.md").read_text().partition("## JSON")[2]
    fields = set().union(*seen.values())
    assert {field for field in fields if not re.search(rf"\b{field}\b", text)} == set()


def test_json_says_what_the_table_says(operator: Operator) -> None:
    much_goes_wrong(operator)

    document = operator.run("status", "--json").json
    table = operator.run("status", "--verbose")

    assert document["verdict"] == "fail"
    assert table.out.endswith(f"\n✘ {document['summary']}\n")
    assert [each["check"] for each in document["findings"]] == list(CHECKS)
    assert {each["status"] for each in document["findings"]} == {
        "ok",
        "warn",
        "fail",
        "unknown",
        "off",
    }
    assert datetime.fromisoformat(document["at"]) <= operator.sandbox.now()
    for each in document["findings"]:
        assert each["check"] in table.out
        assert " ".join(each["evidence"].split()) in table.text


def test_json_is_all_there_is_on_stdout(operator: Operator) -> None:
    said = operator.run("status", "--json")

    assert said.err == ""
    assert said.out.endswith("}\n")


# --- Nagios

_DATA = r"[a-z_]+=\d+s?;;;0"
_LINE = re.compile(
    rf"(OK|WARNING|CRITICAL|UNKNOWN): (?P<text>[^|\n]+) \| (?P<data>{_DATA}( {_DATA})*)\n"
)


def test_nagios_is_one_line_with_performance_data(operator: Operator) -> None:
    said = operator.run("status", "--nagios")

    line = _LINE.fullmatch(said.out)
    assert line is not None, said.out
    assert line["text"] == "development is protected: all of 29 checks are fine (4 off)."
    data = dict(pair.split("=") for pair in line["data"].split())
    age = int(data.pop("oldest_newest_point").removesuffix("s;;;0"))
    assert 12.6 * 3600 < age < 13.1 * 3600
    drills = [data.pop(f"{kind}_drill_age") for kind in ("addresses", "mailbox", "copy_back")]
    assert all(3600 <= int(age.removesuffix("s;;;0")) < 3660 for age in drills)
    assert data == {
        "ok": "29;;;0",
        "off": "4;;;0",
        "warn": "0;;;0",
        "fail": "0;;;0",
        "unknown": "0;;;0",
        "points_without_copy": "0;;;0",
    }


def test_nagios_names_the_checks_in_trouble(operator: Operator) -> None:
    much_goes_wrong(operator)

    said = operator.run("status", "--nagios")

    line = _LINE.fullmatch(said.out)
    assert line is not None, said.out
    assert said.out.startswith("CRITICAL: development is NOT protected as promised: ")
    assert "(primary-lock, primary-opt-in, dr-opt-in, last-night, backup-jobs, " in line["text"]


# --- --only and --skip


def checks_of(operator: Operator, *arguments: str) -> list[str]:
    findings = operator.run("status", "--json", *arguments).json["findings"]
    return [each["check"] for each in findings]


def test_only_and_skip_choose_checks(operator: Operator) -> None:
    assert checks_of(operator, "--only", "role, primary-lock") == ["primary-lock", "role"]
    assert checks_of(operator, "--skip", "role") == [name for name in CHECKS if name != "role"]
    assert checks_of(operator, "--only", "role,plan", "--skip", "plan") == ["role"]


def test_a_few_checks_do_not_say_that_it_is_protected(operator: Operator) -> None:
    few = operator.run("status", "--only", "role,plan,alerts")
    hand.unlock(operator.sandbox, PRIMARY)
    failed = operator.run("status", "--skip", "role")

    assert few.out.endswith("\n✔ development: 3 of 33 checks, 2 ok (1 off).\n")
    assert failed.out.endswith(
        "\n✘ development is NOT protected as promised: 1 check failed (32 of 33 checks).\n"
    )


def test_the_exit_code_is_of_the_chosen_checks(operator: Operator) -> None:
    hand.unlock(operator.sandbox, PRIMARY)

    assert operator.run("status", "--only", "primary-lock").code == 1
    assert operator.run("status", "--skip", "primary-lock").code == 0


# --- --watch


class Repairing(SandboxClock):
    """While the command waits, the region is opted in again."""

    def __init__(self, sandbox: Sandbox, after: int) -> None:
        super().__init__(sandbox)
        self._after = after
        self._sandbox = sandbox

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if len(self.slept) == self._after:
            hand.opt_in(self._sandbox, "us-west-1")


class Impatient(SandboxClock):
    """An operator who presses Ctrl-C while waiting."""

    def sleep(self, seconds: float) -> None:
        del seconds
        raise KeyboardInterrupt


def test_watch_repeats_until_everything_is_ok(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    hand.opt_in(operator.sandbox, "us-west-1", managed=False)
    clock = Repairing(operator.sandbox, after=2)
    context = operator.deployment.context_arguments()

    code = main(
        ["status", "--project", str(PROJECT), "-e", "development", *context, "--watch"],
        clock=clock,
    )

    assert code == 0
    assert clock.slept == [60, 60]
    out = capsys.readouterr().out
    assert out.count("NOT protected") == 2
    assert out.count("all of 29 checks are fine") == 1


def test_watch_ends_with_what_was_seen_last(operator: Operator) -> None:
    hand.opt_in(operator.sandbox, "us-west-1", managed=False)
    operator.clock = Impatient(operator.sandbox)

    assert operator.run("status", "--watch").code == 1


def test_watch_of_a_healthy_environment_looks_once(operator: Operator) -> None:
    assert operator.run("status", "--watch").code == 0
    assert operator.clock.slept == []
