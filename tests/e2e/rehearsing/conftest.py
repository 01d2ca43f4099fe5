"""A deployment that tests restores, before and after its first night."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from local_aws.client import Sandbox
from local_aws_tests.served.backups import make_queue, received

from tests.e2e.prepared import prepare
from tests.sandbox.deployment import Deployment

SETTINGS = {
    "restore_testing": "true",
    "restore_testing_schedule": "cron(0 9 * * ? *)",
    "dr_restore_testing_table_schedule": "cron(0 9 * * ? *)",
    "dr_restore_testing_mailstore_schedule": "cron(0 9 * * ? *)",
}
"""Tested every day, not once a month, so that the first night is followed by a test."""

MORNING = datetime(2026, 1, 2, 8, 0, tzinfo=UTC)
"""The first night, of 2 January, is over, copies included."""


@pytest.fixture(scope="session")
def listening_from_noon(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """The deployment with SETTINGS, and its checkpoint right after."""
    deployment, checkpoint = first_deployment

    def deploy() -> None:
        deployment.sandbox.rollback(checkpoint)
        deployment.deploy_assembly(**SETTINGS)

    _, listening = prepare(deployment.sandbox, "listening", deploy, deployment.cabal.file_system_id)
    return deployment, listening


@dataclass(frozen=True)
class Listener:
    """A queue that gets the events our functions put on the bus."""

    sandbox: Sandbox
    url: str

    def events(self) -> list[dict[str, Any]]:
        """Those that came since the last time."""
        return received(self.sandbox, self.url)


def listen(sandbox: Sandbox) -> Listener:
    url, arn = make_queue(sandbox, "ours", "events.amazonaws.com")
    events = sandbox.client("events")
    events.put_rule(Name="ours", EventPattern=json.dumps({"source": ["cabal-backup"]}))
    events.put_targets(Rule="ours", Targets=[{"Id": "queue", "Arn": arn}])
    return Listener(sandbox, url)
