"""The tables: point-in-time recovery, which covers those outside the plan, and protection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cabal_backup.operations.answers import Answer, Known, Unknown
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    fail,
    moment,
    ok,
    plural,
    unknown,
    warn,
)
from cabal_backup.operations.status.state import State


def tables(state: State) -> Outcome:
    """The tables outside the plan; the one in it belongs to `resources`."""
    if not state.environment.pitr_tables:
        return warn(
            "pitr_tables is empty: no table outside the plan is looked at.",
            f"Name Cabal's other tables in pitr_tables of {state.environment.name}.",
        )
    answers = {name: state.tables[name].table for name in state.environment.pitr_tables}
    gone = [name for name, answer in answers.items() if _is_missing(answer)]
    if gone:
        return fail(
            f"{' and '.join(gone)} not found in {state.environment.region}.",
            "If it was deleted by mistake: aws dynamodb restore-table-to-point-in-time, within "
            "35 days. If it is gone for good, take it out of pitr_tables of "
            f"{state.environment.name}.",
        )
    if any(isinstance(answer, Unknown) for answer in answers.values()):
        return unknown(*answers.values(), looking_at="the tables")
    return ok(f"{plural(len(answers), 'table')} outside the plan, all there.")


def pitr(state: State) -> Outcome:
    answers = dict(_existing(state, "backups"))
    off, on = [], []
    for name, answer in answers.items():
        if isinstance(answer, Known) and answer.value is not None:
            described = answer.value.get("PointInTimeRecoveryDescription", {})
            if described.get("PointInTimeRecoveryStatus") != "ENABLED":
                off.append(name)
            else:
                on.append(f"{name}: {_window(described)}")
    if off:
        return fail(
            f"Point-in-time recovery is off for {' and '.join(off)}: what is lost there is lost.",
            "Switch it on: "
            + "; ".join(
                f"aws dynamodb update-continuous-backups --region {state.environment.region} "
                f"--table-name {name} --point-in-time-recovery-specification "
                "PointInTimeRecoveryEnabled=true"
                for name in off
            ),
            details=on,
        )
    if any(isinstance(answer, Unknown) for answer in answers.values()):
        return unknown(*answers.values(), looking_at="point-in-time recovery")
    return ok(f"Point-in-time recovery is on for {plural(len(on), 'table')}.", details=on)


def deletion_protection(state: State) -> Outcome:
    answers = dict(_existing(state, "table"))
    off = [
        name
        for name, answer in answers.items()
        if isinstance(answer, Known)
        and answer.value is not None
        and not answer.value.get("DeletionProtectionEnabled")
    ]
    if off:
        return warn(
            f"{' and '.join(off)} can be deleted by mistake: deletion protection is off.",
            "; ".join(
                f"aws dynamodb update-table --region {state.environment.region} --table-name "
                f"{name} --deletion-protection-enabled"
                for name in off
            ),
        )
    if any(isinstance(answer, Unknown) for answer in answers.values()):
        return unknown(*answers.values(), looking_at="deletion protection")
    return ok(f"Deletion protection is on for {plural(len(answers), 'table')}.")


def _existing(state: State, what: str) -> Iterator[tuple[str, Answer[Any]]]:
    """One answer about each table, without the tables that are known not to exist."""
    for name, table in state.tables.items():
        if not _is_missing(table.table):
            yield name, getattr(table, what)


def _is_missing(answer: Answer[Any]) -> bool:
    return isinstance(answer, Known) and answer.value is None


def _window(described: dict[str, Any]) -> str:
    earliest = described.get("EarliestRestorableDateTime")
    days = described.get("RecoveryPeriodInDays")
    return (
        f"{f'{days} days' if days else 'on'}{f', back to {moment(earliest)}' if earliest else ''}"
    )
