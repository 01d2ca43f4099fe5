"""The copies: are they complete, did they leave the environment, and what can be copied back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.jobs import RUNNING
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.status.checks.history import (
    MANY,
    SAME_MOMENT,
    History,
    Night,
    are_many,
    spans,
)
from cabal_backup.operations.status.checks.outcome import (
    all_known,
    fail,
    judge_jobs,
    known,
    measured,
    off,
    ok,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import LOOK_BACK, State, VaultState
from cabal_backup.text import duration, moment, plural
from cabal_backup.urgent import FAILED_STATES

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import CopyJobTypeDef

COPYING_TIME = timedelta(hours=12)
"""How long a new recovery point may wait for its copy before the copy counts as missing."""

STALLED = timedelta(days=3)
"""A copy job that has been under way for longer than this is no longer waited for."""


@dataclass(frozen=True)
class Copy:
    """A recovery point in the primary vault, and its copy in another vault, if there is one."""

    source: RecoveryPoint
    copy: RecoveryPoint | None
    job: CopyJobTypeDef | None
    """The copy job that created it, or the newest that tried to."""

    def may_still_come(self, now: datetime) -> bool:
        """Whether there is no copy yet and one is still to be expected."""
        if self.copy is not None:
            return False
        if self.job is None:
            return now - self.source.created < COPYING_TIME
        return self.job["State"] in RUNNING and now - self.job["CreationDate"] < STALLED


def dr_copies(state: State) -> Outcome:
    """Does the DR vault have a copy of each recovery point?"""
    all_known((state.primary.points, state.dr.points), looking_at="the copies in the DR region")
    pairs = copies_in(state, state.dr)
    return measured(
        _dr_copies(state, pairs), points_without_copy=sum(pair.copy is None for pair in pairs)
    )


def _dr_copies(state: State, pairs: list[Copy]) -> Outcome:
    copied = [pair for pair in pairs if pair.copy is not None]
    waiting = [pair for pair in pairs if pair.may_still_come(state.now)]
    gaps = [pair for pair in pairs if pair.copy is None and pair not in waiting]
    old = _old_gaps(state)
    if gaps:
        return fail(
            f"{plural(len(gaps), 'recovery point')} of the last 30 days without a copy in "
            f"{names.DR_VAULT}.",
            "copy-jobs says why. To copy what is missing: "
            f"cabal-backup copy now {state.environment.options}",
            details=[*(named(state, pair.source) for pair in gaps), *spans(state, old)],
        )
    if are_many(night for night in old if _could_be_copied(night)):
        return fail(
            f"{plural(len(old), 'night')} from more than 30 days ago without a copy in "
            f"{names.DR_VAULT}, {MANY} or more of one resource within 30 nights.",
            "They were deleted there, or never made. CloudTrail remembers deletions for 90 days "
            "(DeleteRecoveryPoint). A recovery point in cold storage cannot be copied again.",
            details=spans(state, old),
        )
    if old:
        return warn(
            f"{plural(len(old), 'night')} from more than 30 days ago without a copy in "
            f"{names.DR_VAULT}.",
            "A recovery point that is in cold storage, or was made without the opt-in, cannot be "
            "copied any more.",
            details=spans(state, old),
        )
    if not pairs:
        return off("The plan has not made a recovery point in the last 30 days: nothing to copy.")
    lags = [lag for pair in copied if (lag := _lag(pair)) is not None]
    return ok(
        f"{plural(len(copied), 'recovery point')} of the last 30 days copied"
        + (f", {plural(len(waiting), 'copy', 'copies')} under way" if waiting else "")
        + (f"; the slowest took {duration(max(lags))}" if lags else "")
        + "."
    )


def without_copy(state: State) -> list[RecoveryPoint]:
    """The recovery points of the last 30 days that have no copy, also those made on demand.

    The points of both vaults must be known.
    """
    pairs = copies_in(state, state.dr, on_demand=True)
    return [pair.source for pair in pairs if pair.copy is None]


def copy_jobs(state: State) -> Outcome:
    """Did the copy jobs complete?"""
    jobs = [
        job
        for job in known(state.copy_jobs, looking_at="the copy jobs")
        if job["DestinationBackupVaultArn"] in state.copy_lifecycles
        and state.counts_for(job["ResourceArn"]) in state.resources
    ]
    done = {_what_and_where(job) for job in jobs if job["State"] == "COMPLETED"}
    history = History(state)
    on_demand = {point.arn for arn in state.resources for point in history.on_demand(arn)}
    failed = [job for job in jobs if job["State"] in FAILED_STATES]
    sources = {job["SourceRecoveryPointArn"] for job in failed}
    points = [point for point in state.primary.points.value_or(()) if point.arn in sources]
    for vault in state.copy_vaults:
        # They have a copy, whatever became of a later job.
        copies = [copy for copy in vault.points.value_or(()) if copy.completed]
        arn = state.arn_of(vault)
        done |= {(point.arn, arn) for point in points if _of_same_moment(point, copies)}
    standing = [
        job
        for job in failed
        if _what_and_where(job) not in done and job["SourceRecoveryPointArn"] not in on_demand
    ]
    return judge_jobs(
        state,
        jobs,
        "copy",
        fail(
            f"{plural(len(standing), 'copy job')} failed, and no later job for the same recovery "
            "point has succeeded.",
            "Fix the error that AWS reports, then copy again as dr-copies and air-gapped say.",
        )
        if standing
        else None,
        since="what the plan made has its copy",
    )


def copy_back(state: State) -> Outcome:
    """A copy in cold storage cannot be copied back to the primary region."""
    copies = known(state.dr.points, looking_at=f"the recovery points in {names.DR_VAULT}")
    reach: dict[str, datetime] = {}
    cold: list[RecoveryPoint] = []
    for point in copies:
        arn = state.counts_for(point.resource_arn)
        if not point.completed or point.original is not None or arn not in state.resources:
            continue
        if point.is_cold(state.now):
            cold.append(point)
        else:
            reach[arn] = min(reach.get(arn, point.created), point.created)
    without = [arn for arn in state.resources if arn not in reach]
    if without:
        missing = " and ".join(state.resources[arn] for arn in without)
        hint = "last-night and dr-copies say what is missing."
        if of_them := [p for p in cold if state.counts_for(p.resource_arn) in without]:
            hint += (
                " A cold copy can be copied back in some hours, after a restore in the DR region: "
                f"{_bring_back(state, of_them)}."
            )
        return warn(
            f"There is no warm copy of {missing}, which could be copied back if the primary region "
            "is lost.",
            hint,
        )
    older = plural(len(cold), "older cold copy", "older cold copies")
    return ok(
        "Copying back reaches to "
        + " and ".join(f"{moment(reach[arn])} for {name}" for arn, name in state.resources.items())
        + (f"; copying back {older} takes some hours: {_bring_back(state, cold)}." if cold else ".")
    )


def _bring_back(state: State, cold: Iterable[RecoveryPoint]) -> str:
    """The commands that bring cold copies back: one for each resource."""
    mail = {point.resource_arn for point in cold}
    commands = []
    on = state.environment.options
    if state.table_arn in mail:
        mail.remove(state.table_arn)
        commands.append(f"`cabal-backup copy-back addresses --cold {on}`")
    for arn in sorted(mail):
        only = f" --file-system {arn.rpartition('/')[2]}" if len(mail) > 1 else ""
        commands.append(f"`cabal-backup copy-back mailstore --cold {on}{only}`")
    return ", ".join(commands)


def foreign_copies(state: State) -> Outcome:
    """Copies that leave the vaults of the environment: no lock of ours protects them there."""
    all_known((state.copy_jobs, state.dr_copy_jobs), looking_at="the copy jobs")
    # Also one that an earlier configuration had.
    third = (Vault(names.AIR_GAPPED_VAULT, region.region) for region in state.regions)
    ours = state.vault_arns | frozenset(map(state.vault_arn, third))
    jobs = [
        job
        for job in (*state.copy_jobs.value_or(()), *state.dr_copy_jobs.value_or(()))
        if job["SourceBackupVaultArn"] in ours
    ]
    foreign = [job for job in jobs if job["DestinationBackupVaultArn"] not in ours]
    details = [
        f"{moment(job['CreationDate'])}: "
        f"{state.name_of(job['ResourceArn'])} to "
        f"{job['DestinationBackupVaultArn']} with {job['IamRoleArn']}: {job['State']}"
        for job in foreign
    ]
    find_out = "Find out in CloudTrail who started it (StartCopyJob)."
    if any(job["State"] == "PARTIAL" or job["State"] not in FAILED_STATES for job in foreign):
        return fail(
            f"{plural(len(foreign), 'copy job')} of the last 30 days to vaults of others.",
            f"{find_out} A copy in another account can be deleted only there.",
            details=details,
        )
    if foreign:
        return warn(
            f"{plural(len(foreign), 'copy job')} of the last 30 days to vaults of others failed.",
            find_out,
            details=details,
        )
    if not jobs:
        return off("There was no copy job in the last 30 days.")
    return ok(f"None of {plural(len(jobs), 'copy job')} of the last 30 days went elsewhere.")


def copies_in(state: State, vault: VaultState, *, on_demand: bool = False) -> list[Copy]:
    """Every recovery point that the plan made in the last 30 days, with its copy in a vault.

    :param on_demand: also those that were made on demand.

    The recovery points of both vaults must be known. Each copy belongs to one recovery point: that
    of its job, or of the same time. What was copied back keeps the date of its backup, and has the
    copy that it came from.
    """
    history, jobs = History(state), _jobs_by_source(state, state.arn_of(vault))
    sources = [
        point
        for arn in state.resources
        for point in reversed(
            [*history.scheduled(arn), *(history.on_demand(arn) if on_demand else ())]
        )
        if point.created >= state.now - LOOK_BACK
    ]
    free = {copy.arn: copy for copy in vault.points.value_or(()) if copy.completed}
    copies: dict[str, RecoveryPoint] = {}
    for source in sources:
        named = jobs.get(source.arn, {}).get("DestinationRecoveryPointArn", "")
        if named in free and free[named].resource_arn == source.resource_arn:
            copies[source.arn] = free.pop(named)
    for source in sources:
        if source.arn not in copies and (same := _of_same_moment(source, free.values())):
            copies[source.arn] = free.pop(same.arn)
    of_backup = {(s.resource_arn, s.created): copies[s.arn] for s in sources if s.arn in copies}
    for source in sources:
        if original := of_backup.get((source.resource_arn, source.created)):
            copies.setdefault(source.arn, original)
    return [Copy(point, copies.get(point.arn), jobs.get(point.arn)) for point in sources]


def _of_same_moment(source: RecoveryPoint, copies: Iterable[RecoveryPoint]) -> RecoveryPoint | None:
    """The copy of a point whose copy job AWS Backup no longer lists."""
    near = [
        copy
        for copy in copies
        if copy.resource_arn == source.resource_arn
        and abs(copy.created - source.created) <= SAME_MOMENT
    ]
    return min(near, key=lambda copy: abs(copy.created - source.created), default=None)


def _old_gaps(state: State) -> list[Night]:
    """The nights before the last 30 days that must have a copy and have none.

    Those without a recovery point in the primary vault, where there must be one, are reported by
    `nights`.
    """
    history = History(state)
    return [
        night
        for arn in state.resources
        for night in history.nights(arn)
        if night.copy_due
        and not night.copied
        and night.midnight < state.now - LOOK_BACK
        and (night.point is not None or not night.point_due)
        and (night.point is None or night.point.created < state.now - LOOK_BACK)
    ]


def _could_be_copied(night: Night) -> bool:
    """False for a recovery point made without the opt-in, which AWS Backup does not copy."""
    return night.point is None or night.point.arn.split(":")[2] == "backup"


def _what_and_where(job: CopyJobTypeDef) -> tuple[str, str]:
    """The ARNs of the recovery point and of the vault that a job copies it to."""
    return job["SourceRecoveryPointArn"], job["DestinationBackupVaultArn"]


def _jobs_by_source(state: State, vault_arn: str) -> dict[str, CopyJobTypeDef]:
    """For each recovery point the job that copied it to a vault, or else the newest one."""
    jobs: dict[str, CopyJobTypeDef] = {}
    for job in sorted(
        state.copy_jobs.value_or(()),
        key=lambda job: (job["State"] == "COMPLETED", job["CreationDate"]),
    ):
        if job["DestinationBackupVaultArn"] == vault_arn:
            jobs[job["SourceRecoveryPointArn"]] = job
    return jobs


def _lag(pair: Copy) -> timedelta | None:
    """From the backup to the end of its copying."""
    if pair.job is None or pair.job["State"] != "COMPLETED" or "CompletionDate" not in pair.job:
        return None
    lag: timedelta = pair.job["CompletionDate"] - pair.source.created
    return lag


def named(state: State, point: RecoveryPoint) -> str:
    """A recovery point for people, with its ARN."""
    return f"{moment(point.created)}: {state.name_of(point.resource_arn)}: {point.arn}"
