"""What the tests of the promises ask AWS Backup, in the words of its API."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from local_aws.client import PRIMARY_REGION

from tests.sandbox.deployment import DR_REGION, Deployment

VAULTS = ((PRIMARY_REGION, "cabal-backup"), (DR_REGION, "cabal-backup-dr"))


def backup(deployed: Deployment, region: str = PRIMARY_REGION) -> Any:
    return deployed.sandbox.client("backup", region)


def points(deployed: Deployment, region: str, vault: str, **filters: Any) -> list[dict[str, Any]]:
    """Every recovery point of a vault, to the last page."""
    pages = (
        backup(deployed, region)
        .get_paginator("list_recovery_points_by_backup_vault")
        .paginate(BackupVaultName=vault, **filters)
    )
    return [point for page in pages for point in page["RecoveryPoints"]]


def error_code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
