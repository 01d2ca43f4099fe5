"""Changes of a table, which DynamoDB makes one at a time, and shows late.

TagResource and UntagResource are asynchronous: ListTagsOfResource shows a change some seconds
later, and until then another one may be refused.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html
https://github.com/hashicorp/terraform-provider-aws/issues/39361
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws, reason
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.results import entries
from cabal_backup.text import duration

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TagTypeDef

_BUSY = {
    "ContinuousBackupsUnavailableException",
    "LimitExceededException",
    "ResourceInUseException",
    "TableInUseException",
}
"""The table is not ready for this yet."""

BUSY_TIMEOUT = timedelta(minutes=30)
"""How long a table may be busy: recovery of a new table may be refused for more than ten minutes.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContinuousBackups.html
https://github.com/hashicorp/terraform-provider-aws/issues/4063
"""

_TAGS_SHOWN = timedelta(minutes=2)
"""How long tags may not be shown; more than ten seconds were observed."""

_BETWEEN_LOOKS = 1.0


def retry_while_busy(change: Callable[[], object], clock: Clock) -> None:
    """Make a change as soon as the table is ready for it.

    Raises botocore's errors; that of a busy table after BUSY_TIMEOUT.
    """
    began = clock.now()
    while True:
        try:
            change()
        except ClientError as error:
            if not is_busy(error) or clock.now() - began > BUSY_TIMEOUT:
                raise
        else:
            return
        clock.sleep(_BETWEEN_LOOKS)


def is_busy(error: Exception) -> bool:
    """Whether an error is that of a table that is not ready for a change."""
    return isinstance(error, ClientError) and error.response["Error"].get("Code") in _BUSY


def read_tags(aws: Aws, arn: str) -> dict[str, str]:
    """The tags of a table as DynamoDB shows them; raises botocore's errors."""
    dynamodb = aws.client("dynamodb", arn.split(":")[3])
    tags = entries(dynamodb.list_tags_of_resource, "Tags", ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for tag in tags}


def tag(aws: Aws, arn: str, tags: Mapping[str, str], clock: Clock) -> None:
    """Tag a table, and wait until DynamoDB shows it.

    Raises botocore's errors, and AwsError where it is not shown.
    """
    dynamodb = aws.client("dynamodb", arn.split(":")[3])
    listed: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in tags.items()]
    retry_while_busy(lambda: dynamodb.tag_resource(ResourceArn=arn, Tags=listed), clock)
    _wait_until(lambda: read_tags(aws, arn).items() >= tags.items(), arn, clock)


def untag(aws: Aws, arn: str, keys: Iterable[str], clock: Clock) -> None:
    """Remove tags of a table; as `tag`."""
    dynamodb, removed = aws.client("dynamodb", arn.split(":")[3]), tuple(keys)
    retry_while_busy(lambda: dynamodb.untag_resource(ResourceArn=arn, TagKeys=removed), clock)
    _wait_until(lambda: read_tags(aws, arn).keys().isdisjoint(removed), arn, clock)


def problem_of(change: Callable[[], None]) -> str | None:
    """Make a change of tags that others can do without; why it was not possible, or None."""
    try:
        change()
    except (BotoCoreError, ClientError) as error:
        return reason(error)
    except AwsError as error:
        return str(error)
    return None


def _wait_until(is_shown: Callable[[], bool], arn: str, clock: Clock) -> None:
    began = clock.now()
    while not is_shown():
        if clock.now() - began > _TAGS_SHOWN:
            raise AwsError(
                f"DynamoDB has not shown the changed tags of {arn.rpartition('/')[2]} for "
                f"{duration(_TAGS_SHOWN)}."
            )
        clock.sleep(_BETWEEN_LOOKS)
