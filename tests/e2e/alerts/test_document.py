"""docs/alerts.md: every command typed as it stands there, and what arrives then."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.alerts.conftest import Watched
from tests.e2e.shell import make_checkout, sections, type_in


def test_its_commands_work(watched: Watched, tmp_path: Path) -> None:
    parts = sections("docs/alerts.md")
    checkout = make_checkout(tmp_path, watched.deployment)

    said = type_in(parts["Subscribe"], checkout, watched.deployment)
    type_in(parts["Try the channel"], checkout, watched.deployment)

    assert set(parts) == {"Subscribe", "Try the channel"}
    assert said.count("PendingConfirmation") == 2
    # The sandbox evaluates the alarm again every second; more may have come by now.
    first, *_ = watched.inbox.read()
    assert first.region == "us-west-1"
    assert first.subject == (
        "[cabal-backup development] ALARM: For 26 hours no backup of the mailstore has succeeded."
    )
    assert "Reason:         A test of the channel" in first.body.splitlines()
