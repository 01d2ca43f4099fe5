"""cdk-nag's two rule packs: on, without a finding, and with every exception explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Validations
from aws_cdk import Stack as CdkStack
from aws_cdk import aws_s3 as s3

from app import add_checks
from cabal_backup.infrastructure.stage import BackupStage
from tests.builders import THIRD_ACCOUNT, an_environment
from tests.synth.synthesis import FLAGS

PACKS = {"AwsSolutions", "NIST.800.53.R5"}
ENVIRONMENTS = ("prod", "stage", "development")
FURTHER = {"stage": {"air_gapped": True, "air_gapped_share_with": [THIRD_ACCOUNT]}}


@dataclass(frozen=True)
class Checked:
    """The application with all three environments on, after its checks."""

    directory: Path
    reports: Mapping[str, Any]
    """What each rule pack reported."""

    @property
    def accepted(self) -> list[Any]:
        """Every finding that was acknowledged."""
        return [f for pack in PACKS for f in self.reports[pack]["suppressedViolations"]]

    def acknowledgements(self) -> set[tuple[str, str, str]]:
        """Every acknowledgement there is: construct, pack::rule, reason."""
        return {
            (path.removeprefix("/"), rule, reason)
            for file in self.directory.glob("assembly-*/*.metadata.json")
            for path, entries in json.loads(file.read_text()).items()
            for entry in entries
            if entry["type"] == Validations.ACKNOWLEDGED_RULES_METADATA_KEY
            for rule, reason in entry["data"].items()
        }


def reports_in(directory: Path) -> dict[str, Any]:
    report = json.loads((directory / "validation-report.json").read_text())
    return {each["pluginName"]: each for each in report["pluginReports"]}


def an_app(directory: Path, *environments: str) -> App:
    app = App(outdir=str(directory), context=dict(FLAGS))
    for name in environments:
        BackupStage(app, environment=an_environment(name, **FURTHER.get(name, {})))
    add_checks(app)
    return app


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    directory = tmp_path_factory.mktemp("checked")
    an_app(directory, *ENVIRONMENTS).synth()
    return Checked(directory, reports_in(directory))


def test_three_environments_are_six_templates(checked: Checked) -> None:
    names = [path.parent.name for path in checked.directory.glob("*/*.template.json")]
    assert sorted(names) == sorted(f"assembly-{name}" for name in ENVIRONMENTS * 2)


def test_both_packs_run_without_findings(checked: Checked) -> None:
    assert checked.reports.keys() >= PACKS
    found: dict[str, str] = {}
    for name, report in checked.reports.items():
        assert report["conclusion"] == "success"
        found |= {each["ruleName"]: name for each in report["violations"]}
    # A warning of ours, before a deployment that cannot be undone; it stops nothing.
    assert found == {"Annotation::cabal-backup:air-gapped": "Construct Annotations"}


def test_each_pack_looked_into_every_environment(checked: Checked) -> None:
    for pack in PACKS:
        looked_into = {
            construct["constructPath"].split("/")[0]
            for finding in checked.reports[pack]["suppressedViolations"]
            for construct in finding["violatingConstructs"]
        }
        assert looked_into == set(ENVIRONMENTS)


def test_each_acknowledgement_is_on_the_one_resource_it_concerns(checked: Checked) -> None:
    for finding in checked.accepted:
        (construct,) = finding["violatingConstructs"]
        assert construct["constructPath"] == f"{finding['acknowledgedAt']}/Resource"


def test_no_acknowledgement_is_superfluous(checked: Checked) -> None:
    """Each one answers a finding: without it, synthesis would fail."""
    used = {
        (finding["acknowledgedAt"], finding["acknowledgedId"], finding["reason"])
        for finding in checked.accepted
    }
    assert checked.acknowledgements() == used
    assert used


def test_no_acknowledgement_takes_a_whole_rule_where_one_finding_is_meant(
    checked: Checked,
) -> None:
    for _, rule, _ in checked.acknowledgements():
        assert "*" not in rule.split("[")[0]
        if "IAM4" in rule or "IAM5" in rule:
            assert rule.endswith("]"), "IAM findings are named one by one"


def test_every_acknowledgement_has_a_reason_of_substance(checked: Checked) -> None:
    for _, rule, reason in checked.acknowledgements():
        words = reason.split()
        assert len(words) >= 15, f"{rule}: {reason}"
        assert len({word.lower() for word in words}) >= 12, f"{rule}: {reason}"
        assert not {"todo", "fixme", "n/a", "tbd"} & {word.lower() for word in words}


def test_every_skipped_checkov_check_has_a_reason(checked: Checked) -> None:
    skipped = [
        skip
        for file in checked.directory.glob("*/*.template.json")
        for resource in json.loads(file.read_text())["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    for skip in skipped:
        assert skip["id"].startswith("CKV")
        assert len(skip["comment"].split()) >= 15, skip


def test_a_violation_stops_synthesis(tmp_path: Path) -> None:
    """A bucket without encryption, logs or TLS, in a stack beside ours."""
    app = an_app(tmp_path, "prod")
    s3.CfnBucket(CdkStack(app, "Careless"), "Bucket")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    reports = reports_in(tmp_path)
    for pack in PACKS:
        assert reports[pack]["conclusion"] == "failure"
        violating = {
            construct["constructPath"]
            for finding in reports[pack]["violations"]
            for construct in finding["violatingConstructs"]
        }
        assert violating == {"Careless/Bucket"}
