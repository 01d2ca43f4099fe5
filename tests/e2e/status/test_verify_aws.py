"""`verify-aws` finds in the local AWS what the project expects, and says where it is not so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.operator import Operator, Said
from tests.e2e.shell import make_checkout, sections, type_in

DOCUMENT = "docs/first-deployment.md"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report goes to the current folder."""
    monkeypatch.chdir(tmp_path)


def results(said: Said) -> dict[str, str]:
    """The result of each question by its id."""
    lines = said.out.partition("\n\n")[0].splitlines()
    return {line[14:].split()[0]: line[:14].strip() for line in lines}


def test_the_local_aws_is_as_the_project_expects(operator: Operator, tmp_path: Path) -> None:
    said = operator.run("verify-aws")

    assert {question: r for question, r in results(said).items() if r != "matched"} == {}
    assert said.code == 0
    (written,) = tmp_path.iterdir()
    assert written.name in said.out
    text = written.read_text()
    assert text.count("| matched |") == len(results(said)) == 11
    assert operator.deployment.cabal.account not in text


@pytest.mark.parametrize(
    ("settings", "question"),
    [({"missing_vault_error": "ResourceNotFoundException"}, "missing-vault")],
)
def test_another_answer_is_different(
    operator: Operator, settings: dict[str, Any], question: str
) -> None:
    operator.sandbox.settings(**settings)

    said = operator.run("verify-aws", "--report", "report.md")

    assert said.code == 5
    assert results(said)[question] == "different"
    assert "ResourceNotFoundException" in Path("report.md").read_text()


def test_json_has_every_question(operator: Operator, tmp_path: Path) -> None:
    said = operator.run("verify-aws", "--json")

    (written,) = tmp_path.iterdir()
    shown = said.json
    assert (shown["version"], shown["environment"]) == (1, "development")
    assert shown["report"] == written.name
    assert len(shown["questions"]) == 11
    assert {tuple(each) for each in shown["questions"]} == {
        ("id", "question", "expected", "result", "evidence")
    }
    assert {each["result"] for each in shown["questions"]} == {"matched"}


def test_a_refused_question_is_unknown(operator: Operator) -> None:
    operator.sandbox.faults.deny("ListBackupJobs")

    said = operator.run("verify-aws")

    assert said.code == 2
    unknown = {question for question, result in results(said).items() if result == "unknown"}
    assert unknown == {"source-account", "after-schedule"}


def test_it_changes_nothing(operator: Operator) -> None:
    before = operator.sandbox.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}], MaxResults=1
    )["Events"]
    operator.run("verify-aws")
    after = operator.sandbox.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}], MaxResults=1
    )["Events"]
    assert [each["EventId"] for each in before] == [each["EventId"] for each in after]


def test_a_report_is_never_overwritten(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")

    said = operator.run("verify-aws", "--report", "report.md")

    assert said.code == 64
    assert (tmp_path / "report.md").read_text() == "mine"


def test_before_the_first_night_jobs_and_copies_are_not_seen_yet(
    operator: Operator, first_deployment: Any
) -> None:
    operator.sandbox.rollback(first_deployment[1])

    said = operator.run("verify-aws")

    assert said.code == 2
    not_seen = {question for question, result in results(said).items() if result == "not seen yet"}
    assert not_seen == {"source-account", "after-schedule", "copy-dates", "copy-tags"}


def test_the_checklist(operator: Operator, tmp_path: Path) -> None:
    """Steps 3 to 5, as they stand there."""
    blocks = [
        block
        for heading, found in sections(DOCUMENT).items()
        if heading[0] in "345"
        for block in found
    ]
    jobs = ("on_demand_start_delay", "dynamodb_backup", "copy_start_delay", "dynamodb_copy")
    operator.sandbox.settings(**dict.fromkeys(jobs, 0))
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    said = type_in(
        ["export AWS_REGION=us-west-1 PATH=$PWD/.venv/bin:$PATH", *blocks],
        make_checkout(checkout, operator.deployment),
        operator.deployment,
    )
    assert "AlreadyExistsException" in said
    assert said.count("InvalidRequestException") == 2
