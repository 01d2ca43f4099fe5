"""The account and the region of the current request or task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from local_aws.backup.world import Scope
from local_aws.ministack import internals


def current() -> Scope:
    """The account and region that MiniStack uses on this thread."""
    return Scope(
        account=internals.responses.get_account_id(), region=internals.responses.get_region()
    )


@contextmanager
def acting_in(scope: Scope) -> Iterator[None]:
    """Use the stores of `scope` in this context."""
    with internals.responses.request_scope(scope.account, scope.region):
        yield
