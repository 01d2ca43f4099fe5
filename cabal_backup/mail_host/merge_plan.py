"""What a merge will do, and how the plan is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cabal_backup.mail_host.folders import Batch, total_of
from cabal_backup.mail_host.mail_names import folder_name, shown, some_of
from cabal_backup.mail_host.problems import Problem
from cabal_backup.mail_host.trees import Where


@dataclass(frozen=True)
class FolderPlan:
    """The plan for one folder of the recovery directory."""

    directory: str
    exists: bool
    """Whether the mailbox has it."""
    make: bool
    """Whether it will be created."""
    subscribe: bool
    present: int
    """Messages that the mailbox has in this folder, with any flags; and second copies."""
    moved: tuple[tuple[str, int], ...]
    """Messages that the mailbox has in another folder: (that folder, how many)."""
    filtered: int
    """Missing messages outside --since and --before."""
    left: int
    """Messages whose name the mailbox has with another content, and that are not restored."""
    unknown: int
    """Messages for which it is unknown whether the mailbox has them; they are left."""
    restore: tuple[Batch, ...] = field(repr=False)
    rename: tuple[Batch, ...] = field(repr=False)
    """Messages to restore under a new name, because another message has their name."""
    finish: tuple[Batch, ...] = field(repr=False)
    """Messages that an earlier run put into the mailbox before it was stopped."""
    keywords: tuple[tuple[str, str], ...] = ()
    """(letter, keyword) of the flags a to z of the messages to restore."""
    unnamed: str = ""
    """Letters among these flags that the restored `dovecot-keywords` does not contain."""

    @property
    def name(self) -> str:
        """The folder as a mail client shows it."""
        return folder_name(self.directory)

    @property
    def missing(self) -> int:
        """Messages that will be restored."""
        return total_of(self.restore) + self.renamed

    @property
    def renamed(self) -> int:
        """How many of them get a new name."""
        return total_of(self.rename)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.restore or self.rename or self.finish or self.make)


@dataclass(frozen=True)
class MergePlan:
    """Everything that `merge` will do; str() is the text to confirm."""

    where: Where
    uid: int
    gid: int
    directory_mode: int
    make_home: bool
    restore_moved: bool
    unfinished: bool
    """Whether an earlier merge was stopped before its end: this one cleans up after it."""
    folders: tuple[FolderPlan, ...]
    files: tuple[str, ...]
    """Files that are not mail and that the user's home does not have: they are restored."""
    files_left: tuple[str, ...]
    """Files that are not mail and that cannot be restored, or whose name another file has."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Messages that will be restored."""
        return sum(folder.missing for folder in self.folders)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        changes = any(folder.changes for folder in self.folders)
        return self.unfinished or bool(self.files) or changes

    @property
    def unknown(self) -> int:
        """Messages of which it is not known whether the mailbox has them."""
        return sum(folder.unknown for folder in self.folders)

    def __str__(self) -> str:
        return "\n".join(_plan_lines(self))

    def as_dict(self) -> dict[str, object]:
        """The plan for --json, without the names of messages."""
        return {
            "mount": self.where.mount,
            "recovery": self.where.recovery,
            "user": self.where.user,
            "uid": self.uid,
            "gid": self.gid,
            "makes_home": self.make_home,
            "restore": self.missing,
            "folders": [
                {
                    "folder": folder.name,
                    "restore": folder.missing,
                    "present": folder.present,
                    "moved": dict(folder.moved),
                    "filtered": folder.filtered,
                    "renamed": folder.renamed,
                    "different": folder.left,
                    "unknown": folder.unknown,
                    "finish": total_of(folder.finish),
                    "create": folder.make,
                    "subscribe": folder.subscribe,
                }
                for folder in self.folders
            ],
            "files": list(self.files),
            "files_left": list(self.files_left),
            "problems": [problem._asdict() for problem in self.problems],
            "notes": list(self.notes),
        }


def _plan_lines(plan: MergePlan) -> Iterator[str]:
    where = plan.where
    yield (
        f"Restore {plan.missing} messages of {where.user}, from {where.recovery} into "
        f"{shown(where.mount)}/{where.user}/Maildir, owner {plan.uid}:{plan.gid}."
    )
    if plan.make_home:
        yield f"{where.user} has no home directory there: it is created."
    if plan.unfinished:
        yield "An earlier merge was stopped before its end: this one finishes it."
    yield f"  {'restore':>9} {'present':>9} {'moved':>9} {'filtered':>9}  folder"
    for folder in plan.folders:
        moved = sum(count for _, count in folder.moved)
        what = [shown(folder.name)]
        if folder.make:
            what.append("(created)" if not folder.subscribe else "(created and subscribed)")
        numbers = (folder.missing, folder.present, moved, folder.filtered)
        yield "  " + " ".join(f"{number:>9}" for number in numbers) + "  " + " ".join(what)
    for folder in plan.folders:
        for to_folder, count in folder.moved:
            then = "restored here as well" if plan.restore_moved else "left there"
            yield f"  {count} of {shown(folder.name)} are in {shown(to_folder)} today: {then}."
        if folder.renamed:
            yield (
                f"  {folder.renamed} of {shown(folder.name)} have the name of another message: "
                "restored under a new name."
            )
        if folder.left:
            yield (
                f"  {folder.left} of {shown(folder.name)} differ from the message of the same name "
                "in the mailbox: left. Use --different restore to restore them, too."
            )
        if folder.unknown:
            yield (
                f"  {folder.unknown} of {shown(folder.name)}: left, because it is unknown whether "
                "the mailbox has them."
            )
        if folder.unnamed:
            yield f"  {shown(folder.name)}: keywords {folder.unnamed} are lost: no name is known."
    if any(folder.moved for folder in plan.folders) and not plan.restore_moved:
        yield "  Use --moved restore to restore them to their former folder, too."
    for outcome, files in (
        ("restored, because the home has none", plan.files),
        (
            "left, because the home has other files of these names or they cannot be read",
            plan.files_left,
        ),
    ):
        if files:
            yield f"  {len(files)} files that are not mail are {outcome}: {some_of(files)}."
    yield from (f"  {problem}" for problem in plan.problems)
    yield from (f"  {note}" for note in plan.notes)
