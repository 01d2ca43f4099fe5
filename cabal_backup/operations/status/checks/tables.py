"""The tables: point-in-time recovery, which covers those outside the plan, and protection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.status.checks.outcome import fail, not_there, ok, unknown, warn
from cabal_backup.operations.status.checks.plan import (
    PITR_WINDOW,
    replaced,
    restored,
    table_trouble,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import State, TableState
from cabal_backup.text import moment, plural

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import PointInTimeRecoveryDescriptionTypeDef

SHORTEST = timedelta(days=7)
"""A loss is often noticed days later: a shorter window does not protect."""

SWITCHED_ON_WITHIN = timedelta(days=1)
"""How long after its creation a table's recovery may be switched on."""


def tables(state: State) -> Outcome:
    """The tables outside the plan; the one in it belongs to `resources`."""
    if not state.environment.pitr_tables:
        return warn(
            "pitr_tables is empty: no table outside the plan is looked at.",
            f"Name Cabal's other tables in pitr_tables of {state.environment.name}.",
        )
    answers = {name: state.tables[name].table for name in state.environment.pitr_tables}
    trouble = [line for name, answer in answers.items() for line in table_trouble(name, answer)]
    if trouble:
        return fail(
            f"In {state.environment.region}: {' and '.join(trouble)}.",
            "".join(
                f"To restore {name}, within 35 days of its deletion: cabal-backup restore table "
                f"{name} --latest -e {state.environment.name} "
                "(docs/runbooks/restore-tables.md#the-other-tables). "
                for name, answer in answers.items()
                if answer == Known(None)
            )
            + "If a key is inaccessible, the check `keys` says what to do. If a table is no longer "
            f"needed, remove it from pitr_tables of {state.environment.name}.",
        )
    if any(isinstance(answer, Unknown) for answer in answers.values()):
        return unknown(*answers.values(), looking_at="the tables")
    odd = [line for name in answers for line in replaced(state, name)]
    if odd:
        return warn(
            "A table may have been replaced: " + "; ".join(odd) + ".",
            "If it was not meant to be, find out in CloudTrail who did it (DeleteTable, "
            "CreateTable). This passes when the table is 35 days old.",
        )
    return ok(
        f"{plural(len(answers), 'table')} outside the plan, all there.",
        details=(line for name in answers for line in restored(state, name)),
    )


def pitr(state: State) -> Outcome:
    """Is point-in-time recovery on?"""
    answers = {name: table.backups for name, table in _existing(state)}
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
    if any(isinstance(answer, Unknown) for answer in answers.values()):
        return unknown(*answers.values(), looking_at="point-in-time recovery")
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
    answers = {name: table.table for name, table in _existing(state)}
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
    if any(isinstance(answer, Unknown) for answer in answers.values()):
        return unknown(*answers.values(), looking_at="deletion protection")
    return ok(f"Deletion protection is on for {plural(len(answers), 'table')}.")


def _existing(state: State) -> Iterator[tuple[str, TableState]]:
    """The tables, without the tables that are known not to exist."""
    for name, table in state.tables.items():
        if table.table != Known(None):
            yield name, table
