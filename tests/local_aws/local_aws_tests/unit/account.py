"""One account with a table, a file system and roles, driven with boto3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.awsrequest
import botocore.config

from local_aws.backup import BackupService, Clock, Response, Scope
from local_aws_tests.unit.memory_world import BACKUP_ACTIONS, RESTORE_ACTIONS, MemoryWorld

ACCOUNT = "123456789012"
PRIMARY = Scope(ACCOUNT, "us-west-1")
DR = Scope(ACCOUNT, "us-west-2")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

BACKUP_ROLE = f"arn:aws:iam::{ACCOUNT}:role/backup-role"
RESTORE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/restore-role"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
TABLE = "addresses"
TABLE_ARN = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/{TABLE}"
FILE_SYSTEM = "fs-0123456789abcdef0"
FILE_SYSTEM_ARN = f"arn:aws:elasticfilesystem:us-west-1:{ACCOUNT}:file-system/{FILE_SYSTEM}"
VAULT, DR_VAULT = "vault", "vault-dr"
VAULT_ARN = f"arn:aws:backup:us-west-1:{ACCOUNT}:backup-vault:{VAULT}"
DR_VAULT_ARN = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{DR_VAULT}"
YEAR = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365}


class _RawBody:
    """What botocore reads a response from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


class Account:
    """One account in two regions. Its clock stands still until `advance`."""

    def __init__(self, directory: Path) -> None:
        self.world = MemoryWorld(directory / "efs")
        self.clock = Clock(START, rate=0.0)
        self.service = BackupService(self.world, self.clock, directory / "store")
        self.world.roles.add(BACKUP_ROLE, BACKUP_ACTIONS)
        self.world.roles.add(RESTORE_ROLE, RESTORE_ACTIONS)
        self.world.tables.put(PRIMARY, TABLE, [_address(number) for number in range(5)])
        self.mail = self.world.file_systems.add(PRIMARY, FILE_SYSTEM)
        self.responses: list[Response] = []
        self.primary = self.client(PRIMARY)
        self.dr = self.client(DR)

    def client(self, scope: Scope, principal: str = OPERATOR) -> Any:
        """A boto3 client whose requests this service answers, without a socket."""
        client = boto3.client(
            "backup",
            region_name=scope.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
        return self.answering(client, scope, principal)

    def answering(self, client: Any, scope: Scope, principal: str = OPERATOR) -> Any:
        """The client, with its requests answered by this service."""
        api = client.meta.service_model.service_name

        def answer(request: Any, **_: Any) -> Any:
            parts = urlsplit(request.url)
            response = self.service.handle(
                method=request.method,
                path=parts.path,
                query=parse_qs(parts.query, keep_blank_values=True),
                body=request.body or b"",
                headers=dict(request.headers),
                scope=scope,
                principal=principal,
                api=api,
            )
            self.responses.append(response)
            headers: Any = response.headers
            return botocore.awsrequest.AWSResponse(
                request.url, response.status, headers, _RawBody(response.body)
            )

        client.meta.events.register(f"before-send.{api}", answer)
        return client

    def advance(self, **duration: float) -> None:
        self.service.advance(timedelta(**duration))

    def opt_in(self) -> None:
        """Advanced DynamoDB features in both regions."""
        for client in (self.primary, self.dr):
            client.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": True})

    def make_vaults(self, *, lock: bool = False) -> None:
        self.primary.create_backup_vault(BackupVaultName=VAULT)
        self.dr.create_backup_vault(BackupVaultName=DR_VAULT)
        if lock:
            for client, name in ((self.primary, VAULT), (self.dr, DR_VAULT)):
                client.put_backup_vault_lock_configuration(
                    BackupVaultName=name, MinRetentionDays=30, MaxRetentionDays=365
                )

    def make_plan(self, **rule: Any) -> str:
        """Create a nightly plan with both resources; returns its id."""
        nightly = {
            "RuleName": "nightly",
            "TargetBackupVaultName": VAULT,
            "ScheduleExpression": "cron(0 0 * * ? *)",
            "Lifecycle": YEAR,
            "CopyActions": [{"DestinationBackupVaultArn": DR_VAULT_ARN, "Lifecycle": YEAR}],
        }
        plan_id: str = self.primary.create_backup_plan(
            BackupPlan={"BackupPlanName": "nightly-plan", "Rules": [nightly | rule]}
        )["BackupPlanId"]
        self.primary.create_backup_selection(
            BackupPlanId=plan_id,
            BackupSelection={
                "SelectionName": "vault",
                "IamRoleArn": BACKUP_ROLE,
                "Resources": [TABLE_ARN, FILE_SYSTEM_ARN],
            },
        )
        return plan_id

    def start_backup(self, resource_arn: str = TABLE_ARN, **more: Any) -> str:
        """Start an on-demand backup, kept for a year by default; returns its job id."""
        request = {
            "BackupVaultName": VAULT,
            "ResourceArn": resource_arn,
            "IamRoleArn": BACKUP_ROLE,
            "Lifecycle": YEAR,
        } | more
        request = {name: value for name, value in request.items() if value is not None}
        job_id: str = self.primary.start_backup_job(**request)["BackupJobId"]
        return job_id

    def back_up(self, resource_arn: str = TABLE_ARN, **more: Any) -> str:
        """Run an on-demand backup to its end; returns the recovery point's ARN."""
        job_id = self.start_backup(resource_arn, **more)
        self.advance(minutes=15)
        job = self.primary.describe_backup_job(BackupJobId=job_id)
        assert job["State"] == "COMPLETED", job
        arn: str = job["RecoveryPointArn"]
        return arn

    def start_copy(self, point_arn: str, **more: Any) -> str:
        request = {
            "RecoveryPointArn": point_arn,
            "SourceBackupVaultName": VAULT,
            "DestinationBackupVaultArn": DR_VAULT_ARN,
            "IamRoleArn": BACKUP_ROLE,
        } | more
        job_id: str = self.primary.start_copy_job(**request)["CopyJobId"]
        return job_id

    def copy(self, point_arn: str, **more: Any) -> dict[str, Any]:
        """Run a copy job to its end; returns DescribeCopyJob's answer."""
        job_id = self.start_copy(point_arn, **more)
        self.advance(minutes=30)
        job: dict[str, Any] = self.primary.describe_copy_job(CopyJobId=job_id)["CopyJob"]
        return job

    def restore(self, point_arn: str, metadata: dict[str, str], **more: Any) -> dict[str, Any]:
        """Run a restore job to its end; returns DescribeRestoreJob's answer."""
        request = {
            "RecoveryPointArn": point_arn,
            "Metadata": metadata,
            "IamRoleArn": RESTORE_ROLE,
        } | more
        job_id = self.primary.start_restore_job(**request)["RestoreJobId"]
        self.advance(minutes=15)
        job: dict[str, Any] = self.primary.describe_restore_job(RestoreJobId=job_id)
        return job

    def points(self, client: Any = None, vault: str = VAULT) -> list[dict[str, Any]]:
        """All recovery points of a vault."""
        pages = (client or self.primary).get_paginator("list_recovery_points_by_backup_vault")
        return [
            point
            for page in pages.paginate(BackupVaultName=vault)
            for point in page["RecoveryPoints"]
        ]

    def events(self, detail_type: str) -> list[Any]:
        reports = self.world.reports
        return [event for event in reports.events if event.detail_type == detail_type]


def _address(number: int) -> dict[str, dict[str, Any]]:
    return {"address": {"S": f"user{number}@example.com"}, "user": {"S": f"user{number}"}}
