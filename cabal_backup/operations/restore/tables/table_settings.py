"""What DynamoDB leaves out when it restores a table, and bringing it back.

A restored table has no point-in-time recovery, no deletion protection, no TTL and no
tags. The first two every table of Cabal has. The others are asked of what is left of
the table: the recovery point carries the tags the table had, and of a table that was
deleted with point-in-time recovery on, DynamoDB keeps a system backup for 35 days that
knows its TTL and its key. The restore itself names the key; here it is checked again.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_HowItWorks.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws, in_words, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.operations.aws.results import Answer, Known, Unknown, ask, pages
from cabal_backup.operations.restore.tables.describe import (
    TableBackup,
    describe_table,
    is_recoverable,
)
from cabal_backup.operations.restore.tables.encryption import (
    Encryption,
    TableKey,
    is_under,
    of_deleted,
)
from cabal_backup.operations.restore.tables.table_changes import (
    is_busy,
    read_tags,
    retry_while_busy,
    tag,
)


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """What is to be brought back, beside recovery and protection, which always are."""

    ttl: Answer[str | None]
    """The attribute that TTL goes by; None for a table that had no TTL."""
    tags: Answer[Mapping[str, str]]
    encryption: Encryption

    def lines(self) -> tuple[str, ...]:
        """What will be brought back, and what cannot be known."""
        if isinstance(self.ttl, Unknown):
            ttl = f"TTL: not known, so off ({self.ttl.reason})"
        elif self.ttl.value is None:
            ttl = "TTL: off, as it was"
        else:
            ttl = f"TTL: on, by the attribute {self.ttl.value}"
        if isinstance(self.tags, Unknown):
            tags = f"tags: not known, so none ({self.tags.reason}); Cabal's Terraform has them"
        else:
            tags = f"tags: {', '.join(sorted(self.tags.value)) or 'none, as it was'}"
        encryption = f"encryption: {self.encryption}"
        return ("point-in-time recovery: on", "deletion protection: on", encryption, ttl, tags)


def about(settings: TableSettings | None) -> tuple[str, ...]:
    """What DynamoDB does not bring back, for the plan of a restore; None where nothing is set."""
    if settings is None:
        not_restored = "point-in-time recovery, deletion protection, TTL, tags, streams, alarms"
        return (f"  DynamoDB does not bring back {not_restored}",)
    return (
        "  DynamoDB does not bring these back; afterwards they are set:",
        *(f"    {line}" for line in settings.lines()),
    )


def read_settings(
    aws: Aws, *, backup: Answer[TableBackup | None], recovery_point_arn: str | None
) -> TableSettings:
    """What can be known of a table that was deleted.

    :param backup: DynamoDB's own backup of it; None where it keeps none.
    :param recovery_point_arn: what it is restored from; None for a backup of DynamoDB's.
    """
    if isinstance(backup, Unknown):
        ttl: Answer[str | None] = backup
    elif backup.value is None:
        ttl = Unknown("DynamoDB keeps no backup of the table from that time")
    else:
        ttl = Known(backup.value.ttl)
    return TableSettings(
        ttl=ttl,
        tags=Unknown("DynamoDB's own backups have none")
        if recovery_point_arn is None
        else ask(lambda: _tags(aws, recovery_point_arn)),
        encryption=of_deleted(aws, backup),
    )


def is_complete(aws: Aws, table: str, recovery_point_arn: str | None = None) -> bool:
    """Whether a table that exists has recovery and protection, and tags.

    :param recovery_point_arn: what it was restored from; without it, the tags do not count.
    """
    description = describe_table(aws, table)
    if description is None or not description.deletion_protected:
        return False
    with worded(f"looking at the point-in-time recovery of {table}"):
        answer = aws.client("dynamodb").describe_continuous_backups(TableName=table)
    if recovery_point_arn is None or not is_recoverable(answer):
        return is_recoverable(answer)
    wanted = ask(lambda: _tags(aws, recovery_point_arn)).value_or({})
    shown = ask(lambda: read_tags(aws, aws.arn("dynamodb", f"table/{table}")))
    # Later tags may be others.
    return not wanted or isinstance(shown, Unknown) or bool(shown.value)


def bring_back(aws: Aws, table: str, settings: TableSettings, clock: Clock, report: Report) -> None:
    """Set what is not set yet; doing it again does no harm.

    Recovery comes late: DynamoDB may refuse it for longest, and `is_complete` goes by it. The tags
    come after it, because the operator's policy protects a table that has them.

    Raises CabalBackupError when AWS refuses, or keeps being busy for half an hour.
    """
    steps: list[tuple[str, Callable[[], None]]] = [
        ("deletion protection", lambda: _protect(aws, table)),
        ("encryption", lambda: _encrypt(aws, table, settings.encryption.key)),
    ]
    if isinstance(settings.ttl, Known) and settings.ttl.value is not None:
        attribute = settings.ttl.value
        steps.append(("TTL", lambda: _expire(aws, table, attribute)))
    steps.append(("point-in-time recovery", lambda: _recover(aws, table)))
    if isinstance(settings.tags, Known) and settings.tags.value:
        tags = settings.tags.value
        steps.append(("tags", lambda: tag(aws, aws.arn("dynamodb", f"table/{table}"), tags, clock)))
    for what, step in steps:
        doing = f"bringing back the {what} of {table}"
        try:
            retry_while_busy(step, clock)
        except AwsError as error:
            raise AwsError(f"{error} Run the same command again.") from error
        except (BotoCoreError, ClientError) as error:
            said = in_words(error, doing)
            if is_busy(error):
                raise AwsError(f"{said} Run the same command again.") from error
            raise said from error
        report(f"{table}: {what} set.")


def _tags(aws: Aws, recovery_point_arn: str) -> Mapping[str, str]:
    """The tags a recovery point took over from its table."""
    backup = aws.client("backup")
    return {
        key: value
        for page in pages(backup.list_tags, ResourceArn=recovery_point_arn)
        for key, value in page.get("Tags", {}).items()
        # Tags that begin with aws: are AWS's own and cannot be set.
        if not key.startswith("aws:")
    }


def _protect(aws: Aws, table: str) -> None:
    described = aws.client("dynamodb").describe_table(TableName=table)["Table"]
    if not described.get("DeletionProtectionEnabled"):
        aws.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=True)


def _recover(aws: Aws, table: str) -> None:
    dynamodb = aws.client("dynamodb")
    # Switching it on again would restart its window.
    if not is_recoverable(dynamodb.describe_continuous_backups(TableName=table)):
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def _encrypt(aws: Aws, table: str, key: TableKey) -> None:
    described = aws.client("dynamodb").describe_table(TableName=table)["Table"]
    if not is_under(described, key):
        aws.client("dynamodb").update_table(TableName=table, SSESpecification=key.specification)


def _expire(aws: Aws, table: str, attribute: str) -> None:
    dynamodb = aws.client("dynamodb")
    now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if now.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        dynamodb.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute},
        )
