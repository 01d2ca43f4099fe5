"""Whether the watch runs every day, and whether a trail logs the calls that change something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.findings import Finding
from cabal_backup.operations.status.read_trails import Trail, logs_writes, trail_regions
from tests.builders import an_environment
from tests.unit.operations.status.builders import (
    DENIED,
    NOW,
    REGIONS,
    a_channel,
    a_record,
    a_state,
    a_trail,
    an_alarm,
    an_alarm_metrics,
    finding,
)


def watched(settings: Any = None, /, *, at: str = "us-west-1", **changes: Any) -> Finding:
    """What `watch` says when one region has these changes."""
    channels = {region: a_channel(region) for region in REGIONS}
    channels[at] = a_channel(at, **changes)
    return finding("watch", a_state(settings or {}, channels=channels))


def changed(what: str, region: str, **members: Any) -> dict[str, Any]:
    """The watch's rule or function with changed members; without any it is missing."""
    there: Known[Any] = getattr(a_channel(region), what)
    one = {**there.value["cabal-backup-watch"], **members} if members else None
    return {what: Known({**there.value, "cabal-backup-watch": one})}


FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "the rule is missing": ("rules", {}, "the rule cabal-backup-watch is missing"),
    "the rule is disabled": (
        "rules",
        {"State": "DISABLED"},
        "the rule cabal-backup-watch is DISABLED",
    ),
    "the rule runs once a month": (
        "rules",
        {"ScheduleExpression": "cron(0 12 1 * ? *)"},
        "the rule cabal-backup-watch runs at cron(0 12 1 * ? *), not at cron(0 {hour} * * ? *)",
    ),
    "the rule has no schedule": (
        "rules",
        {"ScheduleExpression": None},
        "the rule cabal-backup-watch runs at None, not at cron(0 {hour} * * ? *)",
    ),
    "the rule waits for an event too": (
        "rules",
        {"EventPattern": '{"source": ["nothing"]}'},
        "the event pattern of the rule cabal-backup-watch is not as deployed",
    ),
    "the rule leads nowhere": (
        "rules",
        {"Targets": []},
        "the rule cabal-backup-watch does not have the target "
        "arn:aws:lambda:{region}:123456789012:function:cabal-backup-watch",
    ),
    "the rule leads to another function": (
        "rules",
        {"Targets": ["arn:aws:lambda:{region}:123456789012:function:cabal-backup-notify"]},
        "the rule cabal-backup-watch does not have the target "
        "arn:aws:lambda:{region}:123456789012:function:cabal-backup-watch",
    ),
    "the function is missing": ("functions", {}, "the function cabal-backup-watch is missing"),
    "the function failed": (
        "functions",
        {"State": "Failed"},
        "the function cabal-backup-watch is Failed",
    ),
    "its last update failed": (
        "functions",
        {"LastUpdateStatus": "Failed"},
        "the last update of the function cabal-backup-watch failed",
    ),
    "the function is throttled": (
        "functions",
        {"ReservedConcurrentExecutions": 0},
        "the function cabal-backup-watch is throttled to zero",
    ),
}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_part_of_the_watch_that_does_not_work_is_a_failure(fault: str, region: str) -> None:
    what, members, detail = FAULTS[fault]
    found = watched(at=region, **changed(what, region, **members))
    hour = {"us-west-1": 12, "us-west-2": 14}[region]
    assert found.status == "fail"
    assert found.evidence == "The watch cannot report what is wrong."
    assert found.details == (f"{region}: {detail.format(region=region, hour=hour)}",)
    assert found.hint.startswith('make deploy ENVIRONMENT=prod ARGS="--revert-drift"; then ')
    assert "cabal-backup watch run -e prod" in found.hint


@pytest.mark.parametrize("region", REGIONS)
def test_a_record_that_is_missing_is_a_failure(region: str) -> None:
    found = watched(at=region, record=Known(None))
    assert found.status == "fail"
    assert found.details == (f"{region}: the parameter /cabal-backup/watch is missing",)


OTHER = "the alarm cabal-backup-watch is not as deployed"
ALARMS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "it is missing": (None, "the alarm cabal-backup-watch is missing"),
    "its actions are disabled": (
        an_alarm(ActionsEnabled=False),
        "the actions of the alarm cabal-backup-watch are disabled",
    ),
    "it has no action": (
        an_alarm(AlarmActions=[]),
        "the alarm cabal-backup-watch does not have the target cabal-backup-notify",
    ),
    "it leads elsewhere": (
        an_alarm(AlarmActions=["arn:aws:sns:us-west-1:123456789012:nowhere"]),
        "the alarm cabal-backup-watch does not have the target cabal-backup-notify",
    ),
    "another metric": (an_alarm(Metrics=an_alarm_metrics(MetricName="Throttles")), OTHER),
    "another namespace": (an_alarm(Metrics=an_alarm_metrics(Namespace="CabalBackup")), OTHER),
    "another function": (
        an_alarm(
            Metrics=an_alarm_metrics(Dimensions=[{"Name": "FunctionName", "Value": "another"}])
        ),
        OTHER,
    ),
    "another statistic": (an_alarm(Metrics=an_alarm_metrics(Stat="Maximum")), OTHER),
    "a week": (an_alarm(EvaluationPeriods=168), OTHER),
    "a period of a day": (an_alarm(Metrics=an_alarm_metrics(Period=86400)), OTHER),
    "some of the hours": (an_alarm(DatapointsToAlarm=26), OTHER),
    "no failure is too much": (an_alarm(Threshold=1000.0), OTHER),
    "the other way round": (an_alarm(ComparisonOperator="LessThanThreshold"), OTHER),
    "missing data is fine": (an_alarm(TreatMissingData="notBreaching"), OTHER),
    "an hour without a run is fine": (an_alarm(Metrics=an_alarm_metrics("FILL(errors, 0)")), OTHER),
    "one more metric": (
        an_alarm(Metrics=[*an_alarm_metrics(), {"Id": "e1", "Expression": "0"}]),
        OTHER,
    ),
    "a metric without an expression": (
        {**an_alarm(), "Metrics": [], "Namespace": "AWS/Lambda", "MetricName": "Errors"},
        OTHER,
    ),
}


@pytest.mark.parametrize("fault", ALARMS)
def test_an_alarm_that_would_not_be_raised_is_a_failure(fault: str) -> None:
    alarm, detail = ALARMS[fault]
    found = watched(alarm=Known(alarm))
    assert found.status == "fail"
    assert found.details == (f"us-west-1: {detail}",)


def test_the_watch_runs() -> None:
    found = watched()
    assert found.status == "ok"
    assert found.evidence == (
        "The watch runs every day: 2026-03-31 13:00 UTC in us-west-1, "
        "2026-03-31 13:00 UTC in us-west-2."
    )


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("hours", "status"), [(24, "ok"), (26, "ok"), (27, "warn"), (900, "warn")])
def test_a_watch_that_has_not_run_for_26_hours_is_a_warning(
    region: str, hours: int, status: str
) -> None:
    found = watched(at=region, record=Known(a_record(ran=NOW - timedelta(hours=hours))))
    assert found.status == status
    if status == "warn":
        assert found.evidence == f"The watch has not run for 26 hours in {region}."
        assert found.details[0].startswith(f"{region}: ran last at 2026-0")


@pytest.mark.parametrize(("hours", "status"), [(1, "ok"), (26, "ok"), (27, "warn")])
def test_a_watch_that_has_never_run_is_due_a_day_after_its_deployment(
    hours: int, status: str
) -> None:
    record = a_record(ran=None, written=NOW - timedelta(hours=hours))
    found = watched(record=Known(record))
    assert found.status == status
    if status == "ok":
        assert "first run due in us-west-1" in found.evidence
    else:
        assert found.details == ("us-west-1: has never run",)


def test_both_regions_are_named() -> None:
    old = Known(a_record(ran=NOW - timedelta(days=2)))
    channels = {region: a_channel(region, record=old) for region in REGIONS}
    found = finding("watch", a_state(channels=channels))
    assert found.evidence == "The watch has not run for 26 hours in us-west-1 and us-west-2."
    assert len(found.details) == 2


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("part", ["rules", "functions", "alarm", "record"])
def test_what_cannot_be_looked_at_of_the_watch_is_unknown(part: str, region: str) -> None:
    assert watched(at=region, **{part: DENIED}).status == "unknown"


def test_a_fault_of_the_watch_that_is_known_weighs_more_than_what_is_not() -> None:
    assert watched(rules=DENIED, alarm=Known(None)).status == "fail"
    assert (
        watched(
            record=Known(a_record(ran=None, written=NOW - timedelta(days=9))), rules=DENIED
        ).status
        == "unknown"
    )


def test_without_alerts_there_is_no_watch() -> None:
    state = a_state({"alerts": False}, channels={}, trails={})
    found = finding("watch", state)
    assert (found.status, found.hint) == ("off", "")


def test_without_alerts_a_trail_is_not_needed() -> None:
    state = a_state({"alerts": False}, channels={}, trails={})
    assert finding("trail", state).status == "off"


def heard(*primary: Trail, dr: Any = None, **settings: Any) -> Finding:
    """What `trail` says with these trails in the primary region, and a good one in the other."""
    trails = {
        "us-west-1": Known(list(primary)),
        "us-west-2": Known([a_trail()]) if dr is None else dr,
    }
    return finding("trail", a_state(settings, trails=trails))


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
def test_no_trail_logs_management_events(trails: list[Trail], why: list[str]) -> None:
    found = heard(*trails)
    assert found.status == "warn"
    assert "in us-west-1: the removal of a lock" in found.evidence
    assert "aws cloudtrail start-logging" in found.hint
    assert list(found.details) == why


def test_one_trail_that_logs_is_enough() -> None:
    assert heard(a_trail(is_logging=False), a_trail(name="second")).status == "ok"


ABROAD = a_trail(name="abroad", home="eu-west-1")


@pytest.mark.parametrize(
    ("primary", "dr", "status"),
    [
        ([ABROAD], [ABROAD], "warn"),
        ([ABROAD, a_trail()], [ABROAD], "warn"),
        ([ABROAD, a_trail()], [ABROAD, a_trail()], "ok"),
        ([a_trail(home="us-west-2")], [a_trail(home="us-west-2")], "ok"),
        ([a_trail(home="eu-west-1", account="210987654321")] * 2, None, "ok"),
    ],
)
def test_a_trail_that_can_be_stopped_in_a_third_region(
    primary: list[Trail], dr: list[Trail] | None, status: str
) -> None:
    found = heard(*primary, dr=dr and Known(dr))
    assert found.status == status
    assert ("trail abroad is stopped" in found.evidence) is (status == "warn")
    assert ("create-trail --region us-west-1" in found.hint) is (status == "warn")


def test_a_region_whose_trails_cannot_be_looked_at() -> None:
    assert heard(a_trail(), dr=DENIED).status == "unknown"
    assert heard(dr=DENIED).status == "warn"


def test_one_trail_that_cannot_be_looked_at_does_not_matter_beside_one_that_logs() -> None:
    assert heard(Trail(name="organization", unread=DENIED), a_trail()).status == "ok"


def test_trails_of_which_one_that_cannot_be_looked_at_may_log() -> None:
    found = heard(Trail(name="organization", unread=DENIED), a_trail(is_logging=False))
    assert found.status == "unknown"
    assert list(found.details) == [
        f"organization in us-west-1: could not be looked at: {DENIED.reason}",
        "audit in us-west-1: it is not logging",
    ]
    assert "aws cloudtrail create-trail" in found.hint


def test_a_trail_that_cannot_be_looked_at_does_not_hide_that_the_other_region_has_none() -> None:
    found = heard(Trail(name="organization", unread=DENIED), dr=Known([]))
    assert found.status == "warn"
    assert "in us-west-2: the removal of a lock" in found.evidence


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
def test_event_selectors_of_both_forms(selectors: Any, logged: bool) -> None:
    assert logs_writes(selectors) is logged
