"""The way back from a cutover: a moment that point-in-time recovery can return to.

It is remembered as a tag of the restored table until the cutover is finished. A cutover
that was killed and is run again then keeps the moment before its first write.
"""

from __future__ import annotations

from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.operations.aws import Aws, reason
from cabal_backup.operations.tables.describe import TableDescription, Window

UNFINISHED = "cabal-backup:unfinished-cutover"
FINISHED = "cabal-backup:finished-cutover"


def unfinished(
    aws: Aws, restored: TableDescription, live: TableDescription, window: Window | None
) -> datetime | None:
    """The moment before an earlier run's first write, where that run did not finish.

    None too where it cannot be recovered to any more, or AWS does not let us look.
    """
    if window is None:
        return None
    try:
        listed = aws.client("dynamodb").list_tags_of_resource(ResourceArn=restored.arn)
    except (BotoCoreError, ClientError):
        return None
    value = next((tag["Value"] for tag in listed.get("Tags", []) if tag["Key"] == UNFINISHED), "")
    table, _, moment = value.partition(" ")
    if table != live.name:
        return None
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return at if at >= max(window.earliest, live.created) else None


def begin(aws: Aws, restored: TableDescription, live: TableDescription, at: datetime) -> str | None:
    """Remember the moment; why it could not be remembered, or None."""
    try:
        aws.client("dynamodb").tag_resource(
            ResourceArn=restored.arn,
            Tags=[{"Key": UNFINISHED, "Value": f"{live.name} {at.isoformat()}"}],
        )
    except (BotoCoreError, ClientError) as error:
        return reason(error)
    return None


def finish(
    aws: Aws, restored: TableDescription, live: TableDescription, at: datetime
) -> str | None:
    """The cutover is done, a later one has its own moment; why that could not be noted, or None."""
    dynamodb = aws.client("dynamodb")
    try:
        dynamodb.tag_resource(
            ResourceArn=restored.arn,
            Tags=[{"Key": FINISHED, "Value": f"{live.name} {at.isoformat()}"}],
        )
        dynamodb.untag_resource(ResourceArn=restored.arn, TagKeys=[UNFINISHED])
    except (BotoCoreError, ClientError) as error:
        return reason(error)
    return None


def how_to_go_back(environment: str, live: str, at: datetime) -> tuple[str, ...]:
    """What to type to have the live table as it was before the cutover."""
    moment = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    before = f"{live}-before-{at:%Y%m%d-%H%M%S}"
    return (
        f"cabal-backup restore table {live} -e {environment} --at {moment} --to {before}",
        f"cabal-backup cutover {before} {live} -e {environment} --mirror",
    )
