"""The Amazon Resource Names that AWS Backup reads and creates."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from local_aws.backup.errors import invalid_parameter
from local_aws.backup.world import Scope

_ARN = re.compile(r"arn:(aws[a-z-]*):([a-z0-9-]+):([a-z0-9-]*):(\d{12}|aws|):(.+)")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+")


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @property
    def scope(self) -> Scope:
        return Scope(account=self.account, region=self.region)


def parse(text: str, what: str = "ARN") -> Arn:
    """Raises InvalidParameterValueException if `text` is not an ARN."""
    match = _ARN.fullmatch(text)
    if match is None:
        raise invalid_parameter(f"Invalid {what}: {text}")
    return Arn(*match.groups())


def vault(scope: Scope, name: str) -> str:
    return f"arn:{scope.partition}:backup:{scope.region}:{scope.account}:backup-vault:{name}"


def plan(scope: Scope, plan_id: str) -> str:
    return f"arn:{scope.partition}:backup:{scope.region}:{scope.account}:backup-plan:{plan_id}"


def restore_testing_plan(scope: Scope, name: str, suffix: str) -> str:
    resource = f"restore-testing-plan:{name}-{suffix}"
    return f"arn:{scope.partition}:backup:{scope.region}:{scope.account}:{resource}"


def legal_hold(scope: Scope, hold_id: str) -> str:
    return f"arn:{scope.partition}:backup:{scope.region}:{scope.account}:legal-hold:{hold_id}"


def recovery_point(scope: Scope, point_id: str) -> str:
    return f"arn:{scope.partition}:backup:{scope.region}:{scope.account}:recovery-point:{point_id}"


def table_backup(table_arn: str, backup_id: str) -> str:
    """A recovery point of a table without advanced features: a DynamoDB backup."""
    return f"{table_arn}/backup/{backup_id}"


def table(scope: Scope, name: str) -> str:
    return f"arn:{scope.partition}:dynamodb:{scope.region}:{scope.account}:table/{name}"


def file_system(scope: Scope, file_system_id: str) -> str:
    resource = f"file-system/{file_system_id}"
    return f"arn:{scope.partition}:elasticfilesystem:{scope.region}:{scope.account}:{resource}"


def vault_name(text: str) -> tuple[Scope, str]:
    """Scope and name in a backup vault's ARN; InvalidParameterValueException otherwise."""
    arn = parse(text, "backup vault ARN")
    kind, _, name = arn.resource.partition(":")
    if arn.service != "backup" or kind != "backup-vault" or not name or not arn.region:
        raise invalid_parameter(f"Invalid backup vault ARN: {text}")
    return arn.scope, name


def managed_key(scope: Scope, service: str) -> str:
    """The key of `alias/aws/SERVICE`: one per account and region."""
    key_id = uuid.uuid5(uuid.NAMESPACE_URL, f"aws/{service}/{scope.account}/{scope.region}")
    return f"arn:{scope.partition}:kms:{scope.region}:{scope.account}:key/{key_id}"


def check_role(scope: Scope, text: str) -> str:
    """A role's ARN in the caller's account; InvalidParameterValueException otherwise."""
    match = _ROLE.fullmatch(text)
    if match is None:
        raise invalid_parameter(f"Invalid IAM role ARN: {text}")
    if match.group(1) != scope.account:
        raise invalid_parameter(f"IAM role {text} is not in account {scope.account}")
    return text
