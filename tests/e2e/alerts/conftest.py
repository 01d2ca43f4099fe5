"""An environment with all its alerts on, a trail, and an inbox."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from local_aws.client import ACCOUNT, Sandbox
from local_aws_tests.served.backups import make_queue

from tests.e2e.assembly import synthesize_here
from tests.e2e.conftest import ADDRESSES
from tests.e2e.prepared import prepare
from tests.sandbox import cabal
from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import Deployment

REGIONS = ("us-west-1", "us-west-2")

SETTINGS = {
    "alerts": "true",
    "alert_emails": "operator@example.com",
    "restore_testing": "true",
}


@dataclass(frozen=True)
class Notification:
    """One message as it arrives."""

    region: str
    subject: str
    body: str


@dataclass(frozen=True)
class Inbox:
    """What reaches a subscriber of the topics of both regions."""

    sandbox: Sandbox

    def subscribe(self) -> None:
        """A queue on each topic, with raw delivery off: the subject is in the envelope."""
        for region in REGIONS:
            _, arn = make_queue(self.sandbox, "inbox", "sns.amazonaws.com", region=region)
            self.sandbox.client("sns", region).subscribe(
                TopicArn=topic(region), Protocol="sqs", Endpoint=arn
            )

    def read(self) -> list[Notification]:
        """Everything that has arrived since the last look, in both regions."""
        # Longer than a batch is collected; the sandbox then waits until everything is delivered.
        self.sandbox.advance(minutes=2)
        self.sandbox.advance(minutes=2)
        return [
            Notification(region, str(envelope.get("Subject")), str(envelope["Message"]))
            for region in REGIONS
            for envelope in self._take(region)
        ]

    def wait(self) -> None:
        """Until AWS Backup's own events are reported, which wait for a call that says who."""
        self.sandbox.advance(minutes=2)
        self.sandbox.advance(minutes=6)

    def only(self) -> Notification:
        """The one message that has arrived; it can be read by a person."""
        found = self.read()
        assert len(found) == 1, [message.subject for message in found]
        (message,) = found
        assert_readable(message)
        return message

    def _take(self, region: str) -> list[dict[str, Any]]:
        sqs = self.sandbox.client("sqs", region)
        url = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
        taken: list[dict[str, Any]] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                taken.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken


def topic(region: str) -> str:
    return f"arn:aws:sns:{region}:{ACCOUNT}:cabal-backup-alerts"


def assert_readable(message: Notification) -> None:
    """A subject that SNS takes, and words: no JSON, and something to type."""
    assert message.subject.startswith("[cabal-backup development] ")
    assert message.subject.isascii()
    assert len(message.subject) < 100
    assert "{" not in message.body
    assert '"detail-type"' not in message.body
    assert "    cabal-backup status -e development" in message.body.splitlines()


@dataclass(frozen=True)
class Watched:
    """The deployment and its inbox."""

    deployment: Deployment
    inbox: Inbox

    @property
    def sandbox(self) -> Sandbox:
        return self.deployment.sandbox

    def client(self, service: str, region: str = "us-west-1") -> Any:
        return self.sandbox.client(service, region)

    def take_the_second_night(self) -> None:
        """Up to 02:00, when all its jobs have ended."""
        self.sandbox.advance_to(datetime(2026, 1, 3, 2, 0, tzinfo=UTC))


def confirm(sandbox: Sandbox, since: int = 0) -> None:
    """Every address follows the link in the mail that SNS has sent.

    :param since: how many mails are not looked at; each link works once.
    """
    for mail in sandbox.emails()[since:]:
        if token := mail.get("token"):
            region = mail["topic"].split(":")[3]
            sandbox.client("sns", region).confirm_subscription(TopicArn=mail["topic"], Token=token)


def start_trail(sandbox: Sandbox) -> None:
    """One trail for all regions, which logs management events and those of IAM."""
    sandbox.client("s3").create_bucket(
        Bucket="audit-logs", CreateBucketConfiguration={"LocationConstraint": "us-west-1"}
    )
    cloudtrail = sandbox.client("cloudtrail")
    cloudtrail.create_trail(Name="audit", S3BucketName="audit-logs", IsMultiRegionTrail=True)
    cloudtrail.start_logging(Name="audit")


@pytest.fixture(scope="session")
def first_watch(running_sandbox: Sandbox, bootstrapped_account: str) -> tuple[Watched, str]:
    """Deployed with every alert on, and the checkpoint right after."""

    def deploy() -> Cabal:
        running_sandbox.rollback(bootstrapped_account)
        filled = cabal.fill(running_sandbox, addresses=ADDRESSES)
        deployment = Deployment(running_sandbox, filled, synthesize=synthesize_here)
        start_trail(running_sandbox)
        deployment.deploy_assembly(**SETTINGS)
        Inbox(running_sandbox).subscribe()
        return filled

    filled, checkpoint = prepare(running_sandbox, "watched", deploy)
    running_sandbox.rollback(checkpoint)
    found = filled.found_in(running_sandbox)
    deployment = Deployment(running_sandbox, found, synthesize=synthesize_here)
    return Watched(deployment, Inbox(running_sandbox)), checkpoint


@pytest.fixture(scope="session")
def first_night(first_watch: tuple[Watched, str]) -> tuple[Watched, str]:
    """After a first night, with everything read that had arrived by then, and in good health, so
    that the watch reports nothing.
    """
    watched, checkpoint = first_watch

    def live() -> None:
        watched.sandbox.rollback(checkpoint)
        confirm(watched.sandbox)
        watched.sandbox.run_nights(1)
        watched.inbox.read()

    _, night = prepare(
        watched.sandbox, "first-night", live, watched.deployment.cabal.file_system_id
    )
    return watched, night


@pytest.fixture
def just_deployed(first_watch: tuple[Watched, str]) -> Watched:
    """Half a day before its first night."""
    watched, checkpoint = first_watch
    watched.sandbox.rollback(checkpoint)
    return watched


@pytest.fixture
def watched(first_night: tuple[Watched, str]) -> Watched:
    """06:00 after the first night; the inbox is empty."""
    watched, checkpoint = first_night
    watched.sandbox.rollback(checkpoint)
    return watched
