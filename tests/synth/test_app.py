"""app.py as the CDK CLI runs it: a process with the context in its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from aws_cdk import App

from app import build
from tests.builders import an_environment, settings
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import FLAGS, REPOSITORY, read_assembly

# As after `cdk -c stage.backup=true -c stage.mailstore_file_system_id=… …`: text only.
STAGE_ON = {
    "stage.backup": "true",
    "stage.account": "123456789012",
    "stage.mailstore_file_system_id": "fs-0123456789abcdef0",
    "stage.dr_cold_after_days": "never",
    "stage.lock_max_days": "400",
    "stage.air_gapped": "true",
}
TOO_MANY_TABLES = {
    "access_policies": True,
    "pitr_tables": [f"orders-{number:03d}-{'x' * 40}" for number in range(30)],
}
ALL_WRONG = {
    "environments": {
        "prod": settings(account="12", delete_after_days=100, colour="red", **TOO_MANY_TABLES),
        "stage": settings(dr_region="us-west-1", lock_changeable_for_days=3),
        "development": {"backup": True, "cold_after_days": None},
    },
    "staging.backup": "true",
}


@dataclass(frozen=True)
class Run:
    returncode: int
    stdout: str
    stderr: str
    outdir: Path

    @property
    def templates(self) -> list[Path]:
        return list(self.outdir.rglob("*.template.json"))


@pytest.fixture(scope="module")
def stage_on(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The application run as the CLI runs it, with one environment on."""
    outdir = tmp_path_factory.mktemp("cdk.out")
    ended = subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "CDK_VALIDATION": "true",
            "CDK_OUTDIR": str(outdir),
            "CDK_CONTEXT_JSON": json.dumps({**FLAGS, **STAGE_ON}),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    return Run(ended.returncode, ended.stdout, ended.stderr, outdir)


def test_an_environment_that_is_on_gets_its_two_stacks(
    stage_on: Run, synthesized: Synthesize
) -> None:
    assert stage_on.returncode == 0, stage_on.stderr
    assert len(stage_on.templates) == 2
    stage = read_assembly(stage_on.outdir / "assembly-stage")
    expected = synthesized(
        an_environment("stage", dr_cold_after_days="never", lock_max_days=400, air_gapped=True)
    )
    assert stage.primary.json == expected.primary.json
    assert stage.dr.json == expected.dr.json


def test_an_environment_that_is_off_says_so_and_has_no_stacks(stage_on: Run) -> None:
    lines = stage_on.stderr.splitlines()
    assert [line.split(":")[0] for line in lines if "backup is off" in line] == [
        "prod",
        "development",
    ]


def test_the_checks_run_in_the_application(stage_on: Run) -> None:
    report = json.loads((stage_on.outdir / "validation-report.json").read_text())
    packs = {each["pluginName"]: each["conclusion"] for each in report["pluginReports"]}
    assert packs.keys() >= {"AwsSolutions", "NIST.800.53.R5"}
    assert set(packs.values()) == {"success"}


def test_with_everything_off_a_person_reads_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(App(outdir=str(tmp_path), context=dict(FLAGS))) == 0
    assert list(tmp_path.rglob("*.template.json")) == []
    said = capsys.readouterr().err
    for name in ("prod", "stage", "development"):
        assert f"{name}: backup is off" in said
        assert f"-c {name}.backup=true" in said


def test_every_problem_is_reported_and_no_template_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(App(outdir=str(tmp_path), context={**FLAGS, **ALL_WRONG})) == 1
    assert list(tmp_path.rglob("*.template.json")) == []
    said = capsys.readouterr().err
    # What jsii's process has written before may arrive late, in front of it.
    assert "11 problems in the configuration" in said
    for problem in (
        'staging.backup: "true"',
        'prod.account: "12"',
        "prod.delete_after_days: 100",
        'prod.colour: "red"',
        'stage.dr_region: "us-west-1"',
        "stage.lock_changeable_for_days: 3",
        "development.account: not set",
        "development.mailstore_file_system_id: not set",
    ):
        assert f"\n{problem}\n" in said
    assert said.count("    rule:   ") == said.count("    remedy: ") == 11
    # The policies of the watch, the auditor and the operator.
    assert said.count('\nprod.pitr_tables: ["orders-000') == 3
