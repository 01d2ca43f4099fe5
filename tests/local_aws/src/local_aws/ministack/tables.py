"""The `Tables` port: DynamoDB tables in MiniStack."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.backup.world import AWS_MANAGED_KEY, Item, Scope, TableImage
from local_aws.ministack import internals, keys
from local_aws.ministack.point_in_time import end
from local_aws.ministack.scope import acting_in
from local_aws.ministack.table_control import TableControl
from local_aws.ministack.table_history import TableHistory

_INDEX_MEMBERS = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")


class MiniStackTables:
    """An image shares the items with the table: DynamoDB items are replaced, not edited."""

    def __init__(self, history: TableHistory, control: TableControl) -> None:
        self._history = history
        self._control = control
        self._images: dict[str, tuple[int, tuple[Item, ...]]] = {}

    def describe(self, scope: Scope, name: str) -> Mapping[str, Any] | None:
        with acting_in(scope):
            self._control.finish_deletions()
            if name not in internals.dynamodb._tables:
                return None
            description: dict[str, Any] = copy.deepcopy(internals.dynamodb._table_description(name))
            return description

    def read(self, scope: Scope, name: str) -> TableImage:
        with acting_in(scope):
            table = internals.dynamodb._tables[name]
            definition = copy.deepcopy(internals.dynamodb._table_description(name))
            return TableImage(definition=definition, items=self._items(table))

    def create(self, scope: Scope, name: str, image: TableImage, key: str | None) -> str:
        with acting_in(scope):
            if name in internals.dynamodb._tables:
                raise ValueError(f"Table already exists: {name}")
            request = _create_request(name, image.definition)
            if key is not None:
                request["SSESpecification"] = _encryption(key)
            status, _, body = internals.dynamodb._create_table(request)
            if status != 200:
                raise ValueError(json.loads(body).get("message", "CreateTable was refused"))
            table = internals.dynamodb._tables[name]
            end(table)
            table["items"] = _in_ministack_form(image.items, table)
            internals.dynamodb._items_replaced(table)
            return str(table["TableArn"])

    def delete(self, scope: Scope, name: str) -> None:
        with acting_in(scope):
            internals.dynamodb._delete_table({"TableName": name})

    def tags(self, scope: Scope) -> dict[str, dict[str, str]]:
        """The tags of every table, by ARN."""
        with acting_in(scope):
            self._control.finish_deletions()
            return {
                str(table["TableArn"]): {
                    tag["Key"]: tag["Value"]
                    for tag in internals.dynamodb._tags.get(table["TableArn"], ())
                }
                for table in internals.dynamodb._tables.values()
            }

    def _items(self, table: dict[str, Any]) -> tuple[Item, ...]:
        """All items at this moment; the same tuple as before if nothing was written."""
        key = str(table["TableId"])
        while True:
            version = self._history.version(table)
            cached = self._images.get(key)
            if cached is not None and cached[0] == version:
                return cached[1]
            items = tuple(
                item for rows in list(table["items"].values()) for item in list(rows.values())
            )
            if self._history.version(table) == version:
                self._images[key] = (version, items)
                return items


def _in_ministack_form(
    items: Sequence[Item], table: Mapping[str, Any]
) -> defaultdict[str, dict[str, Item]]:
    """Items by the values of their partition and sort keys."""
    stored: defaultdict[str, dict[str, Item]] = defaultdict(dict)
    for item in items:
        partition, sort, error = internals.dynamodb._resolve_table_key_values(
            table, item, allow_extra=True
        )
        if error:
            raise ValueError("An item of the image has no key of this table")
        stored[partition][sort] = item
    return stored


def _encryption(key: str) -> dict[str, Any]:
    if key == AWS_MANAGED_KEY:
        return {"Enabled": True, "SSEType": "KMS"}
    if not keys.is_usable(key):
        raise ValueError(f"The KMS key {key} is not a customer key that can be used")
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}


def _create_request(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """CreateTable's input for a table like `definition`, which is DescribeTable's `Table`."""
    billing_mode = definition.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    request: dict[str, Any] = {
        "TableName": name,
        "KeySchema": definition["KeySchema"],
        "AttributeDefinitions": definition["AttributeDefinitions"],
        "BillingMode": billing_mode,
    }
    if billing_mode == "PROVISIONED":
        throughput = definition["ProvisionedThroughput"]
        request["ProvisionedThroughput"] = {
            unit: throughput[unit] for unit in ("ReadCapacityUnits", "WriteCapacityUnits")
        }
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        indexes = [
            {member: index[member] for member in _INDEX_MEMBERS if member in index}
            for index in definition.get(kind, [])
        ]
        if indexes:
            request[kind] = indexes
    return copy.deepcopy(request)
