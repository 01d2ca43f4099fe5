"""Which recovery directory of a mailstore is a drill's.

AWS does not say what a restore's directory is called. But its name has the time at which
it was made, which lies within the job, and what was asked for is all that is in it. Where
another restore may have made it as well, it is nobody's to remove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cabal_backup.operations.drill.plan import is_restore_token
from cabal_backup.operations.mail import mail_host
from cabal_backup.operations.mail.mailstore_restores import MailRestore

_PREFIX = "aws-backup-restore_"
_SLACK = timedelta(seconds=2)
"""What two clocks of AWS may be apart."""


def recovery_of_drills(restores: Sequence[MailRestore], mount: Path) -> Mapping[str, str]:
    """The recovery directories that only a drill can have made: token to name."""
    found: dict[str, str] = {}
    in_place = [restore for restore in restores if not restore.to_new]
    for entry in mount.iterdir():
        made = made_at(entry.name)
        if made is None or not entry.is_dir() or entry.is_symlink():
            continue
        holds = sorted(f"/{each.name}" for each in entry.iterdir())
        makers = [
            restore
            for restore in in_place
            if _may_have_made(restore, made) and sorted(restore.items or holds) == holds
        ]
        if len(makers) == 1 and is_restore_token(makers[0].token):
            found[makers[0].token] = entry.name
    return found


def made_at(name: str) -> datetime | None:
    """The time in `aws-backup-restore_2022-09-06T00-03-13-832Z`; None for any other name."""
    if not mail_host.RECOVERY.match(name):
        return None
    try:
        return datetime.strptime(name.removeprefix(_PREFIX), "%Y-%m-%dT%H-%M-%S-%fZ").replace(
            tzinfo=UTC
        )
    except ValueError:
        return None


def _may_have_made(restore: MailRestore, made: datetime) -> bool:
    ended = restore.job.completed
    began = restore.job.created - _SLACK
    return began <= made and (ended is None or made <= ended + _SLACK)
