"""Copies that arrive: how long they took, and the heartbeat after a complete night."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cabal_backup.handlers import night
from tests.receiver import CERTIFICATE, Receiver, receiver
from tests.unit.handlers.aws import THROTTLED, Account, Refusal, Wire, denied, wired

TABLE = "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses"
MAILSTORE = "arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/fs-0123456789abcdef0"
DR_VAULT = "arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr"
PARAMETER = "/cabal-backup/heartbeat"
SECRET = "/ping/4f1d2c3b-not-for-the-log"


def at(text: str) -> datetime:
    """A moment of 2026 in UTC."""
    return datetime.fromisoformat(f"2026-{text}:00+00:00")


@dataclass
class Nights(Account):
    """Recovery points, and what was copied of them, in the order it was."""

    points: list[dict[str, Any]] = field(default_factory=list)
    copies: list[dict[str, Any]] = field(default_factory=list)
    parameter: str = ""
    listed_copies: bool = True
    """Whether the list of copy jobs is up to date."""

    def __post_init__(self) -> None:
        self.answers = {
            "DescribeCopyJob": self._describe_copy,
            "ListCopyJobs": self._list_copies,
            "ListRecoveryPointsByBackupVault": self._list_points,
            "PutMetricData": lambda _: {},
            "GetParameter": self._get_parameter,
        }

    def back_up(self, resource: str, created: str, status: str = "COMPLETED") -> str:
        """A recovery point; its ARN."""
        arn = f"arn:aws:backup:us-west-1:123456789012:recovery-point:{len(self.points)}"
        self.points.append(
            {
                "RecoveryPointArn": arn,
                "ResourceArn": resource,
                "Status": status,
                "CreationDate": at(created),
            }
        )
        return arn

    def copy(self, point: str, completed: str, state: str = "COMPLETED") -> dict[str, Any]:
        """A copy job that has ended; the event that tells of it."""
        resource = next(p["ResourceArn"] for p in self.points if p["RecoveryPointArn"] == point)
        job = {
            "CopyJobId": f"copy-{len(self.copies)}",
            "SourceRecoveryPointArn": point,
            "DestinationBackupVaultArn": DR_VAULT,
            "ResourceArn": resource,
            "ResourceType": "DynamoDB" if ":dynamodb:" in resource else "EFS",
            "State": state,
            "CreationDate": at(completed) - timedelta(minutes=10),
            "CompletionDate": at(completed),
        }
        self.copies.append(job)
        return {
            "source": "aws.backup",
            "detail-type": "Copy Job State Change",
            "time": "2026-01-02T01:00:00Z",
            "resources": [],
            "detail": {"copyJobId": job["CopyJobId"], "state": state},
        }

    def lags(self) -> list[tuple[str, float, datetime]]:
        return [
            (each["Dimensions"][0]["Value"], each["Value"], each["Timestamp"])
            for call in self.called("PutMetricData")
            for each in call["MetricData"]
        ]

    def _describe_copy(self, given: Mapping[str, Any]) -> dict[str, Any]:
        (job,) = (job for job in self.copies if job["CopyJobId"] == given["CopyJobId"])
        return {"CopyJob": job}

    def _list_copies(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """One job a page."""
        assert given["ByDestinationVaultArn"] == DR_VAULT
        jobs = [
            job
            for job in self.copies
            if job["State"] == given["ByState"] and job["CreationDate"] > given["ByCreatedAfter"]
        ]
        return _page("CopyJobs", jobs if self.listed_copies else jobs[:-1], given)

    def _list_points(self, given: Mapping[str, Any]) -> dict[str, Any]:
        assert given["BackupVaultName"] == "cabal-backup"
        points = [
            point
            for point in self.points
            if point["ResourceArn"] == given["ByResourceArn"]
            and point["CreationDate"] > given["ByCreatedAfter"]
        ]
        return _page("RecoveryPoints", points, given)

    def _get_parameter(self, given: Mapping[str, Any]) -> dict[str, Any]:
        assert given["Name"] == PARAMETER
        assert given["WithDecryption"] is True
        return {"Parameter": {"Name": PARAMETER, "Type": "SecureString", "Value": self.parameter}}


def _page(name: str, found: list[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    start = int(given.get("NextToken", "0"))
    answer: dict[str, Any] = {name: found[start : start + 1]}
    if start + 1 < len(found):
        answer["NextToken"] = str(start + 1)
    return answer


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired() as wire:
        yield wire


@pytest.fixture(autouse=True)
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_REGION": "us-west-1",
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_CONFIG_FILE": "does-not-exist",
        "no_proxy": "*",
        "SSL_CERT_FILE": str(CERTIFICATE),
        "VAULT": "cabal-backup",
        "DR_VAULT_ARN": DR_VAULT,
        "RESOURCE_ARNS": f"{TABLE},{MAILSTORE}",
        "METRIC_NAMESPACE": "CabalBackup",
        "HEARTBEAT_PARAMETER": PARAMETER,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def listener() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def nights(wire: Wire, listener: Receiver, caplog: pytest.LogCaptureFixture) -> Iterator[Nights]:
    """An account before its first night. Whatever happens, the log stays clean."""
    wire.account = nights = Nights(parameter=listener.base + SECRET)
    caplog.set_level(logging.INFO)
    yield nights
    formatter = logging.Formatter("%(name)s %(message)s")
    log = "\n".join(formatter.format(record) for record in caplog.get_records("call"))
    for secret in (SECRET, listener.base):
        assert secret not in log


def hear(event: Mapping[str, Any]) -> None:
    night.handler(event, None)


def complete(nights: Nights) -> dict[str, Any]:
    """A night whose last copy has just arrived: its event, the other one is not told."""
    table, mailstore = (
        nights.back_up(TABLE, "01-02T00:20"),
        nights.back_up(MAILSTORE, "01-02T00:21"),
    )
    nights.copy(table, "01-02T00:40")
    return nights.copy(mailstore, "01-02T01:15")


# --- When a night is complete


@pytest.mark.parametrize("hours", [-12, 12])
def test_a_night_is_a_day_in_utc_whatever_zone_botocore_reads_into(
    nights: Nights, listener: Receiver, hours: int
) -> None:
    zone = timezone(timedelta(hours=hours))
    table = nights.back_up(TABLE, "01-02T00:20")
    mailstore = nights.back_up(MAILSTORE, "01-02T13:00")
    nights.copy(table, "01-02T00:40")
    last = nights.copy(mailstore, "01-02T14:00")
    for each in [*nights.points, *nights.copies]:
        for name in each.keys() & {"CreationDate", "CompletionDate"}:
            each[name] = each[name].astimezone(zone)

    hear(last)

    assert listener.called == [SECRET]


def test_the_url_is_called_once_the_second_copy_is_there(
    nights: Nights, listener: Receiver
) -> None:
    table, mailstore = (
        nights.back_up(TABLE, "01-02T00:20"),
        nights.back_up(MAILSTORE, "01-02T00:20"),
    )
    hear(nights.copy(table, "01-02T00:40"))
    assert listener.called == []
    hear(nights.copy(mailstore, "01-02T01:15"))
    assert listener.called == [SECRET]


def test_a_copy_that_failed_leaves_the_night_incomplete(nights: Nights, listener: Receiver) -> None:
    table, mailstore = (
        nights.back_up(TABLE, "01-02T00:20"),
        nights.back_up(MAILSTORE, "01-02T00:20"),
    )
    nights.copy(mailstore, "01-02T00:30", state="FAILED")
    hear(nights.copy(table, "01-02T00:40"))
    assert listener.called == []


def test_the_copies_of_two_nights_do_not_make_one(nights: Nights, listener: Receiver) -> None:
    """Yesterday's mailstore and today's table."""
    nights.copy(nights.back_up(MAILSTORE, "01-02T00:20"), "01-02T00:40")
    nights.back_up(MAILSTORE, "01-03T00:20")
    hear(nights.copy(nights.back_up(TABLE, "01-03T00:20"), "01-03T00:40"))
    assert listener.called == []


def test_a_backup_that_is_only_partial_does_not_count(nights: Nights, listener: Receiver) -> None:
    nights.copy(nights.back_up(MAILSTORE, "01-02T00:20", status="PARTIAL"), "01-02T00:30")
    hear(nights.copy(nights.back_up(TABLE, "01-02T00:20"), "01-02T00:40"))
    assert listener.called == []


def test_a_copy_that_takes_until_the_next_night_completes_its_own(
    nights: Nights, listener: Receiver
) -> None:
    """The mailstore started at 07:50, the end of its start window, and took a day."""
    late = nights.back_up(MAILSTORE, "01-02T07:50")
    nights.copy(nights.back_up(TABLE, "01-02T00:20"), "01-02T00:40")
    nights.copy(nights.back_up(TABLE, "01-03T00:20"), "01-03T00:40")
    hear(nights.copy(late, "01-03T08:30"))
    assert listener.called == [SECRET]


def test_a_night_completed_two_days_later_is_not_told(nights: Nights, listener: Receiver) -> None:
    """The heartbeat would hide that the nights since then are not complete."""
    late = nights.back_up(MAILSTORE, "01-02T00:20")
    nights.copy(nights.back_up(TABLE, "01-02T00:20"), "01-02T00:40")
    hear(nights.copy(late, "01-04T00:10"))
    assert listener.called == []
    assert len(nights.lags()) == 1


def test_the_copy_of_an_old_recovery_point_says_nothing(nights: Nights, listener: Receiver) -> None:
    complete(nights)
    hear(nights.copy(nights.back_up(TABLE, "01-02T00:20"), "01-20T12:00"))
    assert listener.called == []
    assert nights.lags() == []


def test_a_list_of_copies_that_lags_behind_the_event_does_not_matter(
    nights: Nights, listener: Receiver
) -> None:
    event = complete(nights)
    nights.listed_copies = False
    hear(event)
    assert listener.called == [SECRET]


def test_a_second_backup_of_the_day_serves_as_well(nights: Nights, listener: Receiver) -> None:
    """The nightly one failed to be copied; one made and copied by hand takes its place."""
    nights.copy(nights.back_up(TABLE, "01-02T00:20"), "01-02T00:40")
    nights.copy(nights.back_up(MAILSTORE, "01-02T00:20"), "01-02T00:40", state="FAILED")
    hear(nights.copy(nights.back_up(MAILSTORE, "01-02T09:00"), "01-02T09:30"))
    assert listener.called == [SECRET]


# --- The measure


def test_each_copy_is_measured_from_its_backup_to_its_arrival(nights: Nights) -> None:
    hear(complete(nights))
    assert nights.lags() == [("EFS", 3240.0, at("01-02T01:15"))]
    (call,) = nights.called("PutMetricData")
    assert call["Namespace"] == "CabalBackup"
    assert (call["MetricData"][0]["MetricName"], call["MetricData"][0]["Unit"]) == (
        "CopyLag",
        "Seconds",
    )


def test_without_a_parameter_it_only_measures(
    nights: Nights, listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEARTBEAT_PARAMETER")
    hear(complete(nights))
    assert len(nights.lags()) == 1
    assert listener.called == []
    assert {call.operation for call in nights.calls} == {
        "DescribeCopyJob",
        "ListRecoveryPointsByBackupVault",
        "PutMetricData",
    }


# --- Calling the URL


def test_a_receiver_in_trouble_is_called_again(
    nights: Nights, listener: Receiver, slept: list[float]
) -> None:
    listener.trouble.extend([500, 503, 429])
    hear(complete(nights))
    assert listener.called == [SECRET] * 4
    assert slept == [2, 4, 8]


@pytest.mark.parametrize("status", [404, 500])
def test_a_receiver_that_stays_in_trouble_is_an_error_with_its_status(
    nights: Nights, listener: Receiver, status: int
) -> None:
    listener.trouble.extend([status] * 10)
    with pytest.raises(night.HeartbeatError, match=rf"could not be called, 4 times: HTTP {status}"):
        hear(complete(nights))
    assert len(listener.called) == 4


def test_a_redirection_to_https_is_followed(nights: Nights, listener: Receiver) -> None:
    listener.trouble.append(f"{listener.base}/elsewhere")
    hear(complete(nights))
    assert listener.called == [SECRET, "/elsewhere"]


def test_a_redirection_to_http_is_not(nights: Nights, listener: Receiver) -> None:
    listener.trouble.extend([listener.base.replace("https", "http") + SECRET] * 4)
    with pytest.raises(night.HeartbeatError, match="HTTP 302"):
        hear(complete(nights))


def test_a_certificate_nobody_vouches_for_is_refused(
    nights: Nights, listener: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(night.HeartbeatError, match="SSLCertVerificationError"):
        hear(complete(nights))
    assert listener.called == []


def test_nobody_there_is_an_error_that_keeps_the_url_to_itself(nights: Nights) -> None:
    nights.parameter = f"https://localhost:1{SECRET}"
    with pytest.raises(night.HeartbeatError) as raised:
        hear(complete(nights))
    assert "ConnectionRefusedError" in str(raised.value)
    assert_silent_about(raised.value, SECRET)


def test_a_url_that_is_none_is_an_error_that_keeps_it_to_itself(nights: Nights) -> None:
    nights.parameter = f"https://localhost:port{SECRET} \x07"
    with pytest.raises(night.HeartbeatError) as raised:
        hear(complete(nights))
    assert_silent_about(raised.value, SECRET)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_only_https_is_called(nights: Nights, listener: Receiver, scheme: str) -> None:
    nights.parameter = nights.parameter.replace("https", scheme)
    with pytest.raises(night.HeartbeatError, match="does not hold a URL that begins with https"):
        hear(complete(nights))
    assert listener.called == []


def assert_silent_about(error: BaseException | None, secret: str) -> None:
    """Lambda writes an error to the log, with all that caused it."""
    while error is not None:
        assert secret not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        ("GetParameter", Refusal("ParameterNotFound", "")),
        ("GetParameter", denied("ssm:GetParameter")),
        ("DescribeCopyJob", THROTTLED),
        ("ListCopyJobs", THROTTLED),
        ("ListRecoveryPointsByBackupVault", THROTTLED),
    ],
)
def test_what_aws_refuses_is_an_error_so_that_lambda_tries_again(
    nights: Nights, listener: Receiver, operation: str, refusal: Refusal
) -> None:
    event = complete(nights)
    nights.refuse(operation, refusal, times=1)
    with pytest.raises(ClientError, match=operation):
        hear(event)
    assert listener.called == []
    hear(event)
    assert listener.called == [SECRET]


def test_the_heartbeat_and_the_measure_do_not_wait_for_each_other(
    nights: Nights, listener: Receiver
) -> None:
    event = complete(nights)
    nights.refuse("PutMetricData", THROTTLED, times=1)
    with pytest.raises(ClientError, match="PutMetricData"):
        hear(event)
    assert listener.called == [SECRET]
    listener.trouble.extend([500] * 4)
    with pytest.raises(night.HeartbeatError):
        hear(event)
    assert nights.lags() == [("EFS", 3240.0, at("01-02T01:15"))] * 2, "tried, and then done"
