"""Whose account and which region a piece of work belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from local_aws.backup.world import Scope
from local_aws.ministack import internals


def current() -> Scope:
    """The account and region MiniStack is working for on this thread."""
    return Scope(
        account=internals.responses.get_account_id(), region=internals.responses.get_region()
    )


@contextmanager
def acting_in(scope: Scope) -> Iterator[None]:
    """Make MiniStack's scoped stores answer for `scope`."""
    with internals.responses.request_scope(scope.account, scope.region):
        yield
