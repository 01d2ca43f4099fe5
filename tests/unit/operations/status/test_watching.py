"""Who is told, and whether a trail hears what they are to be told of."""

from __future__ import annotations

from typing import Any

import pytest

from cabal_backup.operations.answers import Known
from cabal_backup.operations.status.findings import Finding
from cabal_backup.operations.status.watching import Trail, logs_writes, trail_regions
from tests.builders import an_environment
from tests.unit.operations.status.builders import (
    DENIED,
    a_state,
    a_subscription,
    a_trail,
    a_watch,
    finding,
)

PENDING = a_subscription(SubscriptionArn="PendingConfirmation", Endpoint="second@example.com")
GONE = a_subscription(SubscriptionArn="Deleted")


def told(*primary: Any, dr: Any = None, **settings: Any) -> Finding:
    """What `alerts` says with these subscriptions in the primary region, and one in the other."""
    there = Known([a_subscription()]) if dr is None else dr
    watching = a_watch(subscriptions={"us-west-1": Known(list(primary)), "us-west-2": there})
    return finding("alerts", a_state(settings, watching=watching))


def test_somebody_is_subscribed_in_both_regions() -> None:
    found = told(a_subscription(), a_subscription(Protocol="https"))
    assert found.status == "ok"
    assert found.evidence == (
        "What fails is told: 2 subscriptions in us-west-1, 1 subscription in us-west-2."
    )


@pytest.mark.parametrize("listed", [[], [GONE]])
def test_nobody_is_subscribed(listed: list[Any]) -> None:
    found = told(*listed)
    assert found.status == "warn"
    assert "Nobody is subscribed to cabal-backup-alerts in us-west-1" in found.evidence


def test_what_to_type_when_nobody_is() -> None:
    assert told().hint == (
        "aws sns subscribe --region us-west-1 --topic-arn="
        "arn:aws:sns:us-west-1:123456789012:cabal-backup-alerts --protocol email "
        "--notification-endpoint ADDRESS, and follow the link in the mail; or set alert_emails "
        "and deploy."
    )


def test_nobody_has_confirmed() -> None:
    found = told(PENDING)
    assert found.status == "warn"
    assert found.hint == "Follow the link in the mail that SNS has sent to each address."
    assert found.details == ("second@example.com in us-west-1 has not confirmed",)


def test_one_who_has_confirmed_is_enough_and_the_other_is_mentioned() -> None:
    found = told(a_subscription(), PENDING)
    assert found.status == "ok"
    assert found.details == ("second@example.com in us-west-1 has not confirmed",)


def test_there_is_no_topic() -> None:
    found = told(a_subscription(), dr=Known(None))
    assert found.status == "warn"
    assert "There is no topic cabal-backup-alerts in us-west-2" in found.evidence
    assert found.hint == "Deploy the environment: make deploy ENVIRONMENT=prod"


def test_a_region_that_cannot_be_looked_at_is_unknown_unless_the_other_is_bad_already() -> None:
    assert told(a_subscription(), dr=DENIED).status == "unknown"
    assert told(dr=DENIED).status == "warn"


def test_alerts_that_are_off_are_as_the_settings_want_them() -> None:
    state = a_state({"alerts": False}, watching=a_watch(subscriptions={}, trails={}))
    for check in ("alerts", "trail"):
        assert finding(check, state).status == "ok"
    assert "Alerts are off in the settings" in finding("alerts", state).evidence


def heard(*primary: Trail, dr: Any = None, iam: Any = None, **settings: Any) -> Finding:
    """What `trail` says with these trails in the primary region, and a good one in the other."""
    trails = {
        "us-west-1": Known(list(primary)),
        "us-west-2": Known([a_trail()]) if dr is None else dr,
        **({} if iam is None else {"us-east-1": iam}),
    }
    return finding("trail", a_state(settings, watching=a_watch(trails=trails)))


def test_a_trail_logs_in_both_regions() -> None:
    found = heard(a_trail())
    assert found.status == "ok"
    assert found.evidence == (
        "A trail logs the calls that change something: audit in us-west-1, audit in us-west-2."
    )


@pytest.mark.parametrize(
    ("trails", "why"),
    [
        ([], []),
        ([a_trail(is_logging=False)], ["audit in us-west-1: it is not logging"]),
        (
            [a_trail(logs_writes=False)],
            ["audit in us-west-1: it leaves out calls that change something"],
        ),
        (
            [a_trail(delivery_error="NoSuchBucket")],
            ["audit in us-west-1: S3 does not take what it logs: NoSuchBucket"],
        ),
    ],
)
def test_no_trail_hears(trails: list[Trail], why: list[str]) -> None:
    found = heard(*trails)
    assert found.status == "warn"
    assert "in us-west-1: a lock taken off there" in found.evidence
    assert "aws cloudtrail start-logging" in found.hint
    assert list(found.details) == why


def test_one_trail_that_hears_is_enough() -> None:
    assert heard(a_trail(is_logging=False), a_trail(name="second")).status == "ok"


def test_a_region_whose_trails_cannot_be_looked_at() -> None:
    assert heard(a_trail(), dr=DENIED).status == "unknown"
    assert heard(dr=DENIED).status == "warn"


def test_the_role_is_watched_where_iam_is_heard_and_with_a_trail_for_it() -> None:
    deaf = Known([a_trail(logs_global_services=False)])
    good = Known([a_trail()])
    assert heard(a_trail(), iam=good, alert_on_role_changes=True).status == "ok"
    found = heard(a_trail(), iam=deaf, alert_on_role_changes=True)
    assert found.status == "warn"
    assert list(found.details) == [
        "audit in us-east-1: it leaves out the calls of global services, such as IAM"
    ]


@pytest.mark.parametrize(
    ("settings", "regions"),
    [
        ({}, ("us-west-1", "us-west-2")),
        ({"alerts": False}, ()),
        ({"alert_on_tampering": False}, ()),
        ({"alert_on_role_changes": True}, ("us-west-1", "us-west-2", "us-east-1")),
        ({"alert_on_tampering": False, "alert_on_role_changes": True}, ("us-east-1",)),
        ({"alert_on_role_changes": True, "region": "us-east-1"}, ("us-east-1", "us-west-2")),
    ],
)
def test_trails_matter_where_something_is_to_be_heard(
    settings: dict[str, Any], regions: tuple[str, ...]
) -> None:
    assert trail_regions(an_environment(**settings)) == regions


def basic(**selector: Any) -> dict[str, Any]:
    return {"EventSelectors": [selector]}


def advanced(*fields: dict[str, Any]) -> dict[str, Any]:
    management = {"Field": "eventCategory", "Equals": ["Management"]}
    return {"AdvancedEventSelectors": [{"FieldSelectors": [management, *fields]}]}


def of(field: str, **operators: list[str]) -> dict[str, Any]:
    return {"Field": field, **operators}


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    name = "AdvancedEventSelectors"
    return {name: [*one[name], *other[name]]}


DATA = {"AdvancedEventSelectors": [{"FieldSelectors": [of("eventCategory", Equals=["Data"])]}]}


@pytest.mark.parametrize(
    ("selectors", "logged"),
    [
        ({}, False),
        (basic(ReadWriteType="All", IncludeManagementEvents=True, DataResources=[]), True),
        (basic(ReadWriteType="WriteOnly", IncludeManagementEvents=True), True),
        (basic(ReadWriteType="ReadOnly", IncludeManagementEvents=True), False),
        (basic(ReadWriteType="All", IncludeManagementEvents=False), False),
        (basic(), True),
        (advanced(), True),
        (DATA, False),
        (advanced(of("readOnly", Equals=["false"])), True),
        (advanced(of("readOnly", Equals=["true"])), False),
        (advanced(of("eventSource", NotEquals=["kms.amazonaws.com"])), True),
        (advanced(of("eventSource", NotEquals=["backup.amazonaws.com"])), False),
        (advanced(of("eventSource", Equals=["iam.amazonaws.com"])), False),
        (advanced(of("eventSource", Equals=["iam.amazonaws.com", "backup.amazonaws.com"])), True),
        (advanced(of("eventSource", StartsWith=["backup."])), True),
        (advanced(of("eventSource", NotStartsWith=["backup."])), False),
        (advanced(of("eventSource", EndsWith=[".amazonaws.com"])), True),
        (advanced(of("eventSource", NotEndsWith=[".amazonaws.com"])), False),
        (advanced(of("sessionCredentialFromConsole", Equals=["true"])), False),
        (both(DATA, advanced()), True),
    ],
)
def test_event_selectors_of_both_forms(selectors: dict[str, Any], logged: bool) -> None:
    assert logs_writes(selectors) is logged
