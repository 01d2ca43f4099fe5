"""The watch as deployed: what it reports, when it is silent, and how its own silence is noticed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import Sandbox

from cabal_backup.functions.watch.heartbeat import CALLS
from cabal_backup.operations.status.checks import CHECKS
from tests.e2e.alerts.conftest import REGIONS, SETTINGS, Inbox, Notification, Watched, confirm
from tests.e2e.operator import Operator
from tests.e2e.status.test_report import Tables
from tests.long import shortened
from tests.receiver import CERTIFICATE, Receiver, receiver

PRIMARY, DR = REGIONS
WATCH = "cabal-backup-watch"
PARAMETER = "/cabal-backup/heartbeat"
RECORD = "/cabal-backup/watch"
BUCKET, KEY = "reports", "cabal-backup/development/report.html"
PATH = "/ping/4f1d2c3b-is-a-secret"


@dataclass(frozen=True)
class Guarded:
    """A healthy environment at 15:00 after a night, and what waits for its heartbeat."""

    watched: Watched
    receiver: Receiver

    @property
    def sandbox(self) -> Sandbox:
        return self.watched.sandbox

    @property
    def inbox(self) -> Inbox:
        return self.watched.inbox

    def next_day(self, days: int = 1) -> list[Notification]:
        """What arrives until 15:00 of that day, when both have run; heartbeats counted anew."""
        self.receiver.called.clear()
        now = self.sandbox.now()
        self.sandbox.advance_to(
            now.replace(hour=15, minute=0, second=0, microsecond=0) + timedelta(days=days)
        )
        return self.inbox.read()


@pytest.fixture(scope="session")
def listening() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(scope="session")
def first_guard(first_watch: tuple[Watched, str], listening: Receiver) -> tuple[Watched, str]:
    watched, checkpoint = first_watch
    watched.sandbox.rollback(checkpoint)
    watched.client("ssm").put_parameter(
        Name=PARAMETER, Value=f"{listening.base}{PATH}", Type="SecureString"
    )
    watched.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": PRIMARY}
    )
    watched.deployment.deploy_assembly(
        **SETTINGS, heartbeat_parameter=PARAMETER, report_bucket=BUCKET
    )
    trust_the_receiver(watched)
    confirm(watched.sandbox)
    watched.sandbox.run_nights(1)
    watched.sandbox.advance_to(watched.sandbox.now().replace(hour=15, minute=0))
    watched.inbox.read()
    return watched, watched.sandbox.checkpoint()


@pytest.fixture
def guarded(first_guard: tuple[Watched, str], listening: Receiver) -> Guarded:
    watched, checkpoint = first_guard
    watched.sandbox.rollback(checkpoint)
    listening.called.clear()
    listening.trouble.clear()
    return Guarded(watched, listening)


def trust_the_receiver(watched: Watched) -> None:
    """Add the test's certificate to those that the deployed function trusts; nothing else."""
    functions = watched.client("lambda")
    configuration = functions.get_function_configuration(FunctionName=WATCH)
    variables = configuration["Environment"]["Variables"] | {"SSL_CERT_FILE": str(CERTIFICATE)}
    functions.update_function_configuration(
        FunctionName=WATCH, Environment={"Variables": variables}
    )


def test_a_month_without_findings_calls_the_heartbeat_daily_without_messages(
    guarded: Guarded,
) -> None:
    for _ in range(shortened(30)):
        assert [each.body for each in guarded.next_day()] == []
        assert guarded.receiver.called == [PATH]


def opt_in(watched: Watched, *, managed: bool) -> None:
    """AWS Backup's management of all tables in the DR region; no trace is left of a change."""
    watched.client("backup", DR).update_region_settings(
        ResourceTypeManagementPreference={"DynamoDB": managed}
    )
    watched.inbox.wait()
    watched.inbox.read()


def test_what_is_not_ok_is_reported_every_day_and_once_more_when_it_is_over(
    guarded: Guarded,
) -> None:
    opt_in(guarded.watched, managed=False)

    since = ""
    for _ in range(2):
        (message,) = guarded.next_day()
        since = since or message.body.splitlines()[0].rpartition("Since ")[2].rstrip(".")
        assert message.region == PRIMARY
        assert message.subject == "[cabal-backup development] NOT PROTECTED: dr-opt-in"
        lines = message.body.splitlines()
        assert lines[0] == f"development is NOT PROTECTED. Since {since}."
        assert f"FAIL dr-opt-in, since {since}" in lines
        assert any(line.startswith("  To do: ") for line in lines)
        assert "    cabal-backup status -e development" in lines
        assert lines[-1].startswith("Not checked by the watch: drill")
        assert guarded.receiver.called == []

    opt_in(guarded.watched, managed=True)
    (over,) = guarded.next_day()
    assert over.subject == "[cabal-backup development] everything is ok again"
    assert f"  dr-opt-in was not ok since {since}" in over.body.splitlines()
    assert guarded.receiver.called == [PATH]
    assert guarded.next_day() == []


def remove_the_schedule(watched: Watched) -> None:
    events = watched.client("events")
    events.remove_targets(Rule=WATCH, Ids=["target"])
    events.delete_rule(Name=WATCH)


def deploy_broken_code(watched: Watched) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("cabal_backup/functions/watch/__init__.py", "def handler(:\n")
        files.writestr("cabal_backup/functions/__init__.py", "")
        files.writestr("cabal_backup/__init__.py", "")
    watched.client("lambda").update_function_code(FunctionName=WATCH, ZipFile=archive.getvalue())


def take_the_role_away(watched: Watched) -> None:
    configuration = watched.client("lambda").get_function_configuration(FunctionName=WATCH)
    watched.client("iam").update_assume_role_policy(
        RoleName=configuration["Role"].rpartition("/")[2],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )


SILENCED: dict[str, Callable[[Watched], None]] = {
    "schedule removed": remove_the_schedule,
    "broken code": deploy_broken_code,
    "role taken away": take_the_role_away,
}


@pytest.fixture(scope="module")
def warmed_up(first_guard: tuple[Watched, str], listening: Receiver) -> str:
    """The checkpoint two days later: the alarm warms up that long."""
    watched, checkpoint = first_guard
    watched.sandbox.rollback(checkpoint)
    Guarded(watched, listening).next_day(2)
    return watched.sandbox.checkpoint()


@pytest.mark.parametrize("name", SILENCED)
def test_the_alarm_arrives_within_26_hours(guarded: Guarded, warmed_up: str, name: str) -> None:
    guarded.sandbox.rollback(warmed_up)
    last_run = guarded.sandbox.now().replace(hour=12, minute=0)
    SILENCED[name](guarded.watched)
    guarded.inbox.read()

    guarded.sandbox.advance_to(last_run + timedelta(hours=26))

    alarms = [
        each for each in guarded.inbox.read() if "has not completed for 25 hours" in each.body
    ]
    assert [each.region for each in alarms] == [PRIMARY]
    assert alarms[0].subject.startswith("[cabal-backup development] ALARM: The watch has not")


def test_an_alarm_that_cannot_be_published_at_first_is_not_lost(
    guarded: Guarded, warmed_up: str
) -> None:
    """Lambda tries an asynchronous call three times; after that the event is in the queue."""
    guarded.sandbox.rollback(warmed_up)
    last_run = guarded.sandbox.now().replace(hour=12, minute=0)
    remove_the_schedule(guarded.watched)
    guarded.inbox.read()
    failing = {"error": "AuthorizationError", "status": 403, "region": PRIMARY}
    guarded.sandbox.faults.services({"service": "sns", "operation": "Publish", **failing})
    guarded.sandbox.advance_to(last_run + timedelta(hours=26))
    assert PRIMARY not in [each.region for each in guarded.inbox.read()]

    guarded.sandbox.faults.services()
    guarded.sandbox.advance(minutes=10)

    alarms = [each for each in guarded.inbox.read() if "ALARM: The watch has not" in each.subject]
    assert [each.region for each in alarms] == [PRIMARY]


@pytest.mark.parametrize("name", SILENCED)
def test_the_watch_in_the_other_region_stands_in(guarded: Guarded, name: str) -> None:
    SILENCED[name](guarded.watched)
    guarded.inbox.read()

    found = [each for each in guarded.next_day(2) if "Not checked by the watch" in each.body]

    assert {each.region for each in found} == {DR}
    assert "FAIL watch" in found[0].body or "WARN watch" in found[0].body
    assert guarded.receiver.called == []


def test_no_alarm_in_the_first_two_days(first_watch: tuple[Watched, str]) -> None:
    watched, checkpoint = first_watch
    watched.sandbox.rollback(checkpoint)
    watched.client("events").disable_rule(Name=WATCH)
    watched.inbox.read()

    watched.sandbox.advance(hours=46)
    assert not [each for each in watched.inbox.read() if "ALARM" in each.subject]

    watched.sandbox.advance(hours=4)
    assert [each.region for each in watched.inbox.read() if "ALARM" in each.subject] == [PRIMARY]


def test_a_heartbeat_that_cannot_be_called_is_an_error(guarded: Guarded) -> None:
    # All calls of one run, which fails; when Lambda runs it again, the call succeeds.
    guarded.receiver.trouble.extend([404] * CALLS)
    guarded.next_day()

    assert guarded.receiver.called == [PATH] * (CALLS + 1)
    logs = guarded.watched.client("logs")
    log = "\n".join(
        event["message"]
        for group in logs.describe_log_groups()["logGroups"]
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
    )
    assert "HTTP 404" in log
    assert PATH not in log
    assert guarded.receiver.base not in log


@pytest.fixture
def operator(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    return Operator(guarded.watched.deployment, monkeypatch, capsys)


def run(operator: Operator, *arguments: str) -> Any:
    return operator.run("watch", "run", *arguments, **SETTINGS, heartbeat_parameter=PARAMETER)


def test_it_runs_on_request_and_finds_what_status_finds(
    guarded: Guarded, operator: Operator
) -> None:
    said = run(operator)
    assert said.code == 0, said.out + said.err
    assert said.out.splitlines() == [
        "us-west-1: ok; nothing to publish, heartbeat called.",
        "us-west-2: ok; nothing to publish.",
    ]
    assert guarded.receiver.called == [PATH]

    guarded.watched.client("backup").delete_backup_vault_lock_configuration(
        BackupVaultName="cabal-backup"
    )
    said = run(operator, "--json")
    assert said.code == 1
    primary, dr = said.json["regions"]
    status = operator.run(
        "status", "--json", "--skip", "drill", **SETTINGS, heartbeat_parameter=PARAMETER
    )
    expected = {each["check"]: each["status"] for each in status.json["findings"]}
    assert {each["check"]: each["status"] for each in primary["findings"]} == expected
    assert set(expected) == set(CHECKS) - {"drill"}
    assert primary["message"] == "[cabal-backup development] NOT PROTECTED: primary-lock"
    assert dr["message"] is None
    assert {each["check"]: each["status"] for each in dr["findings"]} == expected


def test_the_report_in_the_bucket_has_the_figures_of_the_command(
    guarded: Guarded, operator: Operator, tmp_path: Path
) -> None:
    assert run(operator).code == 0
    written = guarded.watched.client("s3").get_object(Bucket=BUCKET, Key=KEY)
    operator.run("report", "--output", str(tmp_path / "report.html"), **SETTINGS)

    page = written["Body"].read().decode()
    theirs, ours = (
        Tables(text).found for text in (page, (tmp_path / "report.html").read_text("utf-8"))
    )

    assert written["ContentType"] == "text/html; charset=utf-8"
    assert written["ServerSideEncryption"] == "AES256"
    assert theirs["Nights"] == ours["Nights"]
    points = "Recovery points and what they cost"
    assert theirs[points] == ours[points]
    assert len(theirs[points]) == 6
    failed = "If us-west-1 failed now"
    # In between the command ran a while, and the watch does not know of drills.
    assert [row[:2] + row[3:4] for row in theirs[failed]] == [
        row[:2] + row[3:4] for row in ours[failed]
    ]
    assert [row[4:] for row in theirs[failed][1:]] == [["unknown"] * 2] * 2
    assert "The watch cannot read the reports of drills" in page


def delete_the_bucket(watched: Watched) -> None:
    watched.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    watched.client("s3").delete_bucket(Bucket=BUCKET)


def deny_the_write(watched: Watched) -> None:
    rule = {"service": "s3", "operation": "PutObject", "error": "AccessDenied", "status": 403}
    watched.sandbox.faults.services(rule)


@pytest.mark.parametrize(
    ("prevent", "cause"), [(delete_the_bucket, "NoSuchBucket"), (deny_the_write, "AccessDenied")]
)
def test_a_report_that_cannot_be_written_is_in_the_message(
    guarded: Guarded, prevent: Callable[[Watched], None], cause: str
) -> None:
    prevent(guarded.watched)

    (message,) = guarded.next_day()

    assert message.subject == "[cabal-backup development] protected, with warnings: report"
    assert f"could not be written to s3://{BUCKET}/{KEY}: PutObject: {cause}" in message.body
    assert "cabal-backup report -e development" in message.body
    assert guarded.receiver.called == []


def disable_the_schedule(watched: Watched) -> None:
    watched.client("events", DR).disable_rule(Name=WATCH)


def run_it_once_a_month(watched: Watched) -> None:
    watched.client("events").put_rule(Name=WATCH, ScheduleExpression="cron(0 12 1 * ? *)")


def delete_the_function(watched: Watched) -> None:
    watched.client("lambda", DR).delete_function(FunctionName=WATCH)


def throttle_the_function(watched: Watched) -> None:
    watched.client("lambda").put_function_concurrency(
        FunctionName=WATCH, ReservedConcurrentExecutions=0
    )


def delete_the_alarm(watched: Watched) -> None:
    watched.client("cloudwatch").delete_alarms(AlarmNames=[WATCH])


def disable_the_alarm(watched: Watched) -> None:
    watched.client("cloudwatch").disable_alarm_actions(AlarmNames=[WATCH])


def raise_the_threshold(watched: Watched) -> None:
    cloudwatch = watched.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[WATCH])["MetricAlarms"]
    answers = ("AlarmArn", "State", "AlarmConfiguration", "EvaluationState", "WarmUp")
    kept = {name: value for name, value in alarm.items() if not name.startswith(answers)}
    cloudwatch.put_metric_alarm(**(kept | {"Threshold": 1000.0}))


def delete_the_record(watched: Watched) -> None:
    watched.client("ssm").delete_parameter(Name=RECORD)


def age_the_record(watched: Watched) -> None:
    ran = watched.sandbox.now() - timedelta(hours=27)
    watched.client("ssm", DR).put_parameter(
        Name=RECORD, Value=json.dumps({"ran": ran.isoformat(), "since": {}}), Overwrite=True
    )


FAULTS: dict[str, tuple[Callable[[Watched], None], str, str]] = {
    "the rule is deleted": (remove_the_schedule, "fail", "us-west-1: the rule"),
    "the rule is disabled": (disable_the_schedule, "fail", "us-west-2: the rule"),
    "it runs once a month": (run_it_once_a_month, "fail", "cron(0 12 1 * ? *), not at"),
    "the function is deleted": (delete_the_function, "fail", "us-west-2: the function"),
    "the function is throttled to zero": (throttle_the_function, "fail", "throttled to zero"),
    "the alarm is deleted": (delete_the_alarm, "fail", "the alarm cabal-backup-watch is missing"),
    "the alarm's actions are disabled": (disable_the_alarm, "fail", "the actions of the alarm"),
    "the alarm's threshold is raised": (raise_the_threshold, "fail", "is not as deployed"),
    "the record is deleted": (delete_the_record, "fail", "the parameter /cabal-backup/watch is"),
    "the record is 27 hours old": (age_the_record, "warn", "us-west-2: ran last at 2026-01-01"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_status_and_the_watch_find_the_same_faults_of_the_watch(
    guarded: Guarded, operator: Operator, fault: str
) -> None:
    inject, status, detail = FAULTS[fault]
    inject(guarded.watched)

    said = operator.run("status", "--json", **SETTINGS, heartbeat_parameter=PARAMETER).json

    found = {each["check"]: each for each in said["findings"]}
    not_ok = {name for name, each in found.items() if each["status"] not in ("ok", "off")}
    assert not_ok == {"watch"}
    assert found["watch"]["status"] == status
    assert detail in " ".join(found["watch"]["details"])
    on, own = operator.options_with(**SETTINGS, heartbeat_parameter=PARAMETER), "-e development"
    assert operator.watch_finds() == [
        (name, each["status"], each["evidence"], each["hint"].replace(on, own), each["details"])
        for name, each in found.items()
        if name != "drill"
    ]


def test_it_says_what_failed(guarded: Guarded, operator: Operator) -> None:
    take_the_role_away(guarded.watched)
    said = run(operator)
    assert said.code == 3
    assert "The watch in us-west-1 failed" in said.err


def test_without_the_function_it_is_refused(guarded: Guarded, operator: Operator) -> None:
    guarded.watched.client("lambda").delete_function(FunctionName=WATCH)
    said = run(operator)
    assert said.code == 9
    assert "make deploy ENVIRONMENT=development" in said.err
