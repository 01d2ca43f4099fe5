"""IAM's delay, with a clock that moves between two calls."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from local_aws.ministack import internals
from local_aws.ministack.propagation import Propagation

ROLE = {"RoleName": "a-role", "Arn": "arn:aws:iam::000000000000:role/a-role"}
SESSION = "arn:aws:sts::000000000000:assumed-role/a-role/session"


@pytest.fixture
def propagation() -> Propagation:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    instants = (start + timedelta(milliseconds=count) for count in itertools.count())
    return Propagation(lambda: next(instants), lambda: timedelta(0))


def test_an_unchanged_role_is_seen(propagation: Propagation) -> None:
    assert propagation.knows(ROLE)


def test_an_unchanged_role_has_its_policies(
    propagation: Propagation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(internals.iam, "_roles", {"a-role": ROLE})
    assert propagation.unsettled_caller(SESSION, {}) is None
