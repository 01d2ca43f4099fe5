"""Sends test events of each kind through the alerts, and runs the watch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from cabal_backup import names, urgent
from cabal_backup.config.environment import Environment
from cabal_backup.errors import AwsError, NotFoundError, RefusedError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.results import entries, unless_missing
from cabal_backup.text import one_line

if TYPE_CHECKING:
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef
    from types_boto3_sns.type_defs import SubscriptionTypeDef

_TEST = "of the alerts, by cabal-backup alerts test"


@dataclass(frozen=True, kw_only=True)
class AlertsTest:
    """What a test sends, and who gets it."""

    environment: Environment
    regions: tuple[str, ...]
    events: Mapping[str, Mapping[str, object]]
    """The details of the events by what each is about."""
    confirmed: tuple[str, ...]
    pending: tuple[str, ...]
    """Subscriptions, as PROTOCOL ENDPOINT in REGION."""

    def lines(self) -> tuple[str, ...]:
        """The test in sentences."""
        kinds = ", ".join(self.events)
        return (
            f"{self.environment}: one message of each kind ({kinds}), marked TEST, from each of "
            f"{' and '.join(self.regions)}.",
            *(f"  to {each}" for each in self.confirmed),
            *(f"  NOT CONFIRMED: {each}" for each in self.pending),
        )


def plan_test(aws: Aws) -> AlertsTest:
    """What would be sent to whom.

    Raises RefusedError when alerts are off or a topic is missing, AwsError when AWS refuses.
    """
    environment = aws.environment
    if not environment.alerts:
        raise RefusedError(
            f"Alerts are off in {environment.name}. Set alerts to true and deploy to have them."
        )
    confirmed: list[str] = []
    pending: list[str] = []
    for region in environment.regions:
        for each in _subscriptions(aws, region):
            words = f"{each['Protocol']} {each['Endpoint']} in {region}"
            (confirmed if each["SubscriptionArn"].startswith("arn:") else pending).append(words)
    return AlertsTest(
        environment=environment,
        regions=environment.regions,
        events=_events(aws, tampering=environment.alert_on_tampering),
        confirmed=tuple(confirmed),
        pending=tuple(pending),
    )


def send_test(aws: Aws, test: AlertsTest) -> None:
    """Put the events on the event bus of each region.

    Raises AwsError when EventBridge refuses one.
    """
    for region in test.regions:
        entries: list[PutEventsRequestEntryTypeDef] = [
            {
                "Source": names.EVENT_SOURCE,
                "DetailType": str(detail["detailType"]),
                "Detail": json.dumps(
                    {"test": _TEST, "awsRegion": region}
                    | {key: value for key, value in detail.items() if key != "detailType"}
                ),
            }
            for detail in test.events.values()
        ]
        with worded(f"sending the test in {region}"):
            answer = aws.client("events", region).put_events(Entries=entries)
        if answer["FailedEntryCount"]:
            raise AwsError(f"EventBridge in {region} did not take the test: {answer['Entries']}")


def _subscriptions(aws: Aws, region: str) -> list[SubscriptionTypeDef]:
    sns, topic = aws.client("sns", region), aws.topic_arn(region)
    with worded(f"listing the subscriptions in {region}"):
        listed = unless_missing(
            lambda: entries(sns.list_subscriptions_by_topic, "Subscriptions", TopicArn=topic),
            "NotFound",
            "NotFoundException",
        )
    if listed is None:
        raise NotFoundError(
            f"There is no topic {names.TOPIC} in {region}. Deploy the environment: make deploy "
            f"ENVIRONMENT={aws.environment.name}"
        )
    return listed


def _events(aws: Aws, *, tampering: bool) -> dict[str, dict[str, object]]:
    """Shaped as the events are that the rules match."""
    caller = {"eventID": "test", "userIdentity": {"arn": "cabal-backup alerts test"}}
    events: dict[str, dict[str, object]] = {
        "a failed job": {
            "detailType": "Backup Job State Change",
            "state": "FAILED",
            "statusMessage": "This is a test. Nothing has failed.",
            "backupVaultName": names.VAULT,
            "resourceArn": aws.arn("dynamodb", f"table/{aws.environment.addresses_table}"),
            "resourceType": names.DYNAMODB,
        }
    }
    if tampering:
        events["a change"] = {
            "detailType": "Backup Vault State Change",
            "state": "MODIFIED",
            "backupVaultName": names.VAULT,
        }
        events["a call"] = {
            "detailType": urgent.CLOUDTRAIL,
            "eventSource": "backup.amazonaws.com",
            "eventName": "DeleteBackupVaultLockConfiguration",
            "requestParameters": {"backupVaultName": names.VAULT},
            **caller,
        }
        events["an attack on the monitoring"] = {
            "detailType": urgent.CLOUDTRAIL,
            "eventSource": "events.amazonaws.com",
            "eventName": "DisableRule",
            "requestParameters": {"name": names.RULE_JOBS},
            **caller,
        }
    return events


class WatchFinding(TypedDict):
    """One finding of the watch; `since` is None for what is ok."""

    check: str
    status: str
    since: str | None
    evidence: str
    details: list[str]
    hint: str


class WatchResult(TypedDict):
    """What the watch found and did in one region: the answer of the function (docs/watch.md)."""

    region: str
    status: str
    message: str | None
    heartbeat: bool
    findings: list[WatchFinding]


def run_watch(aws: Aws) -> Iterator[WatchResult]:
    """What the watch found and did in each region that is not assumed lost, one after the other.

    Raises RefusedError where alerts are off or the function is missing, AwsError where it fails.
    """
    environment = aws.environment
    if not environment.alerts:
        raise RefusedError(
            f"Alerts are off in {environment.name}, and the watch is part of them. Set alerts to "
            "true and deploy to have it."
        )
    for region in environment.regions:
        if region not in aws.lost:
            yield _run_in(aws, region)


def _run_in(aws: Aws, region: str) -> WatchResult:
    client = aws.long_timeout_lambda(region)
    with worded(f"running the watch in {region}"):
        answer = unless_missing(
            lambda: client.invoke(FunctionName=names.WATCH), "ResourceNotFoundException"
        )
    if answer is None:
        raise NotFoundError(
            f"There is no function {names.WATCH} in {region}. Deploy the environment: make deploy "
            f"ENVIRONMENT={aws.environment.name}"
        )
    content: WatchResult = json.loads(answer["Payload"].read() or "{}")
    if "FunctionError" in answer:
        said = one_line(f"{content.get('errorType')}: {content.get('errorMessage')}")
        raise AwsError(
            f"The watch in {region} failed: {said}. Its log has more: aws logs tail "
            f"--region {region} --since 1h $(aws lambda get-function-configuration --region "
            f"{region} --function-name {names.WATCH} --query LoggingConfig.LogGroup --output text)"
        )
    return content
