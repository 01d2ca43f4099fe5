"""What `status`, `points`, `doctor` and `cdk diff` say of the air-gapped vault."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from tests.e2e.air_gapped.conftest import REGION, SECOND, VAULT, accept
from tests.e2e.operator import Operator
from tests.e2e.status.test_formats import problems
from tests.sandbox.deployment import Deployment, aws_cli


def check(operator: Operator) -> tuple[str, str, str]:
    """The result of the check, its evidence and its hint."""
    said = operator.run("status", "--only", "air-gapped", "--json")
    (finding,) = said.json["findings"]
    return finding["status"], finding["evidence"], finding["hint"]


def test_what_cannot_be_undone_is_said_before_the_deployment(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    diff = deployed.diff(air_gapped="true", air_gapped_share_with=SECOND)
    assert "cannot be undone" in diff
    assert f"It is shared with {SECOND}" in diff
    said = Operator(deployed, monkeypatch, capsys).run(
        "doctor", "--json", air_gapped="true", air_gapped_share_with=SECOND
    )
    (finding,) = [one for one in said.json["findings"] if one["check"] == "air-gapped"]
    assert finding["status"] == "warn"
    assert "before 14 days" in finding["evidence"]
    assert f"{SECOND} can restore from it" in finding["evidence"]
    assert "cannot be undone" not in deployed.diff()


def test_each_night_has_a_third_copy(operator: Operator) -> None:
    assert check(operator)[0] == "fail"  # The vault is still CREATING.
    operator.sandbox.advance(minutes=5)
    status, evidence, _ = check(operator)
    assert (status, f"{SECOND} has not accepted" in evidence) == ("warn", True)
    accept(operator.sandbox)
    assert check(operator)[0] == "off"

    operator.sandbox.run_nights(16)
    operator.sandbox.advance(hours=8)
    status, evidence, _ = check(operator)
    assert status == "ok"
    assert "28 copies" in evidence
    assert f"Shared with {SECOND}." in evidence
    assert operator.not_ok() == {"restore-tests": "warn"}  # Nothing was restored yet.
    doctor = operator.run("doctor", "--json").json["findings"]
    (finding,) = [one for one in doctor if one["check"] == "air-gapped"]
    assert (finding["status"], "7 to 30 days" in finding["evidence"]) == ("ok", True)

    shown = operator.run("points", "--nights", "20")
    regions, resources = (line.split() for line in shown.out.splitlines()[:2])
    assert regions == ["us-west-1"] * 2 + ["us-west-2"] * 2 + ["air-gap"] * 2
    assert resources == ["night", *["addresses", "mailstore"] * 3]
    listed = operator.run("points", "--list").out
    assert listed.count(f"{VAULT}  ") == 28
    document = operator.run("points", "--json").json
    assert problems("points", document) == []
    cells = document["nights"][0]["cells"]
    third = {cell["resource"]: cell["state"] for cell in cells if cell["vault"] == VAULT}
    assert third == {"addresses": "warm", "mailstore": "warm"}


def test_a_missing_copy_is_reported_with_the_command_that_makes_it(operator: Operator) -> None:
    sandbox = operator.sandbox
    sandbox.advance(minutes=5)
    accept(sandbox)
    # A night's copies to the DR region come first.
    sandbox.faults.fail_next("copy", resource_type="DynamoDB", message="no room", count=2)
    sandbox.run_nights(1)
    sandbox.advance(hours=8)
    status, evidence, hint = check(operator)
    assert (status, evidence) == ("fail", f"1 recovery point without a copy in {VAULT}.")
    command = hint.partition("To copy one: aws ")[2]
    type_aws(operator, command)
    sandbox.advance(hours=1)
    assert check(operator)[0] == "ok"


def test_an_expired_invitation_is_made_anew_by_the_commands_of_the_finding(
    operator: Operator,
) -> None:
    sandbox = operator.sandbox
    sandbox.run_nights(2)
    status, evidence, hint = check(operator)
    assert status == "fail"
    assert "did not accept the invitation" in evidence
    commands = hint.removeprefix("Invite it again: aws ").partition(". Then accept")[0]
    for command in commands.split(" && aws "):
        type_aws(operator, command)
    accept(sandbox)
    assert check(operator)[0] == "ok"


def test_other_limits_are_refused_and_reported(operator: Operator) -> None:
    operator.sandbox.advance(minutes=5)
    said = operator.run("doctor", "--json", air_gapped_max_days="40")
    (finding,) = [one for one in said.json["findings"] if one["check"] == "air-gapped"]
    assert finding["status"] == "fail"
    assert "accepts 7 to 30 days, which can never be changed" in finding["evidence"]
    assert "air_gapped_max_days=30" in finding["hint"]


def test_switched_off_it_stays_and_empties_itself_and_can_be_adopted(operator: Operator) -> None:
    deployment, sandbox = operator.deployment, operator.sandbox
    sandbox.run_nights(1)
    deployment.deploy_assembly(air_gapped="false", air_gapped_share_with="")
    backup = sandbox.client("backup", REGION)
    sandbox.run_nights(1)
    assert len(held(backup)) == 2
    sandbox.advance(days=14)
    assert held(backup) == []
    created = backup.describe_backup_vault(BackupVaultName=VAULT)["CreationDate"]
    # As docs/runbooks/air-gapped.md says.
    deployment.deploy("--import-existing-resources")
    assert backup.describe_backup_vault(BackupVaultName=VAULT)["CreationDate"] == created
    sandbox.run_nights(1)
    assert len(held(backup)) == 2


def held(backup: object) -> list[object]:
    listed: list[object] = backup.list_recovery_points_by_backup_vault(  # type: ignore[attr-defined]
        BackupVaultName=VAULT
    )["RecoveryPoints"]
    return listed


def type_aws(operator: Operator, command: str) -> None:
    ended = subprocess.run(
        [aws_cli(), *shlex.split(command)],
        env=operator.sandbox.environ(),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
