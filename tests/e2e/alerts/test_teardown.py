"""Taking down an environment with alerts: few messages, and nothing is left (S25, S26)."""

from __future__ import annotations

import pytest

from tests.e2e.alerts.conftest import (
    REGIONS,
    SETTINGS,
    Inbox,
    Watched,
    assert_readable,
    start_trail,
    topic,
)
from tests.e2e.operator import Operator
from tests.sandbox.deployment import PROJECT, Deployment


def stacks(watched: Watched) -> set[str]:
    return {
        stack["StackName"]
        for region in REGIONS
        for stack in watched.client("cloudformation", region).describe_stacks()["Stacks"]
        if stack["StackName"] != "CDKToolkit" and stack["StackStatus"] != "DELETE_COMPLETE"
    }


@pytest.fixture
def year(first_year: tuple[Deployment, str]) -> Watched:
    """730 points in each vault; alerts and a trail are added then."""
    deployment, checkpoint = first_year
    deployment.sandbox.rollback(checkpoint)
    start_trail(deployment.sandbox)
    deployment.deploy_assembly(**SETTINGS)
    watched = Watched(deployment, Inbox(deployment.sandbox))
    watched.inbox.subscribe()
    assert watched.inbox.read() == [], "the first deployment of the alerts reports nothing"
    return watched


def test_a_full_year_in_fewer_than_ten_messages(
    year: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(year.deployment, monkeypatch, capsys)
    settings = year.deployment.context_arguments(**SETTINGS)
    options = ["--project", str(PROJECT), "-e", "development", *settings, "--yes"]
    messages = []
    for step in (
        ("unlock", "--reason", "a test"),
        ("teardown", "delete-recovery-points"),
        ("teardown", "destroy"),
    ):
        said = operator.type(*step, *options)
        assert said.code == 0, said
        year.inbox.wait()
        year.sandbox.advance(minutes=20)
        messages += year.inbox.read()

    assert 4 <= len(messages) < 10, [message.subject for message in messages]
    deleted = [message for message in messages if "deletion of a recovery point" in message.subject]
    assert sum(count(message.subject) for message in deleted) == 1460
    for message in messages:
        assert_readable(message)
        assert "Announced: " in message.subject
    assert "By:             the operator's tool, cabal-backup; reason: a_test" in messages[0].body
    assert stacks(year) == set()
    for region in REGIONS:
        assert topic(region) not in {
            each["TopicArn"] for each in year.client("sns", region).list_topics()["Topics"]
        }
        assert not [
            url
            for url in year.client("sqs", region).list_queues().get("QueueUrls", [])
            if "cabal-backup-alerts" in url
        ]


def count(subject: str) -> int:
    return int(subject.rpartition("(")[2].split(" ")[0].replace(",", "")) if "(" in subject else 1
