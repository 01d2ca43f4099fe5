"""Performs a drill and, whatever happens, deletes what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import CabalBackupError
from cabal_backup.operations.aws.client import Aws, in_words
from cabal_backup.operations.aws.jobs import Event, Job, JobKind, Report, follow
from cabal_backup.operations.drill import (
    leftovers,
    rehearse_addresses,
    rehearse_copy_back,
    rehearse_mailbox,
)
from cabal_backup.operations.drill.leftovers import Leftover
from cabal_backup.operations.drill.record import Run
from cabal_backup.operations.drill.rehearse_addresses import AddressesDrillPlan
from cabal_backup.operations.drill.rehearse_copy_back import CopyBackDrillPlan
from cabal_backup.operations.drill.rehearse_mailbox import MailboxDrillPlan
from cabal_backup.operations.drill.request import DrillRequest
from cabal_backup.operations.status.drill_reports import DrillKind

_HOW_TO_LEAVE = "Interrupt once more to leave it as it is: the next drill finds and removes it."


AnyDrillPlan = AddressesDrillPlan | CopyBackDrillPlan | MailboxDrillPlan


def plan_drill(aws: Aws, now: datetime, kind: DrillKind, request: DrillRequest) -> AnyDrillPlan:
    """Plan a drill. Raises CabalBackupError when something that is needed is not there."""
    planners: Mapping[DrillKind, Callable[[Aws, datetime, DrillRequest], AnyDrillPlan]] = {
        DrillKind.ADDRESSES: rehearse_addresses.plan_drill,
        DrillKind.COPY_BACK: rehearse_copy_back.plan_drill,
        DrillKind.MAILBOX: rehearse_mailbox.plan_drill,
    }
    return planners[kind](aws, now, request)


def perform(run: Run, plan: AnyDrillPlan, earlier: Sequence[Leftover] = ()) -> None:
    """Clean up what earlier drills left, rehearse, clean up; all is written to the record.

    What is not proven to be of a drill is left alone. KeyboardInterrupt ends the rehearsal, and
    a second one the cleaning up. An unforeseen error is raised again at the end.
    """
    clock, record = run.clock, run.record
    unforeseen: Exception | None = None
    restores: dict[str, Job] = {}

    def note_restores(event: Event) -> None:
        if isinstance(event, Job) and event.kind is JobKind.RESTORE:
            restores[event.id] = event
        run.report(event)

    try:
        _clear(run, [leftover for leftover in earlier if leftover.proven], ours=False)
        record.began = clock.now()
        plan.rehearse(replace(run, report=note_restores))
    except KeyboardInterrupt:
        record.interrupted = True
    except CabalBackupError as error:
        record.problems.append(str(error))
    except (BotoCoreError, ClientError) as error:
        record.problems.append(str(in_words(error, f"rehearsing {plan.kind}")))
    except Exception as error:
        unforeseen = error
        record.problems.append(f"{type(error).__name__}: {error}")
    if not record.checks or record.problems or record.interrupted:
        record.verified = None
    try:
        _tidy_up(replace(run, report=_until_it_fails(run.report)), plan.makes, restores)
    except KeyboardInterrupt:
        record.interrupted = True
        if not record.left_over:
            record.left_over.append(f"perhaps {', '.join(plan.makes)}: interrupted twice")
    record.ended = clock.now()
    if unforeseen is not None:
        raise unforeseen


def _tidy_up(run: Run, makes: Sequence[str], restores: Mapping[str, Job]) -> None:
    """Remove what this drill made, as far as it is there.

    :param makes: the names of all that it makes.
    :param restores: the restore jobs it has seen, as they were when it last looked.
    """
    aws, clock, record = run.aws, run.clock, run.record
    if record.interrupted:
        run.report(f"Interrupted: deleting what the drill made. {_HOW_TO_LEAVE}")
    try:
        for job in restores.values():
            # A list may not have it yet, and what it makes must not come later than the look.
            if not job.finished:
                run.report(f"AWS Backup cannot cancel a restore: waiting for job {job.id}.")
                follow(aws, job, clock, run.report, longest=leftovers.LONGEST)
        found = leftovers.find(aws, clock, mount=run.mount)
    except (CabalBackupError, BotoCoreError, ClientError) as error:
        record.left_over.append(f"perhaps {', '.join(makes)}: {error}")
        return
    mine = [leftover for leftover in found if leftover.name in makes and leftover.proven]
    _clear(run, mine, ours=True)


def _clear(run: Run, found: Sequence[Leftover], *, ours: bool) -> None:
    """Remove each, and go on with the next where AWS refuses one."""
    record = run.record
    waiting = list(found)
    while waiting:
        leftover = waiting[0]
        if not ours:
            run.report(f"An earlier drill left the {leftover}: it is removed first.")
        try:
            leftovers.remove(run.aws, leftover, run.clock, run.report)
        except (CabalBackupError, BotoCoreError, ClientError) as error:
            record.left_over.append(f"{leftover}: {error}")
        except KeyboardInterrupt:
            record.left_over += [f"{left}: interrupted" for left in waiting]
            raise
        else:
            if not ours:
                record.cleared.append(f"{leftover.what} {leftover.name}")
        waiting.pop(0)


def _until_it_fails(report: Report) -> Report:
    """The same until it raises OSError: cleaning up continues without output."""
    works = True

    def quietly(event: Event) -> None:
        nonlocal works
        if works:
            try:
                report(event)
            except OSError:
                works = False

    return quietly
