"""docs/alerts.md and docs/watch.md: every command typed as it stands there."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.alerts.conftest import SETTINGS, Watched
from tests.e2e.shell import make_checkout, sections, type_in


def test_its_commands_work(just_deployed: Watched, tmp_path: Path) -> None:
    watched = just_deployed
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


def test_the_watch_runs_and_the_heartbeat_is_stored(watched: Watched, tmp_path: Path) -> None:
    parts = sections("docs/watch.md")
    checkout = make_checkout(tmp_path, watched.deployment)
    (checkout / "heartbeat-url").write_text("https://example.com/ping/secret")
    context = checkout / "cdk.context.json"
    more = {f"development.{name}": value for name, value in SETTINGS.items()}
    context.write_text(json.dumps(json.loads(context.read_text()) | more))

    assert set(parts) == {"", "The heartbeat"}
    said = type_in(parts[""], checkout, watched.deployment)
    type_in(parts["The heartbeat"], checkout, watched.deployment)

    assert "us-west-1: ok; nothing to publish." in said
    assert not (checkout / "heartbeat-url").exists()
    stored = watched.client("ssm").get_parameter(
        Name="/cabal-backup/heartbeat", WithDecryption=True
    )["Parameter"]
    assert (stored["Type"], stored["Value"]) == ("SecureString", "https://example.com/ping/secret")
