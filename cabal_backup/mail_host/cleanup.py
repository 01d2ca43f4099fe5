"""Removes a user's part of a recovery directory after a merge."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cabal_backup.mail_host.files import THREADS, names_in, refuse_mounts, remove_tree
from cabal_backup.mail_host.folders import Folder, MessageState
from cabal_backup.mail_host.mail_names import folder_name, shown, some_of
from cabal_backup.mail_host.mailbox_writer import staging_area
from cabal_backup.mail_host.survey import survey_trees
from cabal_backup.mail_host.trees import STAGING_PREFIX, Trees, Where


@dataclass(frozen=True)
class CleanupPlan:
    """What would be lost if a user's part of a recovery directory is removed."""

    where: Where
    unmerged: tuple[str, ...]
    """Descriptions of what the mailbox does not have; empty if nothing is lost."""
    others: tuple[str, ...]
    """Other entries of the recovery directory, which are not removed."""

    def __str__(self) -> str:
        lines = [f"Remove {self.where.recovery}/{self.where.user} and everything in it."]
        lines += [f"  Not in the mailbox: {what}" for what in self.unmerged]
        if self.others:
            lines.append(f"  Left: {', '.join(map(shown, self.others))} in {self.where.recovery}.")
        return "\n".join(lines)


def plan_cleanup(where: Where) -> CleanupPlan:
    """Read the user's part of the recovery directory again, and compare everything.

    Raises Refused if there is a mount point in it.
    """
    with contextlib.ExitStack() as stack:
        trees = Trees(where, stack)
        refuse_mounts(where.user, trees.recovery)
    survey = survey_trees(where)
    with contextlib.ExitStack() as stack:
        # Afterwards, because another user's restore may have arrived meanwhile.
        others = tuple(
            name
            for name in names_in(Trees(where, stack).recovery)
            if name != where.user and not name.startswith(STAGING_PREFIX)
        )
    unmerged = []
    for found in survey.folders:
        for states, why in (
            ((MessageState.MISSING, MessageState.SECOND), ""),
            (
                (MessageState.DIFFERENT, MessageState.CLAIMED),
                ", which differ from the message of the same name",
            ),
            ((MessageState.UNKNOWN,), ", which could not be compared"),
        ):
            count = found.count(*states)
            if count:
                name = shown(folder_name(found.directory))
                unmerged.append(f"{count} messages of {name}{why}{_examples(found, states)}")
    unmerged += [str(problem) for problem in survey.problems]
    strange = [file.path for file in survey.files if file.state != MessageState.PRESENT]
    if strange:
        unmerged.append(f"{len(strange)} files that are not mail: {some_of(strange)}")
    return CleanupPlan(where, tuple(unmerged), others)


def _examples(found: Folder, states: Sequence[int]) -> str:
    """Names of up to three messages in one of these states."""
    ordinals = (ordinal for ordinal, state in enumerate(found.here) if state in states)
    names = [shown("/".join(found.path_of(n))) for n in itertools.islice(ordinals, 3)]
    return f" ({', '.join(names)}{', …' if found.count(*states) > 3 else ''})"


def cleanup(plan: CleanupPlan) -> None:
    """Remove the user's part of the recovery directory, and that directory if it is empty.

    Raises Refused while a merge of the user is running, and if there is a mount point in it.
    """
    where = plan.where
    with contextlib.ExitStack() as stack:
        trees = Trees(where, stack)
        refuse_mounts(where.user, trees.recovery)
        with staging_area(trees), ThreadPoolExecutor(THREADS) as pool:
            remove_tree(where.user, trees.recovery, pool)
        if not plan.others:
            os.rmdir(where.recovery, dir_fd=trees.mount)
