"""The verification commands of Cabal's operating document, to the letter, with what to expect.

Its placeholders stand in angle brackets, as there: `<primary-region>`, `<dr-region>`.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.client import PRIMARY_REGION, Sandbox

from tests.sandbox.deployment import DR_REGION, aws_cli


@dataclass(frozen=True)
class SeedCommand:
    """One command, what the document says about its answer, and whether that holds."""

    promise: str
    command: str
    expectation: str
    holds: Callable[[Any], bool]


def _both_resources_completed(answer: Any) -> bool:
    rows = [(kind, status) for _, kind, status in answer]
    return ("DynamoDB", "COMPLETED") in rows and ("EFS", "COMPLETED") in rows


VERIFICATION = (
    SeedCommand(
        "S15",
        "aws backup describe-region-settings --region <primary-region>",
        "DynamoDB opted in, and fully managed by AWS Backup",
        lambda answer: (
            answer["ResourceTypeOptInPreference"]["DynamoDB"] is True
            and answer["ResourceTypeManagementPreference"]["DynamoDB"] is True
        ),
    ),
    SeedCommand(
        "S10",
        "aws backup describe-backup-vault --backup-vault-name cabal-backup",
        '"MinRetentionDays": 30, "Locked": true',
        lambda answer: answer["Locked"] is True and answer["MinRetentionDays"] == 30,
    ),
    SeedCommand(
        "S11",
        "aws backup list-recovery-points-by-backup-vault "
        "--backup-vault-name cabal-backup "
        "--query 'RecoveryPoints[0:4].[CreationDate,ResourceType,Status]'",
        "Last night's recovery points exist in the primary vault",
        _both_resources_completed,
    ),
    SeedCommand(
        "S12",
        "aws backup list-recovery-points-by-backup-vault "
        "--backup-vault-name cabal-backup-dr --region <dr-region> "
        "--query 'RecoveryPoints[0:4].[CreationDate,ResourceType,Status]'",
        "... and were copied to the DR region",
        _both_resources_completed,
    ),
    SeedCommand(
        "S13",
        "aws backup list-copy-jobs --by-state COMPLETED --max-results 5",
        "Copy jobs are succeeding",
        lambda answer: (
            {job["ResourceType"] for job in answer["CopyJobs"]} == {"DynamoDB", "EFS"}
            and all(job["State"] == "COMPLETED" for job in answer["CopyJobs"])
        ),
    ),
    SeedCommand(
        "S14",
        "aws dynamodb describe-continuous-backups --table-name cabal-counter",
        '"PointInTimeRecoveryStatus": "ENABLED"',
        lambda answer: (
            answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
                "PointInTimeRecoveryStatus"
            ]
            == "ENABLED"
        ),
    ),
)

PLACES = {"<primary-region>": PRIMARY_REGION, "<dr-region>": DR_REGION}


def run_aws(sandbox: Sandbox, command: str, places: Mapping[str, str] = PLACES) -> Any:
    """The answer of one `aws …` command, run by the real aws CLI; None when it says nothing.

    Raises subprocess.CalledProcessError, with what was said in `stderr`.
    """
    for placeholder, value in places.items():
        command = command.replace(placeholder, value)
    # As version 2 of the CLI shows moments, whatever the version.
    config = sandbox.data / "aws-cli-config"
    config.write_text("[default]\ncli_timestamp_format = iso8601\n")
    arguments = shlex.split(command)
    if arguments[0] != "aws":
        raise ValueError(f"not an aws command: {command}")
    ended = subprocess.run(
        [aws_cli(), *arguments[1:]],
        env={
            **sandbox.environ(),
            "AWS_CONFIG_FILE": str(config),
            "AWS_DEFAULT_OUTPUT": "json",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout) if ended.stdout.strip() else None


OPT_IN = (
    "aws backup update-region-settings "
    "--resource-type-management-preference DynamoDB=true "
    "--region <primary-region>"
)
"""S08, as a manual step."""

NEWEST_TABLE_POINT = (
    "aws backup list-recovery-points-by-backup-vault --backup-vault-name cabal-backup "
    "--by-resource-type DynamoDB --query 'RecoveryPoints[0].RecoveryPointArn'"
)
"""S16: find the recovery point; S20 does the same with EFS."""

COPY_BACK = (
    "aws backup start-copy-job --region <dr-region> "
    "--recovery-point-arn <arn-in-dr-vault> "
    "--source-backup-vault-name cabal-backup-dr "
    "--destination-backup-vault-arn "
    "arn:aws:backup:<primary-region>:<account>:backup-vault:cabal-backup "
    "--iam-role-arn arn:aws:iam::<account>:role/cabal-backup-role"
)
"""S23."""

REMOVE_LOCKS = (
    "aws backup delete-backup-vault-lock-configuration --backup-vault-name cabal-backup",
    "aws backup delete-backup-vault-lock-configuration --backup-vault-name cabal-backup-dr "
    "--region <dr-region>",
)
"""S25, one for each vault."""
