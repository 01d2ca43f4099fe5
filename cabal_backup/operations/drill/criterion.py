"""When a restored table counts as right, as numbers that a report can state."""

from __future__ import annotations

from cabal_backup.operations.drill.record import Check
from cabal_backup.operations.restore.tables.compare import Comparison
from cabal_backup.operations.restore.tables.cutover import Verification

NOT_EMPTY = "not empty"
COUNT = "count"
CONTENT = "content"
CUTOVER = "cutover"


def about_restored(found: Comparison, tolerance_percent: int) -> list[Check]:
    """What a restored table shows beside the live one.

    Others write to the live table after the backup, so the two may differ: in their number
    of items by `tolerance_percent` of the live table's, and as many items may be other ones.
    """
    band = tolerance_percent * found.in_live / 100
    apart = abs(found.in_backup - found.in_live)
    most = max(found.in_backup, found.in_live)
    share = found.identical.count / most * 100 if most else 0.0
    least = 100 - tolerance_percent
    return [
        Check(
            NOT_EMPTY,
            found.in_backup > 0,
            f"{found.in_backup:,} items were restored, and every one was read",
        ),
        Check(
            COUNT,
            apart <= band,
            f"{found.in_backup:,} restored, {found.in_live:,} live: {apart:,} apart, "
            f"{band:,.0f} allowed ({tolerance_percent} %)",
        ),
        Check(
            CONTENT,
            share >= least,
            f"{share:.1f} % identical, at least {least} % wanted: {found.differing.count:,} "
            f"differ, {found.only_in_live.count:,} only in live, "
            f"{found.only_in_backup.count:,} only in the backup",
        ),
    ]


def about_cutover(verified: Verification) -> Check:
    """Whether the items arrived where they were copied to, byte by byte."""
    found = verified.comparison
    arrived = not verified.problems and found.equal
    digests = found.backup_digest == found.live_digest
    said = (
        f"{found.identical.count:,} items copied and read back"
        if arrived
        else "; ".join(verified.problems) or "the two tables differ"
    )
    return Check(
        CUTOVER,
        arrived and digests,
        f"{said}; the digests are {'equal' if digests else 'NOT equal'}",
    )
