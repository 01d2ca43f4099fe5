"""docs/alerts.md: every command typed as it stands there, and what arrives then."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.alerts.conftest import SETTINGS, Watched
from tests.e2e.shell import make_checkout, sections, type_in


def test_its_commands_work(watched: Watched, tmp_path: Path) -> None:
    parts = sections("docs/alerts.md")
    checkout = make_checkout(tmp_path, watched.deployment)
    context = checkout / "cdk.context.json"
    more = {f"development.{name}": value for name, value in SETTINGS.items()}
    context.write_text(json.dumps(json.loads(context.read_text()) | more))

    said = type_in(parts["Subscribe"], checkout, watched.deployment)
    type_in(parts["Test the channel"], checkout, watched.deployment)

    assert set(parts) == {"Subscribe", "Test the channel"}
    assert said.count("PendingConfirmation") == 2
    messages = watched.inbox.read()
    assert len(messages) == 10
    assert all("] TEST " in message.subject for message in messages)
