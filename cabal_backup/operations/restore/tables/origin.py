"""Where a table comes from: what may be copied into a live table, and deleted afterwards.

A restored table says what it was restored from only where DynamoDB restored it, and AWS
Backup forgets its jobs after 30 days. So the tool records, as tags, what it has restored,
with a digest of the items: a table that others have changed since is no backup any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from cabal_backup import names
from cabal_backup.errors import RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import SERVICES_APART, Clock
from cabal_backup.operations.aws.jobs import Job, Report, restore_value, wait_until_deleted
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.operations.restore.restore_jobs import list_restore_jobs, metadata_of
from cabal_backup.operations.restore.tables.cutover import CutoverPlan
from cabal_backup.operations.restore.tables.describe import (
    MISSING,
    TableDescription,
    describe_table,
    live_tables,
)
from cabal_backup.operations.restore.tables.items import Digest, fingerprint
from cabal_backup.operations.restore.tables.pipeline import Chunk, run
from cabal_backup.operations.restore.tables.table_changes import (
    problem_of,
    read_tags,
    retry_while_busy,
    tag,
)
from cabal_backup.operations.restore.tables.table_items import for_reading, scan
from cabal_backup.operations.restore.tables.transport import CancelToken, Transport

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import RestoreJobsListMemberTypeDef

SOURCE = "cabal-backup:restored-from"
DIGEST = "cabal-backup:restored-digest"

_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a table was restored from."""

    source: str
    """The table it was, by ARN."""
    by_this_tool: bool


class TableRestore(NamedTuple):
    """A restore job of AWS Backup, and the name of the table it makes."""

    job: Job
    target: str


def check(aws: Aws, plan: CutoverPlan, now: datetime) -> tuple[str, ...]:
    """Where a table comes from whose items are to go into the live one, in sentences.

    Raises RefusedError unless it was restored from the live table and is unchanged since, or the
    operator says that it need not be, and where a table is to be deleted that this tool did not
    restore; CabalBackupError when AWS does not answer.
    """
    restored, live = plan.restored, plan.live
    origin = _find_origin(aws, restored, live, now)
    if plan.request.delete_restored and not (origin and origin.by_this_tool):
        raise RefusedError(
            f"{restored.name} was not restored by this tool, so it is not deleted. Nothing was "
            "done. Leave --delete-restored out."
        )
    is_another = (
        f"was restored from {origin.source}, not from {live.name}"
        if origin
        else f"is not a table that was restored from {live.name}, as far as AWS shows"
    )
    is_from_live = origin is not None and origin.source == live.arn
    if not is_from_live and not plan.request.not_a_restore:
        raise RefusedError(
            f"{restored.name} {is_another}. Nothing was done. If its items belong in {live.name}, "
            "add --not-a-restore."
        )
    said = (
        f"{restored.name} was restored from {live.name}"
        if is_from_live
        else f"CAUTION: {restored.name} {is_another}"
    )
    recorded = _digest(_tags(aws, restored), restored)
    if recorded in ("", plan.comparison.restored.hex()):
        return (said,)
    if plan.request.not_a_restore:
        return (said, f"CAUTION: {restored.name} was changed since it was restored")
    raise RefusedError(
        f"{restored.name} was changed since it was restored: its items are not those of the "
        "backup any more. Nothing was done. Restore once more; or, if the changes are "
        "intended, add --not-a-restore."
    )


def _find_origin(
    aws: Aws, table: TableDescription, live: TableDescription, now: datetime
) -> Origin | None:
    tags = _tags(aws, table)
    if SOURCE in tags and _digest(tags, table):
        return Origin(source=aws.arn("dynamodb", f"table/{tags[SOURCE]}"), by_this_tool=True)
    if table.restored_from:
        return Origin(source=table.restored_from, by_this_tool=False)
    jobs = list_restores(aws.at(table.region), live.arn, now)
    if any(made_by(job, table) and _is_of(job.resource_arn, live.arn) for job, _ in jobs):
        return Origin(source=live.arn, by_this_tool=False)
    return None


def list_restores(aws: Aws, resource_arn: str, now: datetime) -> list[TableRestore]:
    """The restore jobs of a table that did not fail, the newest first, each with what it makes.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    jobs = list_restore_jobs(aws, now, lambda entry: _restores(entry, resource_arn))
    return [TableRestore(job, _target_of(aws, job)) for job in jobs]


def _restores(entry: RestoreJobsListMemberTypeDef, resource_arn: str) -> bool:
    source = entry.get("SourceResourceArn")
    is_of = source is None or _is_of(source, resource_arn)
    return is_of and entry.get("ResourceType") == names.DYNAMODB and entry["Status"] != "FAILED"


def _is_of(source: str, table_arn: str) -> bool:
    """Whether a backup of `source` is of a table: of itself, or of the table that a cold copy-back
    restored from its backup.
    """
    name = table_arn.rpartition("/")[2]
    return source == table_arn or source.rpartition("/")[2].startswith(
        f"{name}{names.COPY_BACK_TABLE}"
    )


def _target_of(aws: Aws, job: Job) -> str:
    if job.created_resource_arn:
        return job.created_resource_arn.rpartition("/")[2]
    return restore_value(metadata_of(aws, job), "targetTableName") or ""


def made_by(job: Job, table: TableDescription) -> bool:
    """Whether a restore job made this very table, and not one that has its name now."""
    ended = job.completed
    return (
        job.completed_well
        and job.created_resource_arn == table.arn
        and job.created - SERVICES_APART <= table.created
        and (ended is None or table.created <= ended + SERVICES_APART)
    )


def record(aws: Aws, table: TableDescription, source: str, clock: Clock, report: Report) -> None:
    """Record that this tool restored a table, and a digest of its items as they are now.

    If that fails, the table can still be used, but a later run restores another one.

    :param source: the name of the table that it was.

    Raises CabalBackupError when the table cannot be read.
    """
    report(f"Reading {table.name}, to record a digest of what was restored.")
    digest = digest_of(aws, table)
    marks = {SOURCE: source, DIGEST: f"{_created(table)} {digest}"}
    if problem := problem_of(lambda: tag(aws, table.arn, marks, clock)):
        report(f"The digest could not be recorded on {table.name} ({problem}).")


def is_recorded(aws: Aws, table: TableDescription) -> bool:
    """Whether this tool restored this very table.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    return bool(_digest(_tags(aws, table), table))


def is_unchanged(aws: Aws, table: TableDescription) -> bool:
    """Whether this tool restored a table, and its items are those that were restored.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    recorded = _digest(_tags(aws, table), table)
    return bool(recorded) and recorded == digest_of(aws, table)


def digest_of(aws: Aws, table: TableDescription) -> str:
    """A digest over all items of a table: 64 hexadecimal digits.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    digest = Digest()

    def work(chunk: Chunk, _stop: CancelToken) -> None:
        digest.add([fingerprint(item) for item in chunk.items])

    with worded(f"reading {table.name}"):
        run(
            scan(Transport(aws), table.table, for_reading),
            work,
            workers=_WORKERS,
            stop=CancelToken(),
        )
    return digest.hex()


def delete_own_restore(aws: Aws, table: TableDescription, clock: Clock) -> None:
    """Delete a table that this tool restored, and no other that has its name by now.

    Raises RefusedError for any other table, otherwise as `delete_restored` does.
    """
    aws = aws.at(table.region)
    now = describe_table(aws, table.name)
    if now is None:
        return
    if now.created != table.created or not is_recorded(aws, now):
        raise RefusedError(
            f"{table.name} is not a table that this tool restored. It is not deleted."
        )
    delete_restored(aws, table.name, clock)


def delete_restored(aws: Aws, table: str, clock: Clock) -> None:
    """Delete a table, but never one that Cabal uses; DynamoDB refuses it while it is updated.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html

    Raises UsageError for a table of the environment, CabalBackupError when AWS refuses.
    """
    if table in live_tables(aws):
        raise UsageError(f"{table} is a live table of {aws.environment.name}. It is not deleted.")
    with worded(f"deleting {table}"):
        retry_while_busy(lambda: aws.client("dynamodb").delete_table(TableName=table), clock)


def wait_until_absent(aws: Aws, table: str, clock: Clock, report: Report) -> None:
    """Wait until a table that is being deleted does not exist; raises as `jobs.follow`."""
    dynamodb = aws.client("dynamodb")
    wait_until_deleted(
        lambda: unless_missing(lambda: dynamodb.describe_table(TableName=table), *MISSING),
        table,
        f"aws dynamodb describe-table --region {aws.region} --table-name={table}",
        clock,
        report,
    )


def names_for(base: str) -> Iterator[str]:
    """The name of a restored table, and others for when it is taken."""
    yield base
    yield from (f"{base}-{number}" for number in itertools.count(2))


def _tags(aws: Aws, table: TableDescription) -> dict[str, str]:
    with worded(f"looking at the tags of {table.name}"):
        return read_tags(aws, table.arn)


def _digest(tags: dict[str, str], table: TableDescription) -> str:
    """The digest recorded for this table; empty where there is none, or for an earlier one."""
    created, _, digest = tags.get(DIGEST, "").partition(" ")
    return digest if created == _created(table) else ""


def _created(table: TableDescription) -> str:
    return f"{table.created.timestamp():.3f}"
