"""A drill from its beginning to its end: whatever happens in between, it clears away."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import CabalBackupError
from cabal_backup.operations.aws.client import Aws, in_words
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Job, JobKind, follow
from cabal_backup.operations.aws.progress import Note
from cabal_backup.operations.drill import addresses, copy_back, leftovers, mailbox
from cabal_backup.operations.drill.leftovers import Leftover
from cabal_backup.operations.drill.plan import DrillPlan
from cabal_backup.operations.drill.record import Record
from cabal_backup.operations.status.drill_reports import Kind

_HOW_TO_LEAVE = "Interrupt once more to leave it as it is: the next drill finds and removes it."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a drill was asked for."""

    tolerance_percent: int
    role: str = names.ROLE
    point_arn: str | None = None
    at: datetime | None = None
    user: str | None = None
    mount: Path | None = None

    @property
    def chosen(self) -> bool:
        """Whether a recovery point was named; otherwise it is the newest."""
        return self.point_arn is not None or self.at is not None


def plan_drill(aws: Aws, now: datetime, kind: Kind, wanted: Wanted) -> DrillPlan:
    """Plan a drill. Raises CabalBackupError when something that is needed is not there."""
    if kind is Kind.ADDRESSES:
        return addresses.look(
            aws,
            now,
            tolerance_percent=wanted.tolerance_percent,
            point_arn=wanted.point_arn,
            at=wanted.at,
            role=wanted.role,
        )
    if kind is Kind.COPY_BACK:
        return copy_back.look(
            aws, now, tolerance_percent=wanted.tolerance_percent, role=wanted.role
        )
    assert wanted.user is not None
    return mailbox.look(
        aws,
        now,
        user=wanted.user,
        mount=wanted.mount,
        point_arn=wanted.point_arn,
        at=wanted.at,
        role=wanted.role,
    )


def perform(
    aws: Aws,
    plan: DrillPlan,
    clock: Clock,
    record: Record,
    *,
    earlier: Sequence[Leftover] = (),
    mount: Path | None = None,
) -> Generator[Any, None, None]:
    """Clear away what earlier drills left, rehearse, clear away; all is written to `record`.

    What is not proven to be of a drill is left alone. KeyboardInterrupt ends the rehearsal, and
    a second one the clearing away. An unforeseen error is raised again at the end.
    """
    unforeseen: Exception | None = None
    restores: dict[str, Job] = {}
    try:
        proven = [leftover for leftover in earlier if leftover.proven]
        yield from _clear(aws, proven, clock, record, ours=False)
        record.began = clock.now()
        with closing(plan.rehearse(aws, clock, record)) as events:
            for event in events:
                if isinstance(event, Job) and event.kind is JobKind.RESTORE:
                    restores[event.id] = event
                yield event
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
        yield from _unwatched(_tidy_up(aws, plan, clock, record, restores, mount))
    except KeyboardInterrupt:
        record.interrupted = True
        if not record.left_over:
            record.left_over.append(f"perhaps {', '.join(plan.makes)}: interrupted twice")
    record.ended = clock.now()
    if unforeseen is not None:
        raise unforeseen


def _tidy_up(
    aws: Aws,
    plan: DrillPlan,
    clock: Clock,
    record: Record,
    restores: Mapping[str, Job],
    mount: Path | None,
) -> Generator[Any, None, None]:
    """Remove what this drill made, as far as it is there.

    :param restores: the restore jobs it has seen, as they were when it last looked.
    """
    if record.interrupted:
        yield Note(f"Interrupted: what the drill made is cleared away. {_HOW_TO_LEAVE}")
    try:
        for job in restores.values():
            # A list may not have it yet, and what it makes must not come later than the look.
            if not job.finished:
                yield Note(f"AWS Backup cannot call a restore off: job {job.id} is followed.")
                yield from follow(aws, job, clock, longest=leftovers.LONGEST)
        found = leftovers.find(aws, clock.now(), mount=mount)
    except (CabalBackupError, BotoCoreError, ClientError) as error:
        record.left_over.append(f"perhaps {', '.join(plan.makes)}: {error}")
        return
    mine = [leftover for leftover in found if leftover.name in plan.makes and leftover.proven]
    yield from _clear(aws, mine, clock, record, ours=True)


def _clear(
    aws: Aws, found: Sequence[Leftover], clock: Clock, record: Record, *, ours: bool
) -> Generator[Any, None, None]:
    """Remove each, and go on with the next where AWS refuses one."""
    waiting = list(found)
    while waiting:
        leftover = waiting[0]
        if not ours:
            yield Note(f"An earlier drill left the {leftover}: it is removed first.")
        try:
            yield from leftovers.remove(aws, leftover, clock)
        except (CabalBackupError, BotoCoreError, ClientError) as error:
            record.left_over.append(f"{leftover}: {error}")
        except KeyboardInterrupt:
            record.left_over += [f"{left}: interrupted" for left in waiting]
            raise
        else:
            if not ours:
                record.cleared.append(f"{leftover.what} {leftover.name}")
        waiting.pop(0)


def _unwatched(events: Generator[Any, None, None]) -> Generator[Any, None, None]:
    """The same events, until showing them fails: clearing away goes on without output."""
    watched = True
    for event in events:
        if watched:
            try:
                yield event
            except OSError:
                watched = False
