"""Whether the watch runs, and whether a trail logs the calls that urgent events are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup import names, urgent
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.checks.alert_delivery import function_faults, rule_faults
from cabal_backup.operations.status.checks.outcome import all_known, fail, off, ok, unknown, warn
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.read_alerts import Channel, WatchRecord
from cabal_backup.operations.status.read_trails import trail_regions
from cabal_backup.operations.status.state import State
from cabal_backup.text import duration, moment

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

SILENT = timedelta(hours=26)
"""How long after its last run the watch, which runs every 24 hours, counts as silent."""


def watch(state: State) -> Outcome:
    """The function that judges the environment every day, in both regions, and its alarm."""
    environment = state.environment
    if not environment.alerts:
        return off("Alerts are off in the settings, and the watch is part of them.")
    channels = state.channels
    broken = [
        f"{region}: {what}"
        for region, channel in channels.items()
        for what in _watch_faults(state, region, channel)
    ]
    hint = (
        f"{state.revert_command}; then cabal-backup watch run {environment.options}. "
        f"The log of the function {names.WATCH} says why a run failed."
    )
    if broken:
        return fail("The watch cannot report what is wrong.", hint, details=broken)
    answers = (
        answer
        for channel in channels.values()
        for answer in (channel.rules, channel.functions, channel.alarm, channel.record)
    )
    all_known(answers, looking_at="the watch")
    silent = {
        region: record
        for region, channel in channels.items()
        if (record := channel.record.value_or(None)) and is_silent(record, state.now)
    }
    if silent:
        return warn(
            f"The watch has not run for {duration(SILENT)} in {' and '.join(silent)}.",
            hint,
            details=[
                f"{region}: {f'ran last at {moment(one.ran)}' if one.ran else 'has never run'}"
                for region, one in silent.items()
            ],
        )
    ran = [
        f"{moment(record.ran) if record.ran else 'first run due'} in {region}"
        for region, channel in channels.items()
        if (record := channel.record.value_or(None))
    ]
    return ok(f"The watch runs every day: {', '.join(ran)}.")


def is_silent(record: WatchRecord, now: datetime) -> bool:
    """Whether the watch should have run since; right after a deployment it need not have."""
    return now - (record.ran or record.written) > SILENT


def _watch_faults(state: State, region: str, channel: Channel) -> Iterator[str]:
    environment = state.environment
    yield from rule_faults(
        names.WATCH,
        channel,
        schedule=environment.watch_schedule_in(region),
        target=state.arn("lambda", f"function:{names.WATCH}", region=region),
    )
    yield from function_faults(names.WATCH, channel)
    if isinstance(channel.record, Known) and channel.record.value is None:
        yield f"the parameter {names.WATCH_RECORD} is missing"
    if region == environment.region and isinstance(channel.alarm, Known):
        yield from _alarm_faults(channel.alarm.value)


def _alarm_faults(alarm: MetricAlarmTypeDef | None) -> Iterator[str]:
    if alarm is None:
        yield f"the alarm {names.WATCH} is missing"
        return
    if not alarm["ActionsEnabled"]:
        yield f"the actions of the alarm {names.WATCH} are disabled"
    if not any(each.endswith(f":{names.NOTIFY}") for each in alarm["AlarmActions"]):
        yield f"the alarm {names.WATCH} does not have the target {names.NOTIFY}"
    if (
        not _has(alarm, urgent.ALARM)
        or alarm.get("DatapointsToAlarm", urgent.ALARM_HOURS) != urgent.ALARM_HOURS
    ):
        yield f"the alarm {names.WATCH} is not as deployed"


def _has(seen: object, wanted: object) -> bool:
    """Whether a description has these members; it may have more, and lists in another order."""
    if isinstance(wanted, Mapping):
        return isinstance(seen, Mapping) and all(
            _has(seen.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(seen, list)
            and len(seen) == len(wanted)
            and all(any(_has(one, each) for one in seen) for each in wanted)
        )
    return seen == wanted


def trail(state: State) -> Outcome:
    """A trail that logs what changes something, in each region where tampering is reported, and
    that cannot be stopped in a third one.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StopLogging.html
    """
    regions = trail_regions(state.environment)
    if not regions:
        return off("Reports of changes are off in the settings, so no trail is needed.")
    own_trail = (
        f"aws cloudtrail create-trail --region {regions[0]} --name NAME --s3-bucket-name BUCKET "
        f"--is-multi-region-trail; aws cloudtrail start-logging --region {regions[0]} --name NAME"
    )
    answers = {region: state.trails[region] for region in regions}
    logged = {
        region: [one for one in each.value if not one.fault]
        for region, each in answers.items()
        if isinstance(each, Known)
    }
    missing = [region for region, found in logged.items() if not found]
    details = [
        f"{one.name} in {region}: {one.fault}"
        for region in missing
        for one in answers[region].value_or(())
    ]
    unread = {
        region: found
        for region in missing
        if (found := [one.unread for one in answers[region].value_or(()) if one.unread])
    }
    without = [region for region in missing if region not in unread]
    if without:
        return warn(
            f"No trail logs the calls that change something in {' and '.join(without)}: the "
            "removal of a lock, or any other tampering there, is not reported.",
            f"Create a trail for all regions: {own_trail}",
            details=details,
        )
    if unread:
        reasons = [each for found in unread.values() for each in found]
        return replace(
            unknown(*reasons, looking_at="all trails", details=details),
            hint="If this remains, for example because the trail is of another account, create a "
            f"trail in this account too: {own_trail}",
        )
    all_known(answers.values(), looking_at="the trails")
    # A trail of the organization can be stopped by the account that manages it only.
    stopped_unseen = [
        found[0]
        for found in logged.values()
        if all(one.home not in regions and one.account == state.account for one in found)
    ]
    if stopped_unseen:
        one = stopped_unseen[0]
        return warn(
            f"If the trail {one.name} is stopped, that is not reported: only {one.home}, where it "
            "was created, gets the event.",
            f"Create a trail for all regions in {regions[0]}: {own_trail}",
        )
    trails = ", ".join(f"{found[0].name} in {region}" for region, found in logged.items())
    return ok(f"A trail logs the calls that change something: {trails}.")
