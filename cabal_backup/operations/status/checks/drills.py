"""The drills: whether the runbooks were rehearsed, as the committed reports say."""

from __future__ import annotations

from cabal_backup.operations.status.checks.history import FUTURE
from cabal_backup.operations.status.checks.outcome import known, measured, ok, warn
from cabal_backup.operations.status.checks.restore_tests import YEAR
from cabal_backup.operations.status.drill_reports import DrillKind, PastDrill
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import State
from cabal_backup.text import day, duration, minutes, moment, plural


def drill(state: State) -> Outcome:
    """Addresses and a mailbox within a year, and the copy-back once (S27)."""
    drills = known(state.drills, looking_at="the reports of drills")
    mine = state.environment.name
    newest = {
        past.kind: past
        for past in sorted(drills, key=lambda past: past.ended)
        if past.shows(mine) and past.ended <= state.now + FUTURE
    }
    ahead = [
        f"{past.kind} in {past.environment}: {moment(past.ended)}"
        for past in drills
        if past.ended > state.now + FUTURE
    ]
    seen = [_seen(state, kind, newest.get(kind)) for kind in DrillKind]
    missing = [
        kind
        for kind in DrillKind
        if kind not in newest
        or (kind is not DrillKind.COPY_BACK and state.now - newest[kind].ended > YEAR)
    ]
    ages = {
        f"{kind.replace('-', '_')}_drill_age_seconds": (state.now - past.ended).total_seconds()
        for kind, past in newest.items()
    }
    if ahead:
        return measured(
            warn(
                f"{plural(len(ahead), 'report')} of a drill dated in the future.",
                "Correct the clock of the machine that wrote it, drill again, and delete the "
                "report.",
                details=[*ahead, *seen],
            ),
            **ages,
        )
    if not missing:
        return measured(ok(f"Drilled: {'; '.join(seen)}."), **ages)
    return measured(
        warn(
            f"No drill of the {' nor the '.join(missing)} has passed within a year."
            if missing != [DrillKind.COPY_BACK]
            else "No drill of the copy-back has ever passed.",
            f"{state.drill_command}, then commit the reports (docs/runbooks/drill.md).",
            details=seen,
        ),
        **ages,
    )


def _seen(state: State, kind: DrillKind, past: PastDrill | None) -> str:
    if past is None:
        return f"{kind}: never, as far as the reports say"
    elsewhere = f" in {past.environment}" if past.environment != state.environment.name else ""
    seconds = past.recovery_seconds
    took = "" if seconds is None else f", recovered in {minutes(seconds)}"
    return f"{kind}{elsewhere}: {day(past.ended)}, {duration(state.now - past.ended)} ago{took}"
