"""KMS keys as the other services use them.

The keys that AWS manages (`aws/backup` and others) exist, can be described and cannot be
deleted. Tables and file systems show the ARN of their key. A table whose key cannot be used
is inaccessible. A key that is scheduled for deletion is deleted at its time.

https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from local_aws.backup.arns import managed_key
from local_aws.ministack import internals
from local_aws.ministack.scope import current

MANAGED = ("backup", "dynamodb", "elasticfilesystem")
"""The services whose managed keys are used here."""

ARCHIVED_AFTER = timedelta(days=7).total_seconds()
"""How long a table's key may be inaccessible before DynamoDB archives the table."""

_MANAGER = "_sandbox_manager"
_SINCE = "_sandbox_inaccessible_since"


def install(clock: Callable[[], float]) -> None:
    """:param clock: the time in epoch seconds."""
    kms = internals.kms
    resolve, metadata = kms._resolve_key, kms._key_metadata

    def resolve_any(reference: str) -> dict[str, Any] | None:
        key: dict[str, Any] | None = resolve(reference)
        if key is not None and key.get("DeletionDate", clock() + 1) <= clock():
            del kms._keys[key["KeyId"]]
            return None
        return key or _managed(reference)

    def describe(key: Mapping[str, Any]) -> dict[str, Any]:
        return {**metadata(key), "KeyManager": key.get(_MANAGER, "CUSTOMER")}

    kms._resolve_key, kms._key_metadata = resolve_any, describe
    for name in ("_schedule_key_deletion", "_disable_key"):
        setattr(kms, name, _refusing_managed(getattr(kms, name)))
    _name_keys_of_tables(clock)
    _name_keys_of_file_systems()


def aws_managed(service: str = "dynamodb") -> str:
    """The ARN of the key that AWS manages for a service, in the current account and region."""
    return managed_key(current(), service)


def is_usable(arn: str) -> bool:
    """Whether there is such a customer key and it is enabled."""
    key = internals.kms._resolve_key(arn)
    return key is not None and _MANAGER not in key and bool(key["Enabled"])


def arn_of(reference: str) -> str:
    """The ARN of the key with this id, alias or ARN; the text itself if there is none."""
    key = internals.kms._resolve_key(reference)
    return str(key["Arn"]) if key else reference


def _managed(reference: str) -> dict[str, Any] | None:
    """The key that AWS manages for one of its services, created at its first use."""
    kms = internals.kms
    for service in MANAGED:
        arn = managed_key(current(), service)
        identity = arn.rpartition("/")[2]
        alias = f"alias/aws/{service}"
        if reference in (arn, identity, alias) or reference.endswith(f":{alias}"):
            if identity not in kms._keys:
                before = set(kms._keys)
                kms._create_key({"Description": f"Default key of {service}"})
                (made,) = set(kms._keys) - before
                key = kms._keys.pop(made)
                kms._keys[identity] = {**key, "KeyId": identity, "Arn": arn, _MANAGER: "AWS"}
            found: dict[str, Any] = kms._keys[identity]
            return found
    return None


def _refusing_managed(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def change_customers(request: Mapping[str, Any]) -> Any:
        key = internals.kms._resolve_key(request.get("KeyId", ""))
        if key is not None and _MANAGER in key:
            return internals.responses.error_response_json(
                "AccessDeniedException", f"{key['Arn']} is managed by AWS", 400
            )
        return change(request)

    return change_customers


def _name_keys_of_tables(clock: Callable[[], float]) -> None:
    dynamodb = internals.dynamodb
    encryption, describe = dynamodb._sse_description_from_spec, dynamodb._table_description

    def with_key_arn(specification: Any) -> Any:
        # `Enabled: false` is the key that DynamoDB owns, which DescribeTable does not show.
        if not specification or not specification.get("Enabled"):
            return None
        described = encryption(specification)
        if described and "KMSMasterKeyArn" in described:
            described["KMSMasterKeyArn"] = arn_of(described["KMSMasterKeyArn"])
        return described

    def with_access(name: str) -> dict[str, Any]:
        description: dict[str, Any] = describe(name)
        table = dynamodb._tables[name]
        since = _inaccessible_since(table, clock)
        if since is None:
            return description
        archived = clock() - since > ARCHIVED_AFTER
        return {
            **description,
            "TableStatus": "ARCHIVED" if archived else "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
            "SSEDescription": {
                **description["SSEDescription"],
                "InaccessibleEncryptionDateTime": since,
            },
        }

    dynamodb._sse_description_from_spec = with_key_arn
    dynamodb._table_description = with_access


def _inaccessible_since(table: dict[str, Any], clock: Callable[[], float]) -> float | None:
    """Since when, in epoch seconds; None if the key can be used. Checked at each call."""
    arn = (table.get("SSEDescription") or {}).get("KMSMasterKeyArn")
    key = internals.kms._resolve_key(arn) if arn else None
    if arn is None or (key is not None and key["KeyState"] == "Enabled"):
        table.pop(_SINCE, None)
        return None
    since: float = table.setdefault(_SINCE, clock())
    return since


def _name_keys_of_file_systems() -> None:
    efs = internals.efs
    create = efs._create_file_system

    def create_with_key(body: Mapping[str, Any]) -> Any:
        if not body.get("Encrypted"):
            return create(body)
        return create({**body, "KmsKeyId": arn_of(body.get("KmsKeyId") or _EFS_ALIAS)})

    efs._create_file_system = create_with_key


_EFS_ALIAS = "alias/aws/elasticfilesystem"
