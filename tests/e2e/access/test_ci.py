"""The roles of docs/ci.md, and what the workflows do with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_aws.client import ACCOUNT

from tests.e2e.access.conftest import Guarded, documented
from tests.e2e.access.people import Person
from tests.e2e.assembly import synthesize_here
from tests.sandbox.deployment import PROJECT, aws_cli, cdk_cli

COMMENT = PROJECT / ".github" / "comment.py"
DEPLOYED = PROJECT / ".github" / "deployed.py"


@pytest.fixture(scope="module")
def differ(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """A session of the diff role, created as docs/ci.md says. These tests change nothing."""
    sandbox = guarded.rewound().sandbox
    documented(sandbox, "docs/ci.md", tmp_path_factory.mktemp("ci"))
    # Only GitHub can present its tokens; here the account itself takes the session.
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        },
    }
    sandbox.client("iam").update_assume_role_policy(
        RoleName="cabal-github-diff", PolicyDocument=json.dumps(trust)
    )
    session = sandbox.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-github-diff", RoleSessionName="ci"
    )
    return Person("cabal-github-diff", sandbox, session["Credentials"])


def run(person: Person, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(aws_cli()).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=PROJECT,
        env={**person.sandbox.environ(), **person.variables(), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def assembly(guarded: Guarded, **settings: str) -> str:
    deployment = guarded.deployment
    context = {"environment": deployment.environment, **deployment.context}
    context.update({f"{deployment.environment}.{key}": value for key, value in settings.items()})
    return str(synthesize_here(context))


def comment(person: Person, templates: Path, diff: Path) -> str:
    command = [sys.executable, "-I", "-S", str(COMMENT), "development"]
    return run(person, *command, "--templates", str(templates), "--diff", str(diff)).stdout


def test_a_role_trusts_one_environment_of_one_repository(differ: Person) -> None:
    role = differ.sandbox.client("iam").get_role(RoleName="cabal-github-deploy")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": "repo:example/cabal-backup:environment:prod",
    }


def test_the_diff_and_the_comment(guarded: Guarded, differ: Person, tmp_path: Path) -> None:
    made = assembly(guarded, access_policies="true", delete_after_days="364")
    templates, text = tmp_path / "templates.json", tmp_path / "diff.txt"

    diff = run(differ, cdk_cli(), "diff", "--app", made, "--method=template", "--no-color", "**")
    found = run(differ, sys.executable, "-I", str(DEPLOYED), made, "--to", str(templates))

    assert diff.returncode == 0, diff.stderr
    assert found.returncode == 0, found.stdout + found.stderr
    text.write_text(diff.stdout + diff.stderr)
    assert "DeleteAfterDays" in text.read_text()
    written = comment(differ, templates, text)
    assert "Dangerous: " in written
    assert "DeleteAfterDays: 365 → 364" in written
    assert ACCOUNT not in written


def test_a_deployed_stack_whose_environment_is_off_fails(guarded: Guarded, differ: Person) -> None:
    found = run(differ, sys.executable, str(DEPLOYED), assembly(guarded, backup="false"))
    assert found.returncode == 1
    assert "The stack cabal-backup in us-west-1 is deployed" in found.stdout
    assert "The stack cabal-backup-dr in us-west-2 is deployed" in found.stdout
    assert "teardown" in found.stdout
    assert "turn the setting on again" in found.stdout


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("dynamodb", "scan", {"TableName": "cabal-addresses"}),
        ("backup", "list_backup_vaults", {}),
        ("cloudformation", "delete_stack", {"StackName": "cabal-backup"}),
        (
            "sts",
            "assume_role",
            {
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/"
                f"cdk-hnb659fds-lookup-role-{ACCOUNT}-us-west-1",
                "RoleSessionName": "ci",
            },
        ),
    ],
)
def test_the_diff_role_reads_no_data(
    differ: Person, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(differ.client(service), operation)(**arguments)
    assert refusal.value.response["Error"]["Code"].startswith("AccessDenied")
