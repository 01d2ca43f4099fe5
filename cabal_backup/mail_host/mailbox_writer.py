"""Writes everything in the mailbox that is not a message: directories, owners, lists."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence

from cabal_backup.mail_host.dovecot import (
    STALE_AFTER,
    DovecotLock,
    adding_keywords,
    format_keywords,
    is_subscribed,
    parse_keywords,
    with_subscription,
)
from cabal_backup.mail_host.files import (
    CREATE,
    READ,
    Name,
    digest_of,
    inode_of,
    link_open_file,
    lstat,
    open_directory,
    read_small,
    remove_content,
    remove_tree,
)
from cabal_backup.mail_host.folders import dot_entries
from cabal_backup.mail_host.mail_names import new_name
from cabal_backup.mail_host.merge_plan import FolderPlan, MergePlan
from cabal_backup.mail_host.problems import Refused, Stopped
from cabal_backup.mail_host.trees import Trees, staging_name


@contextlib.contextmanager
def staging_area(trees: Trees) -> Iterator[int]:
    """The staging directory, where files for the user are created before the user can see them.

    First, only this process keeps access to the recovery directory: otherwise the user could
    change the files in it. A lock prevents a second merge of the same user.
    """
    if os.geteuid() == 0:
        os.fchown(trees.recovery, 0, 0)
        os.fchmod(trees.recovery, 0o700)
    name = staging_name(trees.where)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=trees.recovery)
    with open_directory(name, trees.recovery) as staging:
        if os.fstat(staging).st_uid != os.geteuid():
            raise Refused(
                f"{trees.where.recovery}/{name} belongs to another user. Check it and remove it."
            )
        lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=staging)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Refused(f"Another merge of {trees.where.user} is running.") from None
        there = lstat("lock", staging)
        if there is None or inode_of(there) != inode_of(os.fstat(lock)):
            os.close(lock)
            raise Refused(f"Another merge of {trees.where.user} has just ended. Run this again.")
        try:
            yield staging
        finally:
            # The lock last, because afterwards another merge may create its files here. An NFS
            # client renames a file that is removed while it is open, and removes it when it is
            # closed: until then the directory is not empty.
            with contextlib.suppress(OSError, Stopped):
                remove_content(staging, keep="lock")
            with contextlib.suppress(OSError):
                os.unlink("lock", dir_fd=staging)
            os.close(lock)
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=trees.recovery)


def check_is_linked(status: os.stat_result, to: Name) -> None:
    """Raise OSError unless an existing name belongs to the same file."""
    there = lstat(to.name, to.parent)
    if there is None or inode_of(there) != inode_of(status):
        raise OSError(errno.EEXIST, "another file has its name") from None


class MailboxWriter:
    """Changes everything in the mailbox that is not a message: directories, owners, lists."""

    def __init__(self, plan: MergePlan, trees: Trees, staging: int, lock_wait: float) -> None:
        self._plan = plan
        self._trees = trees
        self._staging = staging
        self._lock_wait = lock_wait
        self._file_mode = plan.directory_mode & 0o666
        self.uid = plan.uid
        self.gid = plan.gid
        self.kind_and_excess = ~self._file_mode
        """The bits of a mode that a message must not have, and those of the file type."""
        self.notes: list[str] = []
        self._was = os.fstat(trees.recovered_home).st_uid
        """The user's uid at the time of the backup."""

    def check_owner(self, directory: int) -> None:
        """Raise OSError for a directory that does not belong to the user."""
        status = os.fstat(directory)
        owners = {self._plan.uid}
        if self._trees.home is not None:
            owners.add(os.fstat(self._trees.home).st_uid)
        if status.st_uid not in owners or status.st_dev != self._trees.device:
            raise OSError(errno.EPERM, f"its folder belongs to uid {status.st_uid}")

    def bring(
        self, source: Name, to: Name, *, anew: bool = False, widest: int | None = None
    ) -> str:
        """Set owner and mode of one file, link it, and remove its old name; by one descriptor.

        Permissions outside `widest` (by default those of a message) are removed; none are
        added. `anew` gives the file a new base name.
        """
        try:
            descriptor = os.open(source.name, READ, dir_fd=source.parent)
        except FileNotFoundError:
            return "absent"
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
                raise OSError(errno.EINVAL, "not a regular file") from error
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            self._check_was_his(status)
            mask = self._file_mode if widest is None else widest
            self._give(descriptor, stat.S_IMODE(status.st_mode) & mask)
            if anew:
                to = Name(new_name(to.name, digest_of(descriptor)), to.parent)
            try:
                link_open_file(descriptor, source, to)
            except FileExistsError:
                check_is_linked(status, to)
            except FileNotFoundError:
                if os.fstat(descriptor).st_nlink == 0:
                    return "absent"
                raise OSError(errno.ENOENT, "its folder was deleted during the run") from None
            there = lstat(source.name, source.parent)
            if there is not None and inode_of(there) == inode_of(status):
                os.unlink(source.name, dir_fd=source.parent)
        finally:
            os.close(descriptor)
        return "restored"

    def _check_was_his(self, status: os.stat_result) -> None:
        """Raise OSError for a file that did not belong to the user when the backup was taken.

        The user's directories can contain files of other users, or links to them. They must
        not become the user's; neither must a file of root with several names.
        """
        linked_to_roots = status.st_uid == 0 and status.st_nlink > 1
        if status.st_uid not in (self._was, self._plan.uid) or linked_to_roots:
            raise OSError(errno.EPERM, f"belongs to uid {status.st_uid}, not to the user")

    def _give(self, descriptor: int, mode: int) -> None:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (self._plan.uid, self._plan.gid):
            os.fchown(descriptor, self._plan.uid, self._plan.gid)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)

    def make_home(self) -> None:
        """Create the home and the Maildir, if they are missing and needed."""
        plan, trees = self._plan, self._trees
        if trees.live is not None or not (plan.files or any(f.changes for f in plan.folders)):
            return
        if trees.home is None and lstat(trees.where.user, trees.mount) is None:
            self._make(Name(trees.where.user, trees.mount), trees.recovered_home, (), {})
        with open_directory(trees.where.user, trees.mount) as home:
            if lstat("Maildir", home) is None:
                assert trees.recovered is not None
                self._make(Name("Maildir", home), trees.recovered, ("cur", "new", "tmp"), {})
        trees.enter_made()

    def prepare(self, folder: FolderPlan) -> dict[str, str]:
        """Create the folder if it is missing; returns the letters its keywords have today."""
        assert self._trees.live is not None
        # First: after the folder exists, a rerun would not know that it was missing.
        if folder.subscribe:
            self._subscribe(folder.directory)
        if folder.directory and lstat(folder.directory, self._trees.live) is None:
            if not folder.make:
                raise OSError(errno.ENOENT, "deleted since the plan was made; run this again")
            names = {ord(letter) - ord("a"): name for letter, name in folder.keywords}
            files = {"maildirfolder": b""}
            if names:
                files["dovecot-keywords"] = format_keywords(names)
            with self._trees.recovered_folder(folder.directory) as recovered:
                made = Name(folder.directory, self._trees.live)
                self._make(made, recovered, ("cur", "new", "tmp"), files)
        with self._trees.live_folder(folder.directory) as opened:
            self.check_owner(opened)
            for place in ("cur", "new", "tmp"):
                if lstat(place, opened) is None:
                    self._make(Name(place, opened), opened, (), {})
            return self._letters_today(folder, opened)

    def restore_file(self, path: str) -> int:
        """Move one file that is not mail; returns 1, or 0 if it no longer exists."""
        *above, name = path.split("/")
        assert self._trees.home is not None
        with contextlib.ExitStack() as stack:
            recovered, live = self._trees.recovered_home, self._trees.home
            for directory in above:
                recovered = stack.enter_context(self._trees.below(directory, recovered))
                if lstat(directory, live) is None:
                    self._make(Name(directory, live), recovered, (), {})
                live = stack.enter_context(self._trees.below(directory, live))
                self.check_owner(live)
            status = lstat(name, recovered)
            if status is None:
                return 0
            source, to = Name(name, recovered), Name(name, live)
            if stat.S_ISLNK(status.st_mode):
                self._check_was_his(status)
                self._copy_link(os.readlink(name, dir_fd=recovered), to)
                os.unlink(name, dir_fd=recovered)
                return 1
            return self.bring(source, to, widest=self._plan.directory_mode & 0o777) == "restored"

    def _copy_link(self, target: str, to: Name) -> None:
        """Create a copy of a symbolic link, which is never followed."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink("link", dir_fd=self._staging)
        os.symlink(target, "link", dir_fd=self._staging)
        owner = self._plan.uid, self._plan.gid
        os.chown("link", *owner, dir_fd=self._staging, follow_symlinks=False)
        os.link(
            "link", to.name, src_dir_fd=self._staging, dst_dir_fd=to.parent, follow_symlinks=False
        )

    def forget_quota(self) -> None:
        """Remove `maildirsize`, Maildir++'s sum of all messages: Dovecot then recalculates it.

        https://doc.dovecot.org/2.3/configuration_manual/quota/quota_maildir/
        """
        assert self._trees.live is not None
        with contextlib.suppress(FileNotFoundError):
            os.unlink("maildirsize", dir_fd=self._trees.live)

    def _letters_today(self, folder: FolderPlan, opened: int) -> dict[str, str]:
        wanted = [name for _, name in folder.keywords]
        today = parse_keywords(read_small("dovecot-keywords", opened))
        if not {name.lower() for name in wanted} <= {name.lower() for name in today.values()}:
            self._grow(opened, "dovecot-keywords", "dovecot-uidlist.lock", adding_keywords(wanted))
            today = parse_keywords(read_small("dovecot-keywords", opened))
        letters = {name.lower(): chr(ord("a") + number) for number, name in today.items()}
        return {
            letter: letters[name.lower()]
            for letter, name in folder.keywords
            if name.lower() in letters
        }

    def _subscribe(self, directory: str) -> None:
        assert self._trees.live is not None
        if not is_subscribed(read_small("subscriptions", self._trees.live), directory):
            self._grow(
                self._trees.live,
                "subscriptions",
                "subscriptions.lock",
                lambda content: with_subscription(content, directory),
            )

    def _make(
        self, to: Name, like: int, directories: Sequence[str], files: dict[str, bytes]
    ) -> None:
        """Create a directory of the user, complete before it appears under its name.

        Group and others get the permissions that both the Maildir today and the directory
        `like` grant them.
        """
        mode = self._plan.directory_mode & (os.fstat(like).st_mode | 0o7700)
        with contextlib.suppress(FileNotFoundError):
            remove_tree("made", self._staging)
        os.mkdir("made", 0o700, dir_fd=self._staging)
        with open_directory("made", self._staging) as made:
            for file, content in files.items():
                self._write(Name(file, made), content, mode & 0o666)
            for child in directories:
                os.mkdir(child, 0o700, dir_fd=made)
                with open_directory(child, made) as opened:
                    self._give(opened, mode)
            self._give(made, mode)
        # rename(2) replaces a directory only if it is empty: nothing can be lost.
        try:
            os.rename("made", to.name, src_dir_fd=self._staging, dst_dir_fd=to.parent)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def _write(self, to: Name, content: bytes, mode: int, newer_than: int = 0) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(to.name, dir_fd=to.parent)
        with os.fdopen(os.open(to.name, CREATE, 0o600, dir_fd=to.parent), "wb") as file:
            file.write(content)
            file.flush()
            self._give(file.fileno(), mode)
            now = int(os.fstat(file.fileno()).st_mtime)
            if now <= newer_than:
                os.utime(file.fileno(), (now, newer_than + 1))

    def _grow(self, folder: int, name: str, lock: str, grown: Callable[[bytes], bytes]) -> None:
        """Add to one of Dovecot's lists as Dovecot does: write a new file, with its lock held.

        Dovecot reads a list again when its mtime, in seconds, has changed.
        """
        with self._dovecot_lock(folder, lock):
            status = lstat(name, folder)
            if status is not None and not (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
                raise OSError(errno.EINVAL, f"{name} is not a plain file")
            content = read_small(name, folder)
            if status is not None and len(content) != status.st_size:
                raise OSError(errno.EFBIG, f"{name} cannot be read whole")
            newer_than, mode = 0, self._file_mode
            if status is not None:
                newer_than, mode = int(status.st_mtime), status.st_mode & self._file_mode
            self._write(Name("list", self._staging), grown(content), mode, newer_than)
            os.rename("list", name, src_dir_fd=self._staging, dst_dir_fd=folder)

    def take_back_locks(self) -> None:
        """Remove the Dovecot locks of a killed merge: Dovecot would wait for minutes."""
        ours = lstat("dotlock", self._staging)
        if ours is None or ours.st_nlink == 1:
            return
        if self._trees.live is None:
            return
        for directory in ("", *dot_entries(self._trees.live)[0]):
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                folder = stack.enter_context(self._trees.live_folder(directory))
                for name in ("dovecot-uidlist.lock", "subscriptions.lock"):
                    there = lstat(name, folder)
                    if there is not None and inode_of(there) == inode_of(ours):
                        os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _dovecot_lock(self, folder: int, name: str) -> Iterator[None]:
        """Hold one of Dovecot's lock files; OSError if another process holds it for too long."""
        while not self._locked(folder, name):
            lock = DovecotLock.read(name, folder)
            if lock is None:
                continue
            age = self._file_server_time() - lock.changed
            if age > STALE_AFTER and not lock.is_held_here:
                there = lstat(name, folder)
                if there is not None and inode_of(there) == lock.inode:
                    os.unlink(name, dir_fd=folder)
                    self.notes.append(f"{lock}, unchanged for {age:.0f} s: removed, as stale.")
                continue
            if self._lock_wait <= 0:
                raise OSError(
                    errno.EAGAIN,
                    f"{lock}, unchanged for {age:.0f} s. It counts as stale after {STALE_AFTER} s"
                    + (", unless that process is alive" if lock.is_held_here else "")
                    + ". Run this again",
                )
            self._lock_wait -= 0.1
            time.sleep(0.1)
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)

    def _locked(self, folder: int, name: str) -> bool:
        self._file_server_time()  # Dovecot, too, removes a lock with an old mtime
        try:
            os.link("dotlock", name, src_dir_fd=self._staging, dst_dir_fd=folder)
        except FileExistsError:
            return False
        return True

    def _file_server_time(self) -> float:
        """The time of the clock that sets mtimes on this file system; also sets our lock's."""
        if lstat("dotlock", self._staging) is None:
            self._write(Name("dotlock", self._staging), b"", self._file_mode)
        os.utime("dotlock", dir_fd=self._staging)
        return os.stat("dotlock", dir_fd=self._staging).st_mtime
