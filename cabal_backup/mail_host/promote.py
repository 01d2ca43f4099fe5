"""Moves a whole mailstore, restored to a new file system, to the root of that file system."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cabal_backup.mail_host.files import inode_of, lstat, names_in, open_directory, open_mount
from cabal_backup.mail_host.mail_names import QUEUES, RECOVERY, WHY_NOT_QUEUES, shown
from cabal_backup.mail_host.problems import Refused, Stopped
from cabal_backup.mail_host.trees import STAGING_PREFIX, check_recovery, notes_on_failures

_MARK = ".promoting"
_BELONGS = {"lost+found"}


class LeftBehind(NamedTuple):
    """What stays in the recovery directory."""

    name: str
    reason: str


@dataclass(frozen=True)
class PromotePlan:
    """Everything that `promote` will do; str() is the text to confirm."""

    mount: str
    recovery: str
    promote: tuple[str, ...]
    leave: tuple[LeftBehind, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        users = len(self.promote)
        lines = [f"Move {users} entries of {self.recovery} to {shown(self.mount)}:"]
        some = ", ".join(map(shown, self.promote[:8])) + (", …" if users > 8 else "")
        lines += [f"  {some}"] if users else []
        lines += [f"  Left behind: {shown(each.name)}: {each.reason}." for each in self.leave]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The plan for --json."""
        return {**dataclasses.asdict(self), "leave": dict(self.leave)}


def plan_promote(
    mount: str, *, recovery: str | None = None, with_queues: bool = False
) -> PromotePlan:
    """Choose what to move to the root of the file system mounted at `mount`.

    Raises Refused if it is not a new file system, and if a name exists at the root.
    """
    check_recovery(recovery)
    with open_mount(mount) as root:
        at_root = names_in(root)
        there = [name for name in at_root if RECOVERY.match(name)]
        chosen = [name for name in there if recovery in (None, name)]
        if len(chosen) != 1:
            raise Refused(
                f"{len(chosen)} recovery directories at {shown(mount)}"
                + (
                    f": {', '.join(chosen)}. Use --recovery."
                    if chosen
                    else ". Check that the new one is mounted."
                )
            )
        try:
            with open_directory(chosen[0], root) as directory:
                names = names_in(directory)
                same = os.fstat(directory).st_dev == os.fstat(root).st_dev
                promote, leave = _sorted_out(names, with_queues)
                covered = [name for name in promote if _is_covered(name, directory, root)]
        except OSError as error:
            raise Refused(f"{chosen[0]} is not a plain directory: {error.strerror}.") from error
    if not same:
        raise Refused(f"{chosen[0]} is on another file system: a rename cannot leave it.")
    foreign = [
        name
        for name in at_root
        if not name.startswith("aws-backup-") and name not in _BELONGS and name not in QUEUES
    ]
    if foreign and _MARK not in names:
        raise Refused(
            f"{shown(mount)} is not a new file system: its root has {len(foreign)} other entries "
            f"({', '.join(map(shown, foreign[:5]))}). For one user, use: mailbox merge."
        )
    if covered:
        raise Refused(
            f"The root of {shown(mount)} already has: {', '.join(map(shown, covered))}. "
            "They are not overwritten. Move them away, or merge mailbox by mailbox."
        )
    notes = tuple(notes_on_failures(at_root))
    return PromotePlan(mount, chosen[0], tuple(promote), tuple(leave), notes)


def _sorted_out(names: Iterable[str], with_queues: bool) -> tuple[list[str], list[LeftBehind]]:
    """The names to move, and those to leave."""
    promote: list[str] = []
    leave: list[LeftBehind] = []
    for name in names:
        if name in QUEUES and not with_queues:
            leave.append(LeftBehind(name, WHY_NOT_QUEUES))
        elif name.startswith("aws-backup-"):
            leave.append(LeftBehind(name, "an older restore that was in the backup"))
        elif name in _BELONGS:
            leave.append(LeftBehind(name, "part of the file system itself"))
        elif name.startswith(STAGING_PREFIX):
            why = "from a merge that was interrupted; it contains no mail"
            leave.append(LeftBehind(name, why))
        elif name != _MARK:
            promote.append(name)
    others = [each.name for each in leave if each.name not in _BELONGS]
    if not promote and len(others) == 1 and RECOVERY.match(others[0]):
        # The backup is of a file system that was restored: then its mail is one level deeper.
        return others, [each for each in leave if each.name != others[0]]
    return promote, leave


def _is_covered(name: str, directory: int, root: int) -> bool:
    """Whether another file at the root has the name (a killed run may have linked the same)."""
    there, here = lstat(name, root), lstat(name, directory)
    return there is not None and (here is None or inode_of(there) != inode_of(here))


def promote(plan: PromotePlan) -> None:
    """Carry out the plan by renames. Raises Stopped if the root changed after the plan."""
    with open_mount(plan.mount) as root:
        with open_directory(plan.recovery, root) as recovery:
            mark = os.open(_MARK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=recovery)
            os.close(mark)
            for name in plan.promote:
                try:
                    _bring_up(name, recovery, root)
                except OSError as error:
                    raise Stopped(
                        f"{shown(name)}: {error.strerror}. Nothing is lost: fix the cause and "
                        "run this again."
                    ) from error
            if not plan.leave:
                os.unlink(_MARK, dir_fd=recovery)
        if not plan.leave:
            os.rmdir(plan.recovery, dir_fd=root)


def _bring_up(name: str, recovery: int, root: int) -> None:
    status = os.stat(name, dir_fd=recovery, follow_symlinks=False)
    if _is_covered(name, recovery, root):
        raise OSError(errno.EEXIST, "appeared at the root during the run")
    if stat.S_ISDIR(status.st_mode):
        os.rename(name, name, src_dir_fd=recovery, dst_dir_fd=root)
        return
    with contextlib.suppress(FileExistsError):  # the same file, as checked above
        os.link(name, name, src_dir_fd=recovery, dst_dir_fd=root, follow_symlinks=False)
    os.unlink(name, dir_fd=recovery)
