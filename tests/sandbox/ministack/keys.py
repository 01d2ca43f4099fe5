"""The AWS-managed key of DynamoDB, as KMS describes it.

MiniStack names an alias as the key of a table, and its KMS knows only keys of customers.
AWS names the key itself, and KMS says who manages it.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from tests.sandbox.ministack import internals
from tests.sandbox.ministack.scope import current

_ALIAS = "alias/aws/dynamodb"


def install() -> None:
    """Put the key where tables and KMS look for it; once per process."""
    describe_encryption = internals.dynamodb._sse_description_from_spec
    describe_key = internals.kms._describe_key

    def with_key(specification: Mapping[str, Any] | None) -> dict[str, Any] | None:
        # `Enabled: false` is the key that DynamoDB owns, of which DescribeTable says nothing.
        if not specification or not specification.get("Enabled"):
            return None
        named = specification.get("KMSMasterKeyId") or aws_managed()
        described: dict[str, Any] = describe_encryption({**specification, "KMSMasterKeyId": named})
        return described

    def describe(request: Mapping[str, Any]) -> Any:
        key = request.get("KeyId", "")
        if key not in (aws_managed(), _ALIAS) and not key.endswith(f":{_ALIAS}"):
            return describe_key(request)
        metadata = {
            "KeyId": aws_managed().rpartition("/")[2],
            "Arn": aws_managed(),
            "KeyManager": "AWS",
            "KeyState": "Enabled",
            "Enabled": True,
        }
        kind = {"Content-Type": "application/x-amz-json-1.1"}
        return 200, kind, json.dumps({"KeyMetadata": metadata}).encode()

    internals.dynamodb._sse_description_from_spec = with_key
    internals.kms._describe_key = describe


def aws_managed() -> str:
    """The key behind alias/aws/dynamodb: one per account and region."""
    scope = current()
    key_id = uuid.uuid5(uuid.NAMESPACE_URL, f"aws/dynamodb/{scope.account}/{scope.region}")
    return f"arn:{scope.partition}:kms:{scope.region}:{scope.account}:key/{key_id}"


def is_usable(arn: str) -> bool:
    """Whether there is such a customer key, and it is enabled."""
    key = internals.kms._resolve_key(arn)
    return key is not None and bool(key["Enabled"])
