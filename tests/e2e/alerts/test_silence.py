"""Nothing succeeds, nothing fails: silence alarms, and says when it is over (S27)."""

from __future__ import annotations

from tests.e2e.alerts.conftest import Watched, assert_readable
from tests.e2e.status.aws_by_hand import delete_selections

SILENT = {
    "For 26 hours no backup of the addresses table has succeeded.",
    "For 26 hours no backup of the mailstore has succeeded.",
    "For 26 hours no copy to the DR region of the addresses table has succeeded.",
    "For 26 hours no copy to the DR region of the mailstore has succeeded.",
}


def heard(watched: Watched) -> list[tuple[str, str]]:
    """Of each message that has arrived the first words and the rest of the title."""
    told = watched.inbox.read()
    for message in told:
        assert_readable(message)
        assert message.region == "us-west-1"
    titles = [message.body.splitlines()[0].partition(": ") for message in told]
    return [(first, rest) for first, _, rest in titles]


def test_after_the_first_deployment_they_rise_until_the_first_night(just_deployed: Watched) -> None:
    """That nothing was backed up yet is true, and it proves the channel."""
    just_deployed.sandbox.advance(hours=1)
    alarms = just_deployed.client("cloudwatch").describe_alarms()["MetricAlarms"]
    # Most have risen while nobody but CloudFormation could have subscribed.
    just_deployed.inbox.read()
    just_deployed.sandbox.run_nights(1)

    risen = [alarm for alarm in alarms if alarm["AlarmName"].startswith("cabal-backup-no-")]
    assert {alarm["AlarmDescription"] for alarm in risen} == SILENT
    assert {alarm["StateValue"] for alarm in risen} == {"ALARM"}
    assert sorted(heard(just_deployed)) == sorted(
        ("OK again, it is over", silent) for silent in SILENT
    )


def test_nights_that_nobody_takes_are_noticed(watched: Watched) -> None:
    """Somebody has emptied the plan: no job fails, because none is started."""
    with_nobody_looking = watched.client("events")
    (rule,) = (
        each["Name"]
        for each in with_nobody_looking.list_rules()["Rules"]
        if "UpdateBackupPlan" in each.get("EventPattern", "")
    )
    with_nobody_looking.disable_rule(Name=rule)
    delete_selections(watched.sandbox)

    watched.sandbox.advance(hours=19)
    within_26_hours = heard(watched)
    watched.sandbox.advance(hours=3)

    assert within_26_hours == []
    assert sorted(heard(watched)) == sorted(("ALARM", silent) for silent in SILENT)


def test_a_job_that_hangs_is_noticed_and_then_forgiven(watched: Watched) -> None:
    watched.sandbox.faults.apply(hold=["copy"])
    watched.sandbox.run_nights(1)
    hanging = heard(watched)
    watched.sandbox.faults.clear()
    watched.sandbox.advance(hours=1)

    copies = {silent for silent in SILENT if "copy" in silent}
    assert sorted(hanging) == sorted(("ALARM", silent) for silent in copies)
    assert sorted(heard(watched)) == sorted(("OK again, it is over", silent) for silent in copies)


def test_an_alarm_names_itself_its_reason_and_since_when(watched: Watched) -> None:
    watched.sandbox.faults.apply(hold=["copy"])
    watched.sandbox.run_nights(1)
    (told,) = (
        message for message in watched.inbox.read() if "mailstore" in message.body.splitlines()[0]
    )

    assert told.subject == (
        "[cabal-backup development] ALARM: "
        "For 26 hours no copy to the DR region of the mailstore has suc..."
    )
    lines = told.body.splitlines()
    assert "Alarm:          cabal-backup-no-copy-efs" in lines
    assert "State:          ALARM, before OK" in lines
    assert "\nReason:         Sum of NumberOfCopyJobsCompleted against " in told.body
    assert "\nSince:          2026-01-03 0" in told.body
