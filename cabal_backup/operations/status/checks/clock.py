"""The clock of this machine: whatever compares times rests on it."""

from __future__ import annotations

from datetime import timedelta

from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.status.checks.outcome import Outcome, ok, unknown
from cabal_backup.operations.status.findings import Status
from cabal_backup.operations.status.state import State
from cabal_backup.text import duration

MOST_SKEW = timedelta(minutes=3)
"""How far from AWS's the clock may be; the answer of a call that was tried again is old."""


def clock(state: State) -> Outcome:
    """Is this machine's clock right?"""
    if isinstance(state.clock_skew, Unknown):
        return unknown(state.clock_skew, looking_at="AWS's time")
    skew = state.clock_skew.value
    if abs(skew) > MOST_SKEW:
        side = "ahead of" if skew > timedelta() else "behind"
        return Outcome(
            Status.UNKNOWN,
            f"This machine's clock is {duration(abs(skew))} {side} AWS's: what is due, and what is "
            "late, cannot be judged.",
            "Set the clock, for instance by switching time synchronisation on, and run it again.",
        )
    return ok(f"This machine's clock agrees with AWS's to within {duration(MOST_SKEW)}.")
