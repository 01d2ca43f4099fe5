"""What the tests of `status` and `points` share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore does not wait between its tries; everything else in the process does."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
