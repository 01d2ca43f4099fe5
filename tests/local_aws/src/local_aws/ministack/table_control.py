"""DynamoDB's control plane: a change of a table is seen late.

DescribeTable does not find a restored table at first; one of CreateTable it finds at once.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.ministack import internals
from local_aws.ministack.point_in_time import VISIBLE_FROM, Answer, find_table, refusal


class TableControl:
    """Wraps MiniStack's operations that describe and change tables."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def install(self) -> None:
        """Install the wrappers, once per process."""
        dynamodb = internals.dynamodb
        self._describe = dynamodb._describe_table
        dynamodb._describe_table = self.describe_table

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
