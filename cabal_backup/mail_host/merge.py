"""Moves the messages into the mailbox, as planned."""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import NamedTuple, Optional

from cabal_backup.mail_host.files import BATCH_SIZE, Name, lstat, open_directory
from cabal_backup.mail_host.folders import Batch, pack
from cabal_backup.mail_host.mailbox_writer import MailboxWriter, check_is_linked, staging_area
from cabal_backup.mail_host.merge_plan import FolderPlan, MergePlan
from cabal_backup.mail_host.problems import Problem, Problems, Stopped
from cabal_backup.mail_host.trees import Trees, threads_for


@dataclass(frozen=True)
class Progress:
    """How many messages were restored so far, and how many there are."""

    restored: int
    of: int


@dataclass(frozen=True)
class Finished:
    """The result of `merge`."""

    restored: int
    finished: int
    """Messages that an earlier run put into the mailbox; now removed from the recovery."""
    absent: int
    """Messages that were no longer in the recovery directory."""
    problems: tuple[Problem, ...]
    stopped: str | None
    """Why it stopped before the end."""
    files: int = 0
    """Files restored that are not mail."""
    notes: tuple[str, ...] = ()
    """What else was done: stale Dovecot locks that were removed."""


class _Tally(NamedTuple):
    restored: int = 0
    finished: int = 0
    absent: int = 0


_FATAL = {
    errno.ENOSPC: "the file system is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ESTALE: "the file system is no longer available",
    errno.EMFILE: "too many open files",
}


def merge(
    plan: MergePlan,
    report: Callable[[Progress], None] = lambda _: None,
    *,
    threads: int | None = None,
    lock_wait: float = 30.0,
) -> Finished:
    """Carry out the plan; `report` is called after each batch.

    `threads` None: the number is chosen by the measured duration of a call. `lock_wait`: how
    many seconds, in total, it waits for Dovecot's locks. Before it moves anything, it raises
    Refused if another merge of this user is running, and Stopped if it cannot write.
    """
    with contextlib.ExitStack() as stack:
        trees = Trees(plan.where, stack)
        try:
            staging = stack.enter_context(staging_area(trees))
        except OSError as error:
            raise Stopped(f"{plan.where.recovery}: {error.strerror}.") from error
        writer = MailboxWriter(plan, trees, staging, lock_wait)
        return _Merge(plan, trees, writer, report).run(threads)


class _Merge:
    """One run of a plan."""

    def __init__(
        self,
        plan: MergePlan,
        trees: Trees,
        writer: MailboxWriter,
        report: Callable[[Progress], None],
    ) -> None:
        self._plan = plan
        self._trees = trees
        self._writer = writer
        self._report = report
        self._total = _Tally()
        self._problems = Problems()
        self._stopped: str | None = None

    def run(self, threads: int | None) -> Finished:
        self._guarded(self._writer.make_home)
        self._guarded(self._writer.take_back_locks)
        if self._stopped is None:
            self._move_messages(threads)
        files = self._restore_files()
        if self._stopped is None:
            self._guarded(self._trees.check)
        if self._trees.live is not None:
            self._guarded(self._writer.forget_quota)
        notes = tuple(self._writer.notes)
        return Finished(*self._total, self._problems.all(), self._stopped, files, notes)

    def _stop(self, reason: str) -> None:
        """Stop for this reason, unless there is one already."""
        self._stopped = self._stopped or reason

    def _stops(self, error: OSError) -> bool:
        """Whether the error affects all files: then the run stops.

        ESTALE is also the error of a folder that another NFS client deleted.
        """
        if error.errno not in _FATAL or (error.errno == errno.ESTALE and self._is_available()):
            return False
        self._stop(_FATAL[error.errno])
        return True

    def _is_available(self) -> bool:
        """Whether the file system has the home: statfs asks the server, stat may not."""
        try:
            os.fstatvfs(self._trees.mount if self._trees.home is None else self._trees.home)
        except OSError:
            return False
        return True

    def _count(self, tally: _Tally) -> None:
        self._total = _Tally(*map(operator.add, self._total, tally))
        self._report(Progress(self._total.restored, self._plan.missing))

    def _restore_files(self) -> int:
        """Restore the files that are not mail; returns how many."""
        restored = 0
        for path in self._plan.files:
            if self._stopped is not None:
                break
            try:
                self._trees.check()
                restored += self._writer.restore_file(path)
            except Stopped as stopped:
                self._stop(str(stopped))
            except OSError as error:
                self._note("", path, error)
        return restored

    def _move_messages(self, threads: int | None) -> None:
        tasks = self._tasks()
        if not tasks:
            return
        if threads is None:
            first, *others = tasks
            few, *rest = _in_pieces(first, 16)
            tasks = rest + others
            started = time.perf_counter()
            tally = self._task(*few)
            self._count(tally)
            calls = 3 * (tally.restored + tally.finished) or 1
            threads = threads_for((time.perf_counter() - started) / calls)
        if threads > 1:
            count = sum(batch.size for _, batch, _, _ in tasks)
            size = min(BATCH_SIZE, max(16, count // (4 * threads)))
            if len(tasks) < threads:  # one piece each, if that is possible
                size = min(BATCH_SIZE, max(size, -(-count // (threads - len(tasks)))))
            tasks = [piece for task in tasks for piece in _in_pieces(task, size)]
        if threads == 1:
            for task in tasks:
                self._count(self._task(*task))
            return
        pool = ThreadPoolExecutor(threads)
        try:
            futures: list[Future[_Tally]] = [pool.submit(self._task, *task) for task in tasks]
            tasks.clear()
            for future in as_completed(futures):
                self._count(future.result())
        except BaseException:
            self._stop("interrupted")
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _tasks(self) -> list[_Task]:
        """Batches of all folders in turn, because calls in one directory wait for each other."""
        piles: list[list[_Task]] = []
        for folder in self._plan.folders:
            letters = self._prepared(folder) if folder.changes else None
            if letters is not None:
                table = letters if folder.keywords or folder.unnamed else None
                piles.append(
                    [
                        (folder.directory, batch, table, how)
                        for how, batches in (
                            (_FINISH, folder.finish),
                            (_MOVE, folder.restore),
                            (_MOVE_ANEW, folder.rename),
                        )
                        for batch in batches
                    ]
                )
        deepest = max(map(len, piles), default=0)
        return [pile[level] for level in range(deepest) for pile in piles if level < len(pile)]

    def _prepared(self, folder: FolderPlan) -> dict[str, str] | None:
        """Prepare the folder; returns the letter of each keyword in it, None if that failed."""
        try:
            table = self._writer.prepare(folder)
        except OSError as error:
            self._stops(error)
            reason = f"the folder cannot be prepared: {error.strerror}"
            self._problems.add(folder.directory, reason, "all of it", folder.missing)
            return None
        except Stopped as stopped:
            self._stop(str(stopped))
            return None
        lost = [name for letter, name in folder.keywords if letter not in table]
        lost += [f"letter {letter}" for letter in folder.unnamed]
        for name in lost:
            self._problems.add(folder.directory, "a keyword that cannot be restored", name)
        return table

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work on the whole mailbox: if that fails, the run stops."""
        try:
            work()
        except Stopped as stopped:
            self._stop(str(stopped))
        except OSError as error:
            if not self._stops(error):
                self._problems.add("", f"cannot be used: {error.strerror}", "all of it")
                self._stop(f"the mailbox cannot be used: {error.strerror}")

    def _task(self, directory: str, batch: Batch, table: dict[str, str] | None, how: str) -> _Tally:
        """Move, or finish moving, the messages of one batch."""
        counts = {"restored": 0, "finished": 0, "absent": 0}
        trees = self._trees
        if self._stopped is not None:
            return _Tally()
        try:
            trees.check()
            with contextlib.ExitStack() as stack:
                enter = stack.enter_context
                from_folder = enter(trees.recovered_folder(directory))
                from_place = enter(open_directory(batch.place, from_folder))
                folder = enter(trees.live_folder(directory))
                self._writer.check_owner(folder)
                place = enter(open_directory(batch.place, folder))
                self._writer.check_owner(place)
                for name in batch.names():
                    if self._stopped is not None:
                        break
                    try:
                        if how == _FINISH:
                            outcome = _finish(name, from_place)
                        else:
                            to_name = _renamed(name, table) if table is not None else name
                            outcome = self._move(name, from_place, to_name, place, how)
                        counts[outcome] += 1
                    except OSError as error:
                        self._note(directory, name, error)
        except Stopped as stopped:
            self._stop(str(stopped))
        except OSError as error:
            self._note(directory, "all of a batch", error, batch.size)
        return _Tally(**counts)

    def _note(self, directory: str, name: str, error: OSError, count: int = 1) -> None:
        if not self._stops(error):
            self._problems.add(directory, error.strerror or str(error), name, count)

    def _move(self, name: str, from_place: int, to_name: str, place: int, how: str) -> str:
        """Give one message its owner and mode, and then link it into the mailbox."""
        try:
            status = os.stat(name, dir_fd=from_place, follow_symlinks=False)
        except FileNotFoundError:
            return "absent"
        writer = self._writer
        given = (
            status.st_mode & writer.kind_and_excess == stat.S_IFREG
            and status.st_uid == writer.uid
            and status.st_gid == writer.gid
        )
        if how == _MOVE_ANEW or not given:
            source, to = Name(name, from_place), Name(to_name, place)
            return writer.bring(source, to, anew=how == _MOVE_ANEW)
        try:
            os.link(name, to_name, src_dir_fd=from_place, dst_dir_fd=place, follow_symlinks=False)
        except FileExistsError:
            check_is_linked(status, Name(to_name, place))
        except FileNotFoundError:
            if lstat(name, from_place) is None:
                return "absent"
            raise OSError(errno.ENOENT, "its folder was deleted during the run") from None
        os.unlink(name, dir_fd=from_place)
        return "restored"


_FINISH, _MOVE, _MOVE_ANEW = "finish", "move", "move under a new name"
"""What a task does: `_FINISH` only removes the name in the recovery of a restored message."""

_Task = tuple[str, Batch, Optional[dict[str, str]], str]  # noqa: UP045 (Python 3.9)
"""Folder, messages, the letters of their keywords today (None: they have none), and one of
the actions above."""


def _in_pieces(task: _Task, size: int) -> Iterator[_Task]:
    """The same work in tasks of at most `size` messages."""
    directory, batch, table, how = task
    if batch.size <= size:
        yield task
        return
    names = batch.names()
    for at in range(0, len(names), size):
        yield directory, pack(batch.place, names[at : at + size]), table, how


def _finish(name: str, from_place: int) -> str:
    """Remove the name in the recovery of a message that the mailbox also has."""
    status = lstat(name, from_place)
    if status is None or status.st_nlink < 2:
        return "absent"
    os.unlink(name, dir_fd=from_place)
    return "finished"


def _renamed(name: str, table: dict[str, str]) -> str:
    """`name` with the letters that its keywords have in the folder of the mailbox."""
    base, separator, info = name.partition(":2,")
    flags, comma, rest = info.partition(",")
    if not separator or not flags or flags.isupper():
        return name
    letters = {table.get(flag, "") if "a" <= flag <= "z" else flag for flag in flags}
    return f"{base}:2,{''.join(sorted(letters))}{comma}{rest}"
