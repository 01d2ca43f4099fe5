"""Whether a trail logs the calls that change something: asked of AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from cabal_backup.config.environment import Environment
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, Unknown, ask, ask_together

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
    home: str = ""
    """The region where it can be stopped, narrowed or deleted, and where these calls are events."""
    account: str = ""
    """Whose it is: this account, or that which manages the organization."""
    is_logging: bool = False
    logs_writes: bool = False
    """Whether it logs management events that change something, those of AWS Backup included."""
    delivery_error: str = ""
    """Why S3 did not take what it logged last, such as `NoSuchBucket`; empty where it did."""
    unread: Unknown | None = None
    """Why nothing but its name is known."""

    @property
    def fault(self) -> str | None:
        """Why it does not record or deliver the calls that change something; None if it does."""
        if self.unread:
            return f"could not be looked at: {self.unread.reason}"
        if not self.is_logging:
            return "it is not logging"
        if self.delivery_error:
            return f"S3 does not take what it logs: {self.delivery_error}"
        return None if self.logs_writes else "it leaves out calls that change something"


def read_trails(aws: Aws) -> Mapping[str, Answer[list[Trail]]]:
    """The trails that reach each of the regions that `trail_regions` names."""
    return ask_together(
        {region: partial(_trails, aws, region) for region in trail_regions(aws.environment)}
    )


def trail_regions(environment: Environment) -> tuple[str, ...]:
    """The regions in which a trail must log what is to be reported."""
    if not (environment.alerts and environment.alert_on_tampering):
        return ()
    return (environment.region, environment.dr_region)


def _trails(aws: Aws, region: str) -> list[Trail]:
    """With those of other regions that reach here ("shadow trails"), and the organization's.

    A member account sees the organization's trail in the list; asking about it may be refused.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/creating-trail-organization.html
    """
    trails = []
    for listed in aws.client("cloudtrail", region).describe_trails()["trailList"]:
        answer = ask(partial(_trail, aws, listed))
        if isinstance(answer, Unknown):
            trails.append(Trail(name=listed["Name"], unread=answer))
        else:
            trails.append(answer.value)
    return trails


def _trail(aws: Aws, trail: TrailTypeDef) -> Trail:
    # Its home region knows everything about it.
    cloudtrail = aws.client("cloudtrail", trail["HomeRegion"])
    arn = trail["TrailARN"]
    status = cloudtrail.get_trail_status(Name=arn)
    return Trail(
        name=trail["Name"],
        home=trail["HomeRegion"],
        account=arn.split(":")[4],
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
    value, given = _WRITES.get(field["Field"]), cast("Mapping[str, list[str]]", field)
    if value is None:
        return False

    def matches(negation: str) -> list[bool]:
        return [
            *(value == each for each in given.get(f"{negation}Equals", ())),
            *(value.startswith(each) for each in given.get(f"{negation}StartsWith", ())),
            *(value.endswith(each) for each in given.get(f"{negation}EndsWith", ())),
        ]

    wanted = matches("")
    return (any(wanted) or not wanted) and not any(matches("Not"))
