"""DynamoDB's control plane: a change of a table is seen late.

DescribeTable does not find a restored table at first; one of CreateTable it finds at once. A change
of tags is listed late, and until then no other one is accepted.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html
https://github.com/hashicorp/terraform-provider-aws/issues/39361
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.backup.settings import Settings
from local_aws.ministack import internals
from local_aws.ministack.point_in_time import VISIBLE_FROM, Answer, find_table, refusal, success

_EARLIER_TAGS = "_sandbox_earlier_tags"
"""In a table's record: until when others are listed, and these."""


class TableControl:
    """Wraps MiniStack's operations that describe and change tables."""

    def __init__(self, clock: Callable[[], float], settings: Callable[[], Settings]) -> None:
        self._clock = clock
        self._settings = settings

    def install(self) -> None:
        """Install the wrappers, once per process."""
        dynamodb = internals.dynamodb
        self._describe = dynamodb._describe_table
        dynamodb._describe_table = self.describe_table
        self._list_tags = dynamodb._list_tags
        dynamodb._list_tags = self.list_tags
        dynamodb._tag_resource = self._changing_tags(dynamodb._tag_resource)
        dynamodb._untag_resource = self._changing_tags(dynamodb._untag_resource)

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

    def list_tags(self, request: Mapping[str, Any]) -> Answer:
        """ListTagsOfResource: until a change is complete, the tags from before it."""
        earlier = self._earlier_tags(request)
        answer: Answer = self._list_tags(request)
        return answer if earlier is None else success({"Tags": earlier})

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


def _tagged(request: Mapping[str, Any]) -> dict[str, Any] | None:
    return find_table({"TableName": request.get("ResourceArn")})
