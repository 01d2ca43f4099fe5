"""The watch: what it publishes, what it keeps, and the heartbeat."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cabal_backup.config.environment import Environment, dump
from cabal_backup.errors import CredentialsError
from cabal_backup.functions import watch
from cabal_backup.functions.watch.heartbeat import HeartbeatError
from cabal_backup.functions.watch.watch_message import WatchRun
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.checks import CHECKS
from cabal_backup.operations.status.findings import Finding, Outcome, Status, Verdict
from cabal_backup.operations.status.state import State
from tests.builders import ACCOUNT, OTHER_ACCOUNT, an_environment
from tests.receiver import CERTIFICATE, Receiver, receiver
from tests.unit.functions.aws import THROTTLED, Account, Refusal, Wire, denied, wired
from tests.unit.operations.status.builders import (
    DENIED,
    NOW,
    a_region,
    a_state,
    a_vault,
)

PRIMARY, DR = "us-west-1", "us-west-2"
TOPIC = "arn:aws:sns:{}:123456789012:cabal-backup-alerts"
RECORD, PARAMETER = "/cabal-backup/watch", "/cabal-backup/heartbeat"
SECRET = "/ping/4f1d2c3b-not-for-the-log"

YESTERDAY = NOW - timedelta(days=1)
GOOD = a_state()
UNLOCKED = a_state(dr=a_region("dr", vault=Known(a_vault("cabal-backup-dr", Locked=False))))
CLOCK_UNKNOWN = a_state(clock_skew=DENIED)
NOT_EXERCISED = a_state({"restore_testing": False}, restore_jobs=Known([]), testing={})


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


@dataclass
class Watched(Account):
    """Two regions with a record and a topic each, in which `read_state` sees `state`."""

    state: State = GOOD
    environment: Environment = field(
        default_factory=lambda: an_environment(heartbeat_parameter=PARAMETER)
    )
    url: str = ""
    records: dict[str, str] = field(default_factory=dict)
    published: list[tuple[str, str, str]] = field(default_factory=list)
    """Region, subject and body of every message."""
    refused_in: dict[str, Refusal] = field(default_factory=dict)
    """Regions in which the record cannot be read."""

    def __post_init__(self) -> None:
        self.answers = {
            "GetParameter": self._get,
            "PutParameter": self._put,
            "Publish": self._publish,
            "PutObject": lambda _: {},
            "ListRecoveryPointsByBackupVault": lambda _: {"RecoveryPoints": []},
            "ListBackupJobs": lambda _: {"BackupJobs": []},
            "ListCopyJobs": lambda _: {"CopyJobs": []},
            "ListLegalHolds": lambda _: {"LegalHolds": []},
        }
        self.ran(PRIMARY)
        self.ran(DR)

    def ran(self, region: str, at: datetime = YESTERDAY, **since: datetime) -> None:
        """The watch ran before; `since` by check, with `_` for `-`."""
        content = {check.replace("_", "-"): written(when) for check, when in since.items()}
        self.records[region] = json.dumps({"ran": written(at), "since": content})

    def record(self, region: str = PRIMARY) -> Any:
        return json.loads(self.records[region])

    @property
    def subjects(self) -> list[str]:
        return [subject for _, subject, _ in self.published]

    def answer(self, model: Any, context: Any, **given: Any) -> Any:
        """In one region, and with AWS's time."""
        self._region = given["request_signer"].region_name
        response, parsed = super().answer(model, context, **given)
        headers = {"date": format_datetime(NOW, usegmt=True)}
        return response, {
            **parsed,
            "ResponseMetadata": {**parsed["ResponseMetadata"], "HTTPHeaders": headers},
        }

    def _get(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if given["Name"] == PARAMETER:
            assert given["WithDecryption"] is True
            return {"Parameter": {"Type": "SecureString", "Value": self.url}}
        assert given["Name"] == RECORD
        if self._region in self.refused_in:
            raise self.refused_in[self._region]
        if self._region not in self.records:
            raise Refusal("ParameterNotFound", "")
        return {
            "Parameter": {
                "Type": "String",
                "Value": self.records[self._region],
                "LastModifiedDate": YESTERDAY,
            }
        }

    def _put(self, given: Mapping[str, Any]) -> dict[str, Any]:
        assert given["Name"] == RECORD
        assert given["Overwrite"] is True
        assert self._region in self.records or given["Type"] == "String"
        self.records[self._region] = given["Value"]
        return {"Version": 2}

    def _publish(self, given: Mapping[str, Any]) -> dict[str, Any]:
        assert given["TopicArn"] == TOPIC.format(self._region)
        self.published.append((self._region, given["Subject"], given["Message"]))
        return {"MessageId": "1"}


pytestmark = pytest.mark.usefixtures("slept")


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired() as wire:
        yield wire


@pytest.fixture
def listener() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def watched(
    wire: Wire,
    listener: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Watched]:
    """All is well. Whatever happens, the heartbeat's URL is not in the log."""
    wire.account = watched = Watched(url=listener.base + SECRET)

    def connect(environment: Environment) -> Aws:
        assert environment == watched.environment
        assert boto3.DEFAULT_SESSION is not None
        return Aws(environment, boto3.DEFAULT_SESSION, ACCOUNT)

    def read_state(_aws: Aws, now: datetime, *, drills: Any) -> State:
        return replace(watched.state, now=now, drills=drills)

    monkeypatch.setattr(watch, "connect", connect)
    monkeypatch.setattr(watch, "read_state", read_state)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("AWS_CONFIG_FILE", "does-not-exist")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    caplog.set_level(logging.INFO)
    yield watched
    formatter = logging.Formatter("%(name)s %(message)s")
    log = "\n".join(formatter.format(record) for record in caplog.get_records("call"))
    for secret in (SECRET, listener.base):
        assert secret not in log


@pytest.fixture
def run(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The handler, called in a region."""

    def run(region: str = PRIMARY) -> dict[str, Any]:
        monkeypatch.setenv("AWS_REGION", region)
        monkeypatch.setenv("ENVIRONMENT", dump(watched.environment))
        monkeypatch.setenv("TOPIC_ARN", TOPIC.format(region))
        return watch.handler({}, None)

    return run


# --- What is published


def test_without_findings_there_is_no_message(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    found = run()
    assert watched.published == []
    assert listener.called == [SECRET]
    assert (found["status"], found["message"], found["heartbeat"]) == ("ok", None, True)
    assert watched.record() == {"ran": written(NOW), "since": {}}


@pytest.mark.parametrize(
    ("state", "check", "subject", "opening", "status"),
    [
        (UNLOCKED, "dr-lock", "NOT PROTECTED", "is NOT PROTECTED.", "FAIL"),
        (
            CLOCK_UNKNOWN,
            "clock",
            "PROTECTION UNKNOWN",
            "may not be protected: not everything could be examined.",
            "UNKNOWN",
        ),
        (
            NOT_EXERCISED,
            "restore-tests",
            "protected, with warnings",
            "is protected, but some checks have warnings.",
            "WARN",
        ),
    ],
)
def test_what_is_not_ok_is_one_message(
    watched: Watched,
    run: Any,
    listener: Receiver,
    state: State,
    check: str,
    subject: str,
    opening: str,
    status: str,
) -> None:
    watched.state = state
    found = run()

    ((region, said, body),) = watched.published
    lines = body.splitlines()
    assert region == PRIMARY
    assert said == found["message"] == f"[cabal-backup prod] {subject}: {check}"
    assert lines[0] == f"prod {opening} Since 2026-03-31 14:00 UTC."
    assert f"{status} {check}, since 2026-03-31 14:00 UTC" in lines
    (finding,) = (each for each in found["findings"] if each["check"] == check)
    assert f"  {finding['evidence']}" in lines
    assert all(f"    {each}" in lines for each in finding["details"])
    assert f"  To do: {finding['hint']}" in lines if finding["hint"] else "To do" not in body
    assert "    cabal-backup status -e prod" in lines
    assert lines[-1].startswith("Not checked by the watch: drill, ")
    assert listener.called == []
    assert found["heartbeat"] is False
    assert watched.record() == {"ran": written(NOW), "since": {check: written(NOW)}}


def test_it_repeats_with_the_moment_of_the_first_time(watched: Watched, run: Any) -> None:
    began = NOW - timedelta(days=9)
    watched.ran(PRIMARY, dr_lock=began)
    watched.state = UNLOCKED
    run()
    (_, _, body) = watched.published[0]
    assert body.splitlines()[0] == "prod is NOT PROTECTED. Since 2026-03-22 14:00 UTC."
    assert watched.record()["since"] == {"dr-lock": written(began)}


def test_another_finding_begins_today(watched: Watched, run: Any) -> None:
    watched.ran(PRIMARY, dr_lock=YESTERDAY, keys=YESTERDAY)
    watched.state = replace(UNLOCKED, clock_skew=DENIED)
    run()
    assert watched.subjects == ["[cabal-backup prod] NOT PROTECTED: dr-lock, clock"]
    assert watched.record()["since"] == {"dr-lock": written(YESTERDAY), "clock": written(NOW)}
    (_, _, body) = watched.published[0]
    assert body.index("FAIL dr-lock") < body.index("UNKNOWN clock"), "the worst first"
    assert "2 checks are not ok. This message repeats every day until all are." in body


def test_when_it_is_over_there_is_one_more(watched: Watched, run: Any, listener: Receiver) -> None:
    watched.ran(PRIMARY, dr_lock=YESTERDAY)
    run()
    ((_, subject, body),) = watched.published
    assert subject == "[cabal-backup prod] everything is ok again"
    assert "  dr-lock was not ok since 2026-03-30 14:00 UTC" in body.splitlines()
    assert listener.called == [SECRET]

    run()
    assert len(watched.published) == 1


@pytest.mark.parametrize("value", ["{}", "null", "[]", "not JSON", '{"ran": 7, "since": {}}'])
def test_an_unreadable_record_is_replaced(watched: Watched, run: Any, value: str) -> None:
    watched.records[PRIMARY] = value
    run()
    assert watched.record() == {"ran": written(NOW), "since": {}}


def test_a_missing_record_is_created(watched: Watched, run: Any) -> None:
    del watched.records[PRIMARY]
    watched.state = UNLOCKED
    run()
    assert watched.subjects == ["[cabal-backup prod] NOT PROTECTED: dr-lock"]
    assert set(watched.record()["since"]) == {"dr-lock"}


def test_every_check_is_made_but_the_skipped(run: Any) -> None:
    found = run()
    assert [each["check"] for each in found["findings"]] == [
        check for check in CHECKS if check != "drill"
    ]
    assert found["skipped"] == ["drill"]
    json.dumps(found)


# --- The words


def a_report(*findings: Finding) -> WatchRun:
    return WatchRun(
        environment="prod",
        now=NOW,
        verdict=Verdict(findings),
        since={each.check: NOW for each in findings},
        before={},
        skipped=("drill",),
    )


def test_the_subject_is_one_that_sns_takes() -> None:
    findings = [Outcome(Status.FAIL, "").of(f"a-check-of-the-löck-{n}") for n in range(30)]
    message = a_report(*findings).message()
    assert message is not None
    assert message.subject.isascii()
    assert len(message.subject) == 99
    assert message.subject.endswith("...")


def test_what_aws_says_cannot_steer_a_terminal() -> None:
    found = Outcome(Status.FAIL, "It says: \x1b[2J", "see \x9b1m", ("\u202egood",)).of("jobs")
    message = a_report(found).message()
    assert message is not None
    assert not {"\x1b", "\x9b", "\u202e"} & set(message.body)
    assert "It says: \N{REPLACEMENT CHARACTER}[2J" in message.body


def test_the_body_is_one_that_sns_takes() -> None:
    """256 KiB at most; the end, with the command to type, is always there."""
    findings = [
        Outcome(Status.FAIL, "é" * 3000, "", ("é" * 3000,) * 20).of(f"check-{n}") for n in range(29)
    ]
    message = a_report(*findings).message()
    assert message is not None
    assert len(message.body.encode()) < 256 * 1024
    assert "    cabal-backup status -e prod" in message.body.splitlines()
    assert "This message is cut." in message.body


@pytest.mark.parametrize(("count", "more"), [(20, None), (21, 1), (700, 680)])
def test_a_finding_lists_twenty_details(count: int, more: int | None) -> None:
    details = tuple(f"night {n}" for n in range(count))
    message = a_report(Outcome(Status.FAIL, "missing", details=details).of("nights")).message()
    assert message is not None
    lines = message.body.splitlines()
    assert sum(line.startswith("    night ") for line in lines) == 20
    said = [line for line in lines if line.endswith("more: status --verbose shows all")]
    assert said == ([] if more is None else [f"    and {more} more: status --verbose shows all"])


# --- The report in a bucket


@pytest.fixture
def reporting(watched: Watched) -> Watched:
    watched.environment = an_environment(report_bucket="reports", heartbeat_parameter=PARAMETER)
    return watched


def test_without_a_bucket_no_report_is_written(watched: Watched, run: Any) -> None:
    run()
    assert watched.called("PutObject") == []


def test_the_report_is_written_encrypted_to_a_bucket_of_the_account(
    reporting: Watched, run: Any, listener: Receiver
) -> None:
    found = run()
    (put,) = reporting.called("PutObject")
    page = put["Body"].read().decode()
    assert {name: value for name, value in put.items() if name != "Body"} == {
        "Bucket": "reports",
        "Key": "cabal-backup/prod/report.html",
        "ContentType": "text/html; charset=utf-8",
        "ServerSideEncryption": "AES256",
        "ExpectedBucketOwner": ACCOUNT,
    }
    assert page.startswith("<!DOCTYPE html>")
    assert "<h2>Drills</h2>\n<p>The watch cannot read the reports of drills" in page
    assert "never measured" not in page
    assert found["message"] is None
    assert listener.called == [SECRET]


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (Refusal("NoSuchBucket", "The bucket does not exist", 404), "PutObject: NoSuchBucket"),
        (denied("s3:PutObject"), "PutObject: AccessDeniedException"),
    ],
)
def test_a_report_that_cannot_be_written_is_a_warning(
    reporting: Watched, run: Any, listener: Receiver, refusal: Refusal, cause: str
) -> None:
    reporting.refuse("PutObject", refusal)
    run()
    ((_, subject, body),) = reporting.published
    assert subject == "[cabal-backup prod] protected, with warnings: report"
    assert (
        "  The report could not be written to s3://reports/cabal-backup/prod/report.html: "
        f"{cause}: {refusal.message}" in body.splitlines()
    )
    assert listener.called == []
    assert set(reporting.record()["since"]) == {"report"}


def test_a_fault_of_the_report_does_not_hide_the_verdict(
    reporting: Watched, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the fault is."""

    def broken(*_: Any) -> str:
        raise KeyError("price")

    monkeypatch.setattr(watch, "page", broken)
    reporting.state = UNLOCKED
    run()
    ((_, subject, body),) = reporting.published
    assert subject == "[cabal-backup prod] NOT PROTECTED: dr-lock, report"
    assert "report.html: KeyError('price')" in body


def test_the_one_in_the_dr_region_writes_it_only_if_it_reports(
    reporting: Watched, run: Any
) -> None:
    run(DR)
    assert reporting.called("PutObject") == []
    reporting.ran(PRIMARY, NOW - timedelta(hours=26))
    run(DR)
    assert len(reporting.called("PutObject")) == 1


# --- What fails


def test_a_message_that_cannot_be_published_leaves_the_record(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    before = watched.record()
    watched.state = UNLOCKED
    watched.refuse("Publish", denied("sns:Publish"))
    with pytest.raises(ClientError, match="Publish"):
        run()
    assert watched.record() == before
    assert listener.called == []


def test_the_end_is_reported_again_if_it_could_not_be(watched: Watched, run: Any) -> None:
    watched.ran(PRIMARY, dr_lock=YESTERDAY)
    watched.refuse("Publish", denied("sns:Publish"), times=1)
    with pytest.raises(ClientError, match="Publish"):
        run()
    run()
    assert watched.subjects == ["[cabal-backup prod] everything is ok again"]


def test_without_the_record_it_does_not_judge(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    watched.refused_in[PRIMARY] = denied("ssm:GetParameter")
    with pytest.raises(ClientError, match="GetParameter"):
        run()
    assert watched.published == []
    assert listener.called == []


def test_a_record_that_cannot_be_written_is_an_error(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    """Otherwise the other region would take this one for silent."""
    watched.refuse("PutParameter", THROTTLED)
    with pytest.raises(ClientError, match="PutParameter"):
        run()
    assert listener.called == []


def test_the_credentials_of_another_account_are_refused(
    monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    def connect(_environment: Environment) -> Aws:
        raise CredentialsError(f"These credentials belong to account {OTHER_ACCOUNT}")

    monkeypatch.setattr(watch, "connect", connect)
    with pytest.raises(CredentialsError):
        run()


# --- The one in the DR region


@pytest.mark.parametrize("state", [GOOD, UNLOCKED], ids=["good", "unlocked"])
def test_the_other_region_reports_nothing_while_the_first_one_runs(
    watched: Watched, run: Any, listener: Receiver, state: State
) -> None:
    watched.ran(PRIMARY, NOW - timedelta(hours=2))
    watched.state = state
    found = run(DR)
    assert found["message"] is None
    assert watched.published == []
    assert listener.called == []
    assert watched.record(DR)["ran"] == written(NOW)
    assert set(watched.record(DR)["since"]) == ({"dr-lock"} if state is UNLOCKED else set())
    assert watched.record(PRIMARY)["ran"] == written(NOW - timedelta(hours=2))


@pytest.mark.parametrize(
    ("hours", "reports"), [(24, False), (25, False), (25.01, True), (26, True), (900, True)]
)
def test_the_other_region_reports_when_the_first_one_has_not_run(
    watched: Watched, run: Any, listener: Receiver, hours: float, reports: bool
) -> None:
    watched.ran(PRIMARY, NOW - timedelta(hours=hours))
    watched.state = UNLOCKED
    run(DR)
    assert [(region, subject) for region, subject, _ in watched.published] == (
        [(DR, "[cabal-backup prod] NOT PROTECTED: dr-lock")] if reports else []
    )
    assert listener.called == []


@pytest.mark.parametrize(
    "refusal", [denied("ssm:GetParameter"), Refusal("InternalServerError", "down", 500)]
)
def test_the_other_stands_in_when_the_first_ones_record_cannot_be_read(
    watched: Watched, run: Any, refusal: Refusal
) -> None:
    watched.refused_in[PRIMARY] = refusal
    watched.state = UNLOCKED
    run(DR)
    assert [region for region, _, _ in watched.published] == [DR]


def test_the_other_stands_in_when_the_first_ones_record_is_missing(
    watched: Watched, run: Any
) -> None:
    del watched.records[PRIMARY]
    watched.state = UNLOCKED
    run(DR)
    assert [region for region, _, _ in watched.published] == [DR]


def test_the_other_never_calls_the_heartbeat(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    watched.ran(PRIMARY, NOW - timedelta(days=9))
    assert run(DR)["heartbeat"] is False
    assert listener.called == []


# --- The heartbeat


def test_without_a_parameter_nothing_is_called(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    watched.environment = an_environment()
    assert run()["heartbeat"] is False
    assert listener.called == []
    assert {each["Name"] for each in watched.called("GetParameter")} == {RECORD}


def test_a_receiver_in_trouble_is_called_again(
    listener: Receiver, slept: list[float], run: Any
) -> None:
    listener.trouble.extend([500, 503, 429])
    run()
    assert listener.called == [SECRET] * 4
    assert slept == [2, 4, 8]


@pytest.mark.parametrize("status", [404, 500])
def test_a_receiver_that_stays_in_trouble_is_an_error_with_its_status(
    watched: Watched, run: Any, listener: Receiver, status: int
) -> None:
    listener.trouble.extend([status] * 10)
    with pytest.raises(HeartbeatError, match=rf"could not be called, 4 times: HTTP {status}"):
        run()
    assert len(listener.called) == 4
    assert watched.record()["ran"] == written(NOW), "it has judged, and reported"


def test_a_redirection_to_https_is_followed(listener: Receiver, run: Any) -> None:
    listener.trouble.append(f"{listener.base}/elsewhere")
    run()
    assert listener.called == [SECRET, "/elsewhere"]


def test_a_redirection_to_http_is_not(listener: Receiver, run: Any) -> None:
    listener.trouble.extend([listener.base.replace("https", "http") + SECRET] * 4)
    with pytest.raises(HeartbeatError, match="HTTP 302"):
        run()
    assert listener.called == [SECRET] * 4


def test_a_certificate_that_is_not_trusted_is_refused(
    listener: Receiver, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(HeartbeatError, match="SSLCertVerificationError"):
        run()
    assert listener.called == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"https://localhost:1{SECRET}", "ConnectionRefusedError"),
        (f"https://localhost:port{SECRET} \x07", "could not be called"),
        (f"https://localhost:port{SECRET}", "could not be called"),
        (f"https://{SECRET}", "could not be called"),
        (f"https://[localhost{SECRET}", "could not be called"),
    ],
)
def test_an_error_does_not_contain_the_url(watched: Watched, run: Any, url: str, why: str) -> None:
    watched.url = url
    with pytest.raises(HeartbeatError, match=why) as raised:
        run()
    assert_silent_about(raised.value, SECRET)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_only_https_is_called(watched: Watched, run: Any, listener: Receiver, scheme: str) -> None:
    watched.url = watched.url.replace("https", scheme)
    with pytest.raises(HeartbeatError, match="does not hold a URL that begins with https"):
        run()
    assert listener.called == []


def assert_silent_about(error: BaseException | None, secret: str) -> None:
    """Lambda writes an error to the log, with all that caused it."""
    while error is not None:
        assert secret not in str(error)
        error = error.__cause__ or error.__context__


def test_a_parameter_that_cannot_be_read_is_an_error(
    watched: Watched, run: Any, listener: Receiver
) -> None:
    watched.refusals["GetParameter"] = [None, denied("ssm:GetParameter")]
    with pytest.raises(ClientError, match="GetParameter"):
        run()
    assert listener.called == []
    assert watched.record()["ran"] == written(NOW)
    run()
    assert listener.called == [SECRET]
