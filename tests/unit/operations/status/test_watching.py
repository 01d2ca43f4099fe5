"""Whether a trail logs the calls that change something."""

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
    a_trail,
    a_watch,
    finding,
)


def test_without_alerts_a_trail_is_not_needed() -> None:
    state = a_state({"alerts": False}, watching=a_watch(channels={}, trails={}))
    assert finding("trail", state).status == "off"


def heard(*primary: Trail, dr: Any = None, **settings: Any) -> Finding:
    """What `trail` says with these trails in the primary region, and a good one in the other."""
    trails = {
        "us-west-1": Known(list(primary)),
        "us-west-2": Known([a_trail()]) if dr is None else dr,
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


@pytest.mark.parametrize(
    ("settings", "regions"),
    [
        ({}, ("us-west-1", "us-west-2")),
        ({"alerts": False}, ()),
        ({"alert_on_tampering": False}, ()),
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
