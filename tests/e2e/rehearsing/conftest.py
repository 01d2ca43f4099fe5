"""A deployment that listens, the morning after its first night."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.sandbox.backups import make_queue, received
from tests.sandbox.client import Sandbox
from tests.sandbox.deployment import Deployment

MORNING = datetime(2026, 1, 2, 8, 0, tzinfo=UTC)
"""The first night, of 2 January, is over, copies included."""


@dataclass(frozen=True)
class Listener:
    """A queue that gets the events our handlers put on the bus."""

    sandbox: Sandbox
    url: str

    def events(self) -> list[dict[str, Any]]:
        """Those that came since the last time."""
        return received(self.sandbox, self.url)


@pytest.fixture(scope="module")
def first_listening(
    first_deployment: tuple[Deployment, str],
) -> Callable[..., tuple[Deployment, str]]:
    """Deploy with these settings on top, and go on to the morning; a checkpoint of it."""
    deployment, checkpoint = first_deployment

    def deploy(**settings: str) -> tuple[Deployment, str]:
        deployment.sandbox.rollback(checkpoint)
        deployment.deploy(**settings)
        deployment.sandbox.advance_to(MORNING)
        return deployment, deployment.sandbox.checkpoint()

    return deploy


def listen(sandbox: Sandbox) -> Listener:
    url, arn = make_queue(sandbox, "ours", "events.amazonaws.com")
    events = sandbox.client("events")
    pattern = {"source": ["cabal-backup"]}
    events.put_rule(Name="ours", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="ours", Targets=[{"Id": "queue", "Arn": arn}])
    return Listener(sandbox, url)
