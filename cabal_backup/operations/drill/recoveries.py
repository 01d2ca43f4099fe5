"""Which recovery directory of a mailstore is a drill's.

AWS does not say what a restore's directory is called. But its name has the time at which
it was made, which lies within the job, and what was asked for is all that is in it. Where
another restore may have made it as well, it must not be removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cabal_backup.operations.drill.request import is_restore_token
from cabal_backup.operations.restore.mail.mailstore_restores import MailRestore

_NAME = re.compile(r"aws-backup-(?:failed-)?restore_(.+)")
_FAILED = "aws-backup-failed-restore_"
SLACK = timedelta(seconds=2)
"""What two clocks of AWS may be apart."""


def recovery_of_drills(
    restores: Sequence[MailRestore], mount: Path
) -> Mapping[str, tuple[str, ...]]:
    """The recovery directories that only a drill can have made, by its token.

    What a restore that failed left behind is one, too, with a part of what was asked for.
    """
    found: dict[str, tuple[str, ...]] = {}
    in_place = [restore for restore in restores if not restore.to_new]
    for entry in sorted(mount.iterdir()):
        made = made_at(entry.name)
        if made is None or not entry.is_dir() or entry.is_symlink():
            continue
        holds = {f"/{each.name}" for each in entry.iterdir()}
        makers = [
            restore
            for restore in in_place
            if _may_have_made(restore, made) and _asked_for(restore, holds, entry.name)
        ]
        if len(makers) == 1 and is_restore_token(makers[0].token):
            token = makers[0].token
            found[token] = (*found.get(token, ()), entry.name)
    return found


def made_at(name: str) -> datetime | None:
    """The time in `aws-backup-restore_2022-09-06T00-03-13-832Z`; None for any other name."""
    named = _NAME.fullmatch(name)
    if named is None:
        return None
    try:
        return datetime.strptime(named[1], "%Y-%m-%dT%H-%M-%S-%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _asked_for(restore: MailRestore, holds: set[str], name: str) -> bool:
    """Whether what is in a directory is what was asked for; a restore of all holds anything."""
    if restore.items is None:
        return True
    asked = set(restore.items)
    return holds <= asked if name.startswith(_FAILED) else holds == asked


def _may_have_made(restore: MailRestore, made: datetime) -> bool:
    ended = restore.job.completed
    began = restore.job.created - SLACK
    return began <= made and (ended is None or made <= ended + SLACK)
