"""DynamoDB's control plane: a change of a table takes time, and is seen late.

A table is CREATING, UPDATING or DELETING for a while, and until then no other change is accepted.
A new table is not found at first, and has no items to read or write until it is ACTIVE. A change of
tags is listed late.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html
https://github.com/hashicorp/terraform-provider-aws/issues/4063
https://github.com/hashicorp/terraform-provider-aws/issues/39361
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.backup.settings import Settings
from local_aws.ministack import internals
from local_aws.ministack.point_in_time import (
    VISIBLE_FROM,
    Answer,
    begin,
    begin_making,
    deletion_is_over,
    find_table,
    refusal,
    state_of,
    success,
)

_EARLIER_TAGS = "_sandbox_earlier_tags"
"""In a table's record: until when others are listed, and these."""

_IN_USE = "ResourceInUseException"

_BUSY = {
    "_update_table": _IN_USE,
    "_update_ttl": _IN_USE,
    "_tag_resource": _IN_USE,
    "_untag_resource": _IN_USE,
    "_update_continuous_backups": "ContinuousBackupsUnavailableException",
}
"""How a change of a table that is not ACTIVE is refused."""

_ITEMS = (
    "_put_item",
    "_get_item",
    "_update_item",
    "_delete_item",
    "_query",
    "_scan",
    "_batch_get_item",
    "_batch_write_item",
    "_transact_get_items",
    "_transact_write_items",
)
"""What reads and writes items."""


class TableControl:
    """Wraps MiniStack's operations that create, describe, change and delete tables."""

    def __init__(self, clock: Callable[[], float], settings: Callable[[], Settings]) -> None:
        self._clock = clock
        self._settings = settings

    def install(self) -> None:
        """Install the wrappers, once per process; those of TableBackups come after them."""
        dynamodb = internals.dynamodb
        self._create, self._update = dynamodb._create_table, dynamodb._update_table
        self._delete, self._describe = dynamodb._delete_table, dynamodb._describe_table
        self._table_description = dynamodb._table_description
        self._list_tags = dynamodb._list_tags
        dynamodb._create_table, dynamodb._update_table = self.create_table, self.update_table
        dynamodb._delete_table, dynamodb._describe_table = self.delete_table, self.describe_table
        dynamodb._table_description = self.describe
        dynamodb._list_tags = self.list_tags
        dynamodb._tag_resource = self._changing_tags(dynamodb._tag_resource)
        dynamodb._untag_resource = self._changing_tags(dynamodb._untag_resource)
        for name, error in _BUSY.items():
            setattr(dynamodb, name, self._when_ready(getattr(dynamodb, name), error))
        for name in _ITEMS:
            setattr(dynamodb, name, self._once_created(getattr(dynamodb, name)))
        handlers = internals.app.SERVICE_HANDLERS
        handle = handlers["dynamodb"]

        async def handle_now(*request: Any) -> Any:
            self.finish_deletions()
            return await handle(*request)

        handlers["dynamodb"] = handle_now

    def finish_deletions(self) -> None:
        """Remove the tables of the current account and region whose deletion is over."""
        for name, table in list(internals.dynamodb._tables.items()):
            if deletion_is_over(table, self._clock()):
                self._delete({"TableName": name})

    def create_table(self, request: Mapping[str, Any]) -> Answer:
        """CreateTable: the table is CREATING."""
        answer: Answer = self._create(request)
        if answer[0] != 200:
            return answer
        table = internals.dynamodb._tables[request["TableName"]]
        settings = self._settings()
        begin_making(table, self._clock(), settings.table_creation, settings)
        return _described(table)

    def update_table(self, request: Mapping[str, Any]) -> Answer:
        """UpdateTable: the table is UPDATING."""
        answer: Answer = self._update(request)
        table = find_table(request)
        if answer[0] != 200 or table is None:
            return answer
        begin(table, "UPDATING", self._clock(), self._settings().table_update)
        return _described(table)

    def delete_table(self, request: Mapping[str, Any]) -> Answer:
        """DeleteTable: the table is DELETING."""
        table = find_table(request)
        if table is None:
            missing: Answer = self._delete(request)
            return missing
        state = state_of(table, self._clock())
        if state in ("CREATING", "UPDATING"):
            return _refused(_IN_USE, table, state)
        if table.get("DeletionProtectionEnabled"):
            protected: Answer = self._delete(request)
            return protected
        if state is None:
            begin(table, "DELETING", self._clock(), self._settings().table_deletion)
        answer = _described(table)
        self.finish_deletions()
        return answer

    def describe_table(self, request: Mapping[str, Any]) -> Answer:
        """DescribeTable."""
        table = find_table(request)
        if table is not None and self._clock() < table.get(VISIBLE_FROM, 0):
            return refusal(
                "ResourceNotFoundException",
                f"Requested resource not found: Table: {request['TableName']} not found",
            )
        answer: Answer = self._describe(request)
        return answer

    def describe(self, name: str) -> dict[str, Any]:
        """MiniStack's description of a table, with its state."""
        description: dict[str, Any] = self._table_description(name)
        state = state_of(internals.dynamodb._tables[name], self._clock())
        return description if state is None else {**description, "TableStatus": state}

    def list_tags(self, request: Mapping[str, Any]) -> Answer:
        """ListTagsOfResource: until a change is complete, the tags from before it."""
        earlier = self._earlier_tags(request)
        answer: Answer = self._list_tags(request)
        return answer if earlier is None else success({"Tags": earlier})

    def _when_ready(self, change: Callable[..., Any], error: str) -> Callable[..., Any]:
        def change_table(request: Mapping[str, Any]) -> Answer:
            table = _tagged(request) if "ResourceArn" in request else find_table(request)
            state = None if table is None else state_of(table, self._clock())
            if table is not None and state is not None:
                return _refused(error, table, state)
            answer: Answer = change(request)
            return answer

        return change_table

    def _once_created(self, use: Callable[..., Any]) -> Callable[..., Any]:
        def use_items(request: Mapping[str, Any]) -> Answer:
            for name in _tables_of(request):
                table = find_table({"TableName": name})
                if table is not None and state_of(table, self._clock()) == "CREATING":
                    return _refused("ResourceNotFoundException", table, "CREATING")
            answer: Answer = use(request)
            return answer

        return use_items

    def _changing_tags(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def change_tags(request: Mapping[str, Any]) -> Answer:
            if self._earlier_tags(request) is not None:
                return refusal(
                    "LimitExceededException",
                    "Subscriber limit exceeded: only one change of a table's tags at a time",
                )
            earlier = list(internals.dynamodb._tags.get(request.get("ResourceArn"), ()))
            answer: Answer = change(request)
            table = _tagged(request)
            if answer[0] == 200 and table is not None:
                until = self._clock() + self._settings().table_tags.total_seconds()
                table[_EARLIER_TAGS] = (until, earlier)
            return answer

        return change_tags

    def _earlier_tags(self, request: Mapping[str, Any]) -> list[Any] | None:
        until, earlier = (_tagged(request) or {}).get(_EARLIER_TAGS, (0, []))
        return list(earlier) if self._clock() < until else None


def _described(table: Mapping[str, Any]) -> Answer:
    return success({"TableDescription": internals.dynamodb._table_description(table["TableName"])})


def _refused(error: str, table: Mapping[str, Any], state: str) -> Answer:
    return refusal(error, f"Table {table['TableName']} is {state}")


def _tables_of(request: Mapping[str, Any]) -> Iterator[Any]:
    """The tables of a request for items, by name or ARN."""
    if "TableName" in request:
        yield request["TableName"]
    yield from request.get("RequestItems") or ()
    for item in request.get("TransactItems") or ():
        yield from (each.get("TableName") for each in item.values())


def _tagged(request: Mapping[str, Any]) -> dict[str, Any] | None:
    return find_table({"TableName": request.get("ResourceArn")})
