"""What every drill has, whichever runbook it rehearses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cabal_backup import names
from cabal_backup.operations.restore.select_point import PointRequest
from cabal_backup.text import name_stamp

_ID = r"\d{8}-\d{6}(-back)?"


@dataclass(frozen=True, kw_only=True)
class DrillRequest:
    """Which drill is asked for."""

    tolerance_percent: int
    point: PointRequest = field(default_factory=PointRequest)
    user: str | None = None
    mount: Path | None = None
    cold: bool = False
    """Of the copy-back: whether a cold recovery point is brought back."""

    @property
    def chosen(self) -> bool:
        """Whether a recovery point was named; otherwise it is the newest."""
        return self.point.arn is not None or self.point.time != ""


def drill_id(now: datetime) -> str:
    """What the names of one drill's things have in common; it says when the drill began."""
    return name_stamp(now)


def restored_table(live: str, drill: str) -> str:
    """The table that the drill restores."""
    return f"{live}{names.DRILL_TABLE}{drill}"


def scratch_table(live: str, drill: str) -> str:
    """The table that the cutover is rehearsed into, in place of the live one."""
    return f"{restored_table(live, drill)}-cutover"


def drill_of_table(live: str, name: str) -> str | None:
    """The id of the drill that a table is named after; None for any other name.

    The name alone does not show that a drill made it: an operator can give it too.
    """
    named = re.fullmatch(f"{re.escape(live + names.DRILL_TABLE)}({_ID})(-cutover)?", name)
    return None if named is None else named[1]


def is_drill_name(name: str) -> bool:
    """Whether only a drill should give something this name, whatever table it is of."""
    table = re.fullmatch(f".+{re.escape(names.DRILL_TABLE)}{_ID}(-cutover)?", name)
    return table is not None or is_restore_token(name)


def restore_token(drill: str) -> str:
    """The creation token of a drill's restore of mail; its scratch directory is called so too."""
    return f"{names.DRILL}{drill}"


def is_restore_token(token: str) -> bool:
    """Whether a creation token is that of a drill."""
    return re.fullmatch(f"{re.escape(names.DRILL)}{_ID}", token) is not None
