"""When the rules of EventBridge that have a schedule run."""

from __future__ import annotations

import pytest

from local_aws.ministack import internals
from local_aws.ministack.schedules import Schedules


def test_ministacks_own_thread_runs_no_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would run at any moment, also during a rollback."""
    ran: list[str] = []
    monkeypatch.setattr(internals.eventbridge, "_now_ts", None)
    monkeypatch.setattr(internals.eventbridge, "_tick_scheduled_rules", lambda: ran.append("rules"))
    schedules = Schedules(lambda: 0.0)
    schedules.install()

    internals.eventbridge._tick_scheduled_rules()  # what the thread calls
    assert ran == []

    schedules.fire()
    assert ran == ["rules"]
