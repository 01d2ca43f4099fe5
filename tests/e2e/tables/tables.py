"""Cabal's tables in the sandbox, seen and changed as AWS's own API lets one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from local_aws.client import Sandbox

from cabal_backup.operations.aws.client import connect
from cabal_backup.operations.restore.tables import origin
from cabal_backup.operations.restore.tables.describe import find_table
from tests.builders import an_environment
from tests.e2e.operator import SandboxClock
from tests.sandbox.cabal import let_tables_settle

ADDRESSES = "cabal-addresses"
Item = dict[str, Any]


def items(sandbox: Sandbox, table: str) -> list[Item]:
    """Every item of a table, in an order that does not depend on the table."""
    pages = sandbox.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    found = [item for page in pages for item in page["Items"]]
    return sorted(found, key=_text)


def put(sandbox: Sandbox, table: str, written: Iterable[Item]) -> None:
    waiting = list(written)
    for start in range(0, len(waiting), 25):
        requests = [{"PutRequest": {"Item": item}} for item in waiting[start : start + 25]]
        sandbox.client("dynamodb").batch_write_item(RequestItems={table: requests})


def delete(sandbox: Sandbox, table: str, keys: Iterable[Item]) -> None:
    waiting = list(keys)
    for start in range(0, len(waiting), 25):
        requests = [{"DeleteRequest": {"Key": key}} for key in waiting[start : start + 25]]
        sandbox.client("dynamodb").batch_write_item(RequestItems={table: requests})


def make(
    sandbox: Sandbox,
    table: str,
    keys: Mapping[str, str],
    written: Iterable[Item] = (),
    *,
    recovery: bool = False,
) -> None:
    """A table with these key attributes (name to type, the partition key first)."""
    dynamodb = sandbox.client("dynamodb")
    roles = ("HASH", "RANGE")
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": name, "KeyType": role}
            for name, role in zip(keys, roles, strict=False)
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()
        ],
    )
    let_tables_settle(sandbox)
    if recovery:
        switch_recovery(sandbox, table, on=True)
    put(sandbox, table, written)


def make_restored(
    sandbox: Sandbox,
    table: str,
    keys: Mapping[str, str],
    written: Iterable[Item] = (),
    *,
    source: str = ADDRESSES,
) -> None:
    """A table that the tool takes for one that it has restored from `source`."""
    make(sandbox, table, keys, written)
    aws = connect(an_environment("development"))
    origin.record(aws, find_table(aws, table), source, SandboxClock(sandbox), lambda _: None)


def key_of(sandbox: Sandbox, table: str) -> str | None:
    """The KMS key of a table; None for the one that DynamoDB owns."""
    described = sandbox.client("dynamodb").describe_table(TableName=table)["Table"]
    key: str | None = described.get("SSEDescription", {}).get("KMSMasterKeyArn")
    return key


def switch_recovery(sandbox: Sandbox, table: str, *, on: bool) -> None:
    sandbox.client("dynamodb").update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
    )


def tables(sandbox: Sandbox) -> list[str]:
    return sorted(sandbox.client("dynamodb").list_tables()["TableNames"])


def _text(item: Item) -> str:
    return json.dumps(item, sort_keys=True, default=repr)
