"""How messages reach the operator, and whether a trail logs what they report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from cabal_backup.config.environment import Environment
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, Asking
from cabal_backup.operations.status import alerts
from cabal_backup.operations.status.alerts import Channel

if TYPE_CHECKING:
    from types_boto3_cloudtrail.type_defs import (
        AdvancedEventSelectorOutputTypeDef,
        AdvancedFieldSelectorOutputTypeDef,
        EventSelectorOutputTypeDef,
        GetEventSelectorsResponseTypeDef,
        TrailTypeDef,
    )

_WRITES = {
    "eventCategory": "Management",
    "readOnly": "false",
    "eventSource": "backup.amazonaws.com",
}
"""What a call of AWS Backup that changes something looks like to an event selector."""


@dataclass(frozen=True, kw_only=True)
class Trail:
    """A CloudTrail trail that reaches a region."""

    name: str
    is_logging: bool
    logs_writes: bool
    """Whether it logs management events that change something, those of AWS Backup included."""
    delivery_error: str
    """Why S3 did not take what it logged last, such as `NoSuchBucket`; empty where it did."""

    @property
    def hears(self) -> bool:
        """Whether it records and delivers the calls that change something."""
        return self.is_logging and self.logs_writes and not self.delivery_error


@dataclass(frozen=True, kw_only=True)
class Watching:
    """By region; nothing where alerts are off."""

    channels: Mapping[str, Channel]
    trails: Mapping[str, Answer[list[Trail]]]


def look(aws: Aws) -> Watching:
    """Ask AWS about both regions side by side."""
    with Asking() as asking:
        channels = asking.submit(alerts.look, aws)
        trails = {
            region: asking.ask(partial(_trails, aws, region))
            for region in trail_regions(aws.environment)
        }
    return Watching(
        channels=channels.result(),
        trails={region: answer.result() for region, answer in trails.items()},
    )


def trail_regions(environment: Environment) -> tuple[str, ...]:
    """The regions in which a trail must log what is to be reported."""
    if not (environment.alerts and environment.alert_on_tampering):
        return ()
    return (environment.region, environment.dr_region)


def _trails(aws: Aws, region: str) -> list[Trail]:
    # With those of other regions that reach here ("shadow trails").
    listed = aws.client("cloudtrail", region).describe_trails()["trailList"]
    return [_trail(aws, trail) for trail in listed]


def _trail(aws: Aws, trail: TrailTypeDef) -> Trail:
    # Its home region knows everything about it.
    cloudtrail = aws.client("cloudtrail", trail["HomeRegion"])
    arn = trail["TrailARN"]
    status = cloudtrail.get_trail_status(Name=arn)
    return Trail(
        name=trail["Name"],
        is_logging=bool(status["IsLogging"]),
        logs_writes=logs_writes(cloudtrail.get_event_selectors(TrailName=arn)),
        delivery_error=status.get("LatestDeliveryError") or "",
    )


def logs_writes(selectors: GetEventSelectorsResponseTypeDef) -> bool:
    """Whether a trail's event selectors, of either form, let calls of AWS Backup through.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
    """
    basic: Sequence[EventSelectorOutputTypeDef] = selectors.get("EventSelectors") or ()
    advanced: Sequence[AdvancedEventSelectorOutputTypeDef] = (
        selectors.get("AdvancedEventSelectors") or ()
    )
    return any(
        selector.get("IncludeManagementEvents", True)
        and selector.get("ReadWriteType", "All") in ("All", "WriteOnly")
        for selector in basic
    ) or any(
        all(_lets_through(field) for field in selector["FieldSelectors"]) for selector in advanced
    )


def _lets_through(field: AdvancedFieldSelectorOutputTypeDef) -> bool:
    """One condition of an advanced event selector; one on anything else narrows it too much."""
    value = _WRITES.get(field["Field"])
    if value is None:
        return False

    def given(operator: str) -> Iterable[str]:
        return cast("Mapping[str, list[str]]", field).get(operator, ())

    def matches(negation: str) -> list[bool]:
        return [
            *(value == each for each in given(f"{negation}Equals")),
            *(value.startswith(each) for each in given(f"{negation}StartsWith")),
            *(value.endswith(each) for each in given(f"{negation}EndsWith")),
        ]

    wanted = matches("")
    return (any(wanted) or not wanted) and not any(matches("Not"))
