"""The recovery points of all vaults, night by night."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial

from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.jobs import KEPT
from cabal_backup.operations.aws.legal_holds import LegalHold, list_legal_holds
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, points_in, protected_as
from cabal_backup.operations.aws.results import Known, Unknown, ask_together, entries
from cabal_backup.urgent import FAILED_STATES


class Cell(StrEnum):
    """What a night left of one resource in one vault."""

    WARM = "warm"
    COLD = "cold"
    MISSING = "missing"
    FAILED = "failed"
    """A job failed and left nothing that can be restored."""
    INCOMPLETE = "incomplete"
    """A recovery point that is not complete: PARTIAL, EXPIRED, CREATING or DELETING."""
    UNKNOWN = "unknown"


SYMBOLS = {
    Cell.WARM: "●",
    Cell.COLD: "○",
    Cell.MISSING: "·",
    Cell.FAILED: "✘",
    Cell.INCOMPLETE: "◐",
    Cell.UNKNOWN: "?",
}


@dataclass(frozen=True)
class Column:
    """One resource in one vault."""

    vault: str
    region: str
    resource_arn: str
    resource: str


@dataclass(frozen=True)
class Calendar:
    """Nights down, the newest first; resources and vaults across."""

    now: datetime
    columns: tuple[Column, ...]
    nights: tuple[date, ...]
    cells: Mapping[tuple[date, Column], Cell]
    points: tuple[tuple[str, RecoveryPoint], ...]
    """Every recovery point with its vault, the newest first."""
    unknown: Mapping[str, str]
    """Why a vault, or the jobs or legal holds of a region, could not be looked at, by its name."""
    former: tuple[str, ...] = ()
    """Of which former mailstores recovery points are shown, a sentence for each."""
    holds: tuple[LegalHold, ...] = ()
    """The legal holds on these recovery points."""

    def count(self, cell: Cell) -> int:
        """How many cells are like this one."""
        return sum(
            self.cells[night, column] is cell for night in self.nights for column in self.columns
        )

    def from_first_point(self) -> Calendar:
        """Without the nights before the first recovery point, of which there is nothing to say.

        Unchanged where there is no recovery point, or where one of the vaults is not known.
        """
        columns = {(column.vault, column.resource_arn) for column in self.columns}
        mailstore = self.columns[-1].resource_arn
        made = [
            point.created
            for vault, point in self.points
            if (vault, protected_as(point.resource_arn, mailstore)) in columns
        ]
        if self.unknown or not made:
            return self
        first = min(made).astimezone(UTC).date()
        return replace(self, nights=tuple(night for night in self.nights if night >= first))


NIGHTS = 31
"""How many nights a report goes back."""


def read_calendar(aws: Aws, now: datetime, *, nights: int = NIGHTS) -> Calendar:
    """The last `nights` nights, and every recovery point there is."""
    backup, vaults = aws.client("backup"), aws.vaults
    backup_jobs, copy_jobs = (f"{kind} jobs in {aws.region}" for kind in ("backup", "copy"))
    since = now - min(KEPT, timedelta(days=nights))
    answers = ask_together(
        {vault.name: partial(points_in, aws, vault) for vault in vaults}
        | {
            _holds_in(vault): partial(list_legal_holds, aws.client("backup", vault.region))
            for vault in vaults[:2]
        }
        | {
            backup_jobs: partial(
                entries, backup.list_backup_jobs, "BackupJobs", ByCreatedAfter=since
            ),
            copy_jobs: partial(entries, backup.list_copy_jobs, "CopyJobs", ByCreatedAfter=since),
        }
    )
    columns = tuple(
        Column(*vault, arn, name)
        for vault in vaults
        for arn, name in ((aws.table_arn, "addresses"), (aws.mailstore_arn, "mailstore"))
    )
    today = now.astimezone(UTC).date()
    shown = tuple(today - timedelta(days=ago) for ago in range(nights))
    found: dict[str, list[RecoveryPoint]] = {
        vault.name: answer.value
        for vault in vaults
        if isinstance(answer := answers[vault.name], Known)
    }
    # A copy belongs to the night of its source, however late it is made.
    made = {point.arn: point.created for points in found.values() for point in points}
    failed = [
        (
            job.get("BackupVaultName") or job["DestinationBackupVaultArn"].rpartition(":")[2],
            job["ResourceArn"],
            made.get(job.get("SourceRecoveryPointArn"), job["CreationDate"]),
        )
        for jobs in (backup_jobs, copy_jobs)
        for job in answers[jobs].value_or(())
        if job["State"] in FAILED_STATES
    ]
    holds = [hold for vault in vaults[:2] for hold in answers[_holds_in(vault)].value_or(())]
    mailstore = aws.mailstore_arn
    best = _best(found, failed, mailstore, now)
    cells = {
        (night, column): best.get((column.vault, column.resource_arn, night), Cell.MISSING)
        if column.vault in found
        else Cell.UNKNOWN
        for night in shown
        for column in columns
    }
    return Calendar(
        now=now,
        columns=columns,
        nights=shown,
        cells=cells,
        points=tuple(
            sorted(
                ((vault, point) for vault, points in found.items() for point in points),
                key=lambda entry: (entry[1].created, entry[0], entry[1].resource_type),
                reverse=True,
            )
        ),
        unknown={
            what: answer.reason for what, answer in answers.items() if isinstance(answer, Unknown)
        },
        former=tuple(_former(found, mailstore, shown)),
        holds=tuple(held for hold in holds if (held := hold.of(made.keys()))),
    )


def _holds_in(vault: Vault) -> str:
    return f"legal holds in {vault.region}"


def _former(
    found: Mapping[str, list[RecoveryPoint]], mailstore: str, shown: Sequence[date]
) -> Iterator[str]:
    """A sentence for each former mailstore that has recovery points of these nights."""
    nights: dict[str, set[date]] = {}
    for point in (point for points in found.values() for point in points):
        arn, night = point.resource_arn, point.created.astimezone(UTC).date()
        if arn != mailstore == protected_as(arn, mailstore) and night in shown:
            nights.setdefault(arn, set()).add(night)
    for arn, its in sorted(nights.items(), key=lambda entry: min(entry[1])):
        yield (
            f"{len(its):,} of the mailstore's nights are of {arn.rpartition('/')[2]}, a former "
            f"mailstore: {min(its)} to {max(its)}."
        )


def _best(
    found: Mapping[str, list[RecoveryPoint]],
    failed: Iterable[tuple[str, str, datetime]],
    mailstore: str,
    now: datetime,
) -> dict[tuple[str, str, date], Cell]:
    """For each vault, resource and night what serves best.

    :param failed: vault, resource and time of each job that failed.
    """
    left = [
        (vault, point.resource_arn, point.created, _cell(point, now))
        for vault, points in found.items()
        for point in points
    ]
    left += [(*job, Cell.FAILED) for job in failed]
    rank = [Cell.FAILED, Cell.INCOMPLETE, Cell.COLD, Cell.WARM]
    best: dict[tuple[str, str, date], Cell] = {}
    for vault, arn, when, cell in left:
        key = (vault, protected_as(arn, mailstore), when.astimezone(UTC).date())
        best[key] = max(best.get(key, cell), cell, key=rank.index)
    return best


def _cell(point: RecoveryPoint, now: datetime) -> Cell:
    if not point.completed:
        return Cell.INCOMPLETE
    return Cell.COLD if point.is_cold(now) else Cell.WARM
