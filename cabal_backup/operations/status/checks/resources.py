"""The table and the mailstore of the plan, and the tables that point-in-time recovery covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cabal_backup import names
from cabal_backup.operations.aws.clock import SERVICES_APART
from cabal_backup.operations.aws.results import Answer, Known, Unknown
from cabal_backup.operations.status.checks.outcome import all_known, fail, not_there, ok, warn
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import LOOK_BACK, State
from cabal_backup.text import moment, plural

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import (
        PointInTimeRecoveryDescriptionTypeDef,
        TableDescriptionTypeDef,
    )

_RECENT = timedelta(days=7)
"""How old the backup may be that a table was restored from; an older one is reported, because the
table may have lost more than a few nights.
"""

PITR_WINDOW = timedelta(days=names.PITR_DAYS)
"""The longest window of point-in-time recovery, which Cabal's tables have.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html
"""

DEPLOYED_TOGETHER = timedelta(days=1)
"""A table that is younger than the vault by less was made in the same deployment."""

LONGEST_RESTORE = timedelta(days=1)
"""How far apart a restore job and the creation of its table may be, at most."""

SHORTEST = timedelta(days=7)
"""A loss is often noticed days later: a shorter window does not protect."""

SWITCHED_ON_WITHIN = timedelta(days=1)
"""How long after its creation a table's recovery may be switched on."""

_READABLE = {"ACTIVE", "UPDATING"}
"""The statuses of a table that can be backed up.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""

_RUNNING = {"available", "updating"}
"""The states of a file system that can be backed up: `updating` is a change of a setting.

https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemDescription.html
"""


def resources(state: State) -> Outcome:
    """The table and the mailstore exist, are in use, and are the same ones as before."""
    name = state.environment.addresses_table
    table, mailstore = state.tables[name].table, state.mailstore
    of_table, of_mailstore = list(_table_trouble(name, table)), list(_mailstore_trouble(state))
    if missing := [*of_table, *of_mailstore]:
        return fail(
            f"What the plan protects is missing or not in use: {' and '.join(missing)}. Nights "
            "without it fail, are skipped, or contain nothing new.",
            _restore(state, table=bool(of_table), mailstore=bool(of_mailstore))
            + "If it was replaced on purpose, set addresses_table or mailstore_file_system_id of "
            f"{state.environment.name} to the new one, then: {state.deploy_command}",
        )
    all_known((table, mailstore, state.other_mailstores), looking_at="the table and the mailstores")
    young = _young_tables(state, [name])
    odd, hints = list(young.replaced), list[str]()
    if odd:
        hints.append(
            "If the table was replaced on purpose, nothing is to be done; this warning "
            f"ends {PITR_WINDOW.days} days after the table was created. Otherwise find out who "
            "replaced it. Recovery points from before are still there: "
            f"cabal-backup points {state.environment.options}"
        )
    if others := state.other_mailstores.value_or(()):
        odd.append(f"{' and '.join(others)} has the tag Name={names.MAILSTORE} too")
        hints.append(
            "Find out which file system Cabal mounts. If it is not the configured one, set "
            f"mailstore_file_system_id of {state.environment.name} and deploy; otherwise delete "
            "the other or remove its tag"
        )
    if odd:
        return warn(
            "The plan may not protect what Cabal uses: " + "; ".join(odd) + ".", ". ".join(hints)
        )
    return ok(
        f"{' and '.join(state.resources.values())} exist and are in use.",
        details=young.restored,
    )


def _restore(state: State, *, table: bool, mailstore: bool) -> str:
    """How to restore what does not exist; empty where it exists and is out of use."""
    environment, words = state.environment, ""
    if table and state.tables[environment.addresses_table].table == Known(None):
        words += (
            f"To restore the table: cabal-backup restore addresses {environment.options} "
            "(docs/runbooks/restore-tables.md). "
        )
    if mailstore and state.mailstore == Known(None):
        words += (
            f"To restore the mailstore: cabal-backup restore mailstore {environment.options} "
            "(docs/runbooks/restore-mail.md#the-whole-mailstore). "
        )
    elif mailstore:
        words += (
            f"Without mount targets: aws efs create-mount-target --region {environment.region} "
            f"--file-system-id={environment.mailstore_file_system_id} --subnet-id SUBNET "
            "--security-groups GROUP; if it is not AVAILABLE, wait. "
        )
    return words


def _table_trouble(name: str, answer: Answer[TableDescriptionTypeDef | None]) -> Iterator[str]:
    """Why a table cannot be backed up and recovered; nothing where that is not known."""
    if isinstance(answer, Unknown):
        return
    if answer.value is None:
        yield f"{name} does not exist"
    elif answer.value["TableStatus"] not in _READABLE:
        yield f"{name} is {answer.value['TableStatus']}"


class _YoungTables(NamedTuple):
    """A line about each table that is younger than the backup and whose PITR window is not full
    again, so that it cannot be recovered to an earlier moment.
    """

    restored: list[str]
    """Those that were restored from a backup of their own."""
    replaced: list[str]
    """The others."""


def _young_tables(state: State, tables: Iterable[str]) -> _YoungTables:
    """DynamoDB gives every table a new id and AWS Backup records none, so that the time of
    creation is what distinguishes a table from an earlier one of the same name.
    """
    young = _YoungTables([], [])
    since = state.primary.vault_created
    for name in tables:
        table = state.tables[name].table.value_or(None)
        if table is None or since is None:
            continue
        created = table["CreationDateTime"]
        if created - since <= DEPLOYED_TOGETHER or state.now - created >= PITR_WINDOW:
            continue
        then = _restored_as_of(state, name, table)
        if then is None:
            young.replaced.append(
                f"{name} was created at {moment(created)}, after the backup was deployed (id "
                f"{table.get('TableId')}), and cannot be recovered to an earlier moment"
            )
        else:
            young.restored.append(
                f"{name} was restored at {moment(created)} as it was at {moment(then)}, and cannot "
                "be recovered to a moment before it was restored"
            )
    return young


def _restored_as_of(state: State, name: str, table: TableDescriptionTypeDef) -> datetime | None:
    """The moment of the table's own backup that it was restored from; None where that is unknown,
    and where it was much older than the table.

    DynamoDB shows the source of what it restored itself; of a restore of AWS Backup there is the
    job for 30 days, and afterwards only when a recovery point was last restored, to whatever name:
    a table that another one replaced was reported for 29 days then.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreSummary.html
    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointByBackupVault.html
    """
    arn, created = f"{state.table_arn.rpartition('/')[0]}/{name}", table["CreationDateTime"]
    summary = table.get("RestoreSummary")
    if summary is not None and summary.get("SourceTableArn") == arn:
        then = summary["RestoreDateTime"]
        return then if created - then <= _RECENT else None
    own = {
        point.arn: point
        for point in state.primary.points.value_or(())
        if point.resource_arn == arn and timedelta() <= created - point.created <= _RECENT
    }
    for job in state.restore_jobs.value_or(()):
        point = own.get(job.get("RecoveryPointArn", ""))
        began, ended = job["CreationDate"] - SERVICES_APART, job.get("CompletionDate", state.now)
        made_it = job["Status"] == "COMPLETED" and job.get("CreatedResourceArn") == arn
        if point and made_it and began <= created <= ended + SERVICES_APART:
            return point.created
    if state.now - created > LOOK_BACK - LONGEST_RESTORE:
        for point in own.values():
            if point.last_restored and abs(point.last_restored - created) < LONGEST_RESTORE:
                return point.created
    all_known((state.primary.points, state.restore_jobs), looking_at=f"what {name} is a restore of")
    return None


def _mailstore_trouble(state: State) -> Iterator[str]:
    identity, answer = state.environment.mailstore_file_system_id, state.mailstore
    if isinstance(answer, Unknown):
        return
    if answer.value is None:
        yield f"{identity} does not exist"
    elif answer.value["LifeCycleState"] not in _RUNNING:
        yield f"{identity} is {answer.value['LifeCycleState']}"
    elif not answer.value["NumberOfMountTargets"]:
        yield f"{identity} has no mount target, so that nothing can use it"


def tables(state: State) -> Outcome:
    """The tables outside the plan; the one in it belongs to `resources`."""
    if not state.environment.pitr_tables:
        return warn(
            "pitr_tables is empty: no table outside the plan is looked at.",
            f"Name Cabal's other tables in pitr_tables of {state.environment.name}.",
        )
    answers = {name: state.tables[name].table for name in state.environment.pitr_tables}
    trouble = [line for name, answer in answers.items() for line in _table_trouble(name, answer)]
    if trouble:
        return fail(
            f"In {state.environment.region}: {' and '.join(trouble)}.",
            "".join(
                f"To restore {name}, within 35 days of its deletion: cabal-backup restore table "
                f"{name} --latest {state.environment.options} "
                "(docs/runbooks/restore-tables.md#the-other-tables). "
                for name, answer in answers.items()
                if answer == Known(None)
            )
            + "If a key is inaccessible, the check `keys` says what to do. If a table is no longer "
            f"needed, remove it from pitr_tables of {state.environment.name}.",
        )
    all_known(answers.values(), looking_at="the tables")
    young = _young_tables(state, answers)
    if young.replaced:
        return warn(
            f"A table may have been replaced: {'; '.join(young.replaced)}.",
            "If it was not meant to be, find out in CloudTrail who did it (DeleteTable, "
            "CreateTable). This warning ends when the table is 35 days old.",
        )
    return ok(
        f"{plural(len(answers), 'table')} outside the plan; none is missing.",
        details=young.restored,
    )


def pitr(state: State) -> Outcome:
    """Is point-in-time recovery on?"""
    answers = {name: state.tables[name].backups for name in _existing(state)}
    if not answers:
        return not_there("table")
    seen = [
        _recovery(state, name, described.get("PointInTimeRecoveryDescription", {}))
        for name, answer in answers.items()
        if (described := answer.value_or(None)) is not None
    ]
    off = [one for one in seen if one.days == 0]
    details = [one.words for one in seen if one.days]
    if off:
        return fail(
            f"Point-in-time recovery is off for {' and '.join(one.table for one in off)}: what "
            "is lost there cannot be recovered.",
            f"Switch it on: {_switch_on(state, off)}",
            details=details,
        )
    short = [one for one in seen if one.is_short]
    if any(one.reach < SHORTEST for one in short):
        return fail(
            f"Point-in-time recovery reaches back less than {SHORTEST.days} days for "
            f"{' and '.join(one.table for one in short if one.reach < SHORTEST)}.",
            f"Set it to {PITR_WINDOW.days} days: {_switch_on(state, short)}. The days before "
            "cannot be brought back; the window fills again by itself.",
            details=details,
        )
    all_known(answers.values(), looking_at="point-in-time recovery")
    if short:
        return warn(
            f"Point-in-time recovery reaches back less than {PITR_WINDOW.days} days for "
            f"{' and '.join(one.table for one in short)}.",
            f"Set it to {PITR_WINDOW.days} days: {_switch_on(state, short)}. Where it was "
            "switched off and on again, find out in CloudTrail who did it "
            "(UpdateContinuousBackups); the window fills again by itself.",
            details=details,
        )
    return ok(f"Point-in-time recovery is on for {plural(len(seen), 'table')}.", details=details)


@dataclass(frozen=True, kw_only=True)
class _Recovery:
    """How far back one table can be recovered."""

    table: str
    days: int
    """The configured window; 0 where point-in-time recovery is off."""
    earliest: datetime | None
    reach: timedelta
    """How far back it really reaches, or will when a young table is as old as its window."""
    restarted: bool
    """Whether the window begins later than its length and the table's age explain."""

    @property
    def is_short(self) -> bool:
        return 0 < self.days < PITR_WINDOW.days or self.restarted

    @property
    def words(self) -> str:
        earliest = f", back to {moment(self.earliest)}" if self.earliest else ""
        restarted = ", where it was switched off and on again" if self.restarted else ""
        return f"{self.table}: {self.days} days{earliest}{restarted}"


def _recovery(
    state: State, name: str, described: PointInTimeRecoveryDescriptionTypeDef
) -> _Recovery:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoveryDescription.html"""
    if described.get("PointInTimeRecoveryStatus") != "ENABLED":
        return _Recovery(table=name, days=0, earliest=None, reach=timedelta(), restarted=False)
    days: int = described.get("RecoveryPeriodInDays", PITR_WINDOW.days)
    window = timedelta(days=days)
    earliest = described.get("EarliestRestorableDateTime")
    table = state.tables[name].table.value_or(None)
    explained = state.now - window
    if table is not None:
        explained = max(explained, table["CreationDateTime"])
    restarted = earliest is None or earliest - explained > SWITCHED_ON_WITHIN
    reach = state.now - (earliest or state.now) if restarted else window
    return _Recovery(table=name, days=days, earliest=earliest, reach=reach, restarted=restarted)


def _switch_on(state: State, tables: Iterable[_Recovery]) -> str:
    return "; ".join(
        f"aws dynamodb update-continuous-backups --region {state.environment.region} "
        f"--table-name={one.table} --point-in-time-recovery-specification "
        "PointInTimeRecoveryEnabled=true"
        + (f",RecoveryPeriodInDays={PITR_WINDOW.days}" if 0 < one.days < PITR_WINDOW.days else "")
        for one in tables
    )


def deletion_protection(state: State) -> Outcome:
    """Is deletion protection on?"""
    answers = {name: state.tables[name].table for name in _existing(state)}
    if not answers:
        return not_there("table")
    off = [
        name
        for name, answer in answers.items()
        if (table := answer.value_or(None)) is not None
        and not table.get("DeletionProtectionEnabled")
    ]
    if off:
        return warn(
            f"{' and '.join(off)} can be deleted by mistake: deletion protection is off.",
            "; ".join(
                f"aws dynamodb update-table --region {state.environment.region} --table-name="
                f"{name} --deletion-protection-enabled"
                for name in off
            ),
        )
    all_known(answers.values(), looking_at="deletion protection")
    return ok(f"Deletion protection is on for {plural(len(answers), 'table')}.")


def _existing(state: State) -> list[str]:
    """The tables, without those that are known not to exist."""
    return [name for name, seen in state.tables.items() if seen.table != Known(None)]
