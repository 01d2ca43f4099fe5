"""A live table that needs its backup, and what each way of cutting over promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from local_aws.client import Sandbox

from tests import killing
from tests.e2e.tables.tables import ADDRESSES, Item, delete, items, make_restored, put

MODES = ("overwrite", "missing-only", "mirror")
RESTORED = "restored"
WRITES = ("BatchWriteItem", "PutItem", "DeleteItem", "TransactWriteItems")


def address(name: str, **more: str) -> Item:
    texts = {"address": f"{name}@mail.example.com", "user": "alice", **more}
    return {key: {"S": text} for key, text in texts.items()}


def lose(sandbox: Sandbox) -> list[Item]:
    """A backup of all addresses; then a third goes, a third is spoiled, and others come."""
    backup = items(sandbox, ADDRESSES)
    make_restored(sandbox, RESTORED, {"address": "S"}, backup)
    delete(sandbox, ADDRESSES, ({"address": item["address"]} for item in backup[::3]))
    put(sandbox, ADDRESSES, ({**item, "user": {"S": "mallory"}} for item in backup[1::3]))
    put(sandbox, ADDRESSES, (address(f"later{number}") for number in range(60)))
    return backup


def promised(backup: list[Item], live: list[Item], mode: str) -> list[Item]:
    """What each mode leaves, from the words of its documentation."""
    in_backup = {item["address"]["S"]: item for item in backup}
    in_live = {item["address"]["S"]: item for item in live}
    result = {
        "overwrite": {**in_live, **in_backup},
        "missing-only": {**in_backup, **in_live},
        "mirror": in_backup,
    }[mode]
    return [result[key] for key in sorted(result)]


def by_address(found: list[Item]) -> list[Item]:
    return sorted(found, key=lambda item: str(item["address"]["S"]))


def writes(pass_moment: killing.Pass, patch: pytest.MonkeyPatch | None = None) -> None:
    """Every write of items, before it is sent and once it is answered."""
    killing.aws_calls(lambda name: pass_moment(name) if name in WRITES else None, patch)


@contextmanager
def meanwhile(act: Callable[[str, int], object]) -> Iterator[list[str]]:
    """Let others act before and after each write of this process.

    :param act: receives the operation and how often it was called with it. Its own writes do not
        count.

    Yields the operations at which others acted.
    """
    moments: list[str] = []
    acting = False

    def pass_moment(name: str) -> None:
        nonlocal acting
        if not acting:
            acting = True
            act(name, moments.count(name))
            moments.append(name)
            acting = False

    with pytest.MonkeyPatch.context() as patch:
        writes(pass_moment, patch)
        yield moments
