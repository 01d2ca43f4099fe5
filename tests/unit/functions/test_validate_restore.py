"""The verdict on a restore test: what is SUCCESSFUL, what is FAILED, and what is reported."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cabal_backup.functions import validate_restore
from cabal_backup.functions.validate_restore import comparisons
from tests.unit.functions.aws import THROTTLED, Refusal, Wire, denied, wired
from tests.unit.functions.restored import (
    COMPLETED,
    GIB,
    LIVE_FS,
    LIVE_TABLE,
    PLAN_ARN,
    RESTORED_FS,
    RESTORED_TABLE,
    Restores,
    completed,
    item,
    items,
    scheduled,
)

pytestmark = pytest.mark.usefixtures("slept")

LATER = "2026-02-01T10:00:00Z"
"""3 hours and 20 minutes after the restore."""


class Context:
    """What Lambda hands over beside the event."""

    def __init__(self, seconds: float = 900, request: str = "run-1") -> None:
        self._seconds = seconds
        self.aws_request_id = request

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired() as wire:
        yield wire


@pytest.fixture
def restores(wire: Wire) -> Restores:
    wire.account = restores = Restores()
    return restores


@pytest.fixture(autouse=True)
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_REGION": "us-west-1",
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_CONFIG_FILE": "does-not-exist",
        "RESTORE_TESTING_PLAN_ARNS": PLAN_ARN,
        "LIVE_REGION": "us-west-1",
        "TABLE": LIVE_TABLE,
        "FILE_SYSTEM_ID": LIVE_FS,
        "TOLERANCE_PERCENT": "10",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def judge(restores: Restores, job: str = "table-job", **changes: Any) -> tuple[str | None, str]:
    """What becomes of the job when the handler hears that its restore is complete."""
    validate_restore.handler(completed(restores.jobs[job], **changes), Context())
    return verdict(restores, job)


def verdict(restores: Restores, job: str) -> tuple[str | None, str]:
    """The job's verdict, and its message without the signature it ends with."""
    status, message = restores.verdict(job)
    assert message.endswith(" (request run-1)") or status == "VALIDATING"
    return status, message.removesuffix(" (request run-1)")


def sweep(restores: Restores, at: str = LATER) -> tuple[str | None, str]:
    """What becomes of the file system's job when the schedule calls the handler."""
    validate_restore.handler(scheduled(at), Context())
    return verdict(restores, "fs-job")


def events(restores: Restores) -> list[dict[str, Any]]:
    """The events that were put, with parsed details."""
    return [
        {**entry, "Detail": json.loads(entry["Detail"])}
        for call in restores.called("PutEvents")
        for entry in call["Entries"]
    ]


# --- A table


def test_a_table_like_the_live_one_is_successful(restores: Restores) -> None:
    assert judge(restores) == (
        "SUCCESSFUL",
        "200 items, 200 in cabal-addresses; the key schema is the same; "
        "100 of 100 sampled items are the same.",
    )
    assert events(restores) == []


@pytest.mark.parametrize(
    ("restored", "live", "verdict"),
    [
        (180, 200, "SUCCESSFUL"),
        (179, 200, "FAILED"),
        (220, 200, "SUCCESSFUL"),
        (221, 200, "FAILED"),
        (0, 0, "SUCCESSFUL"),
        (0, 200, "FAILED"),
        (1, 0, "FAILED"),
    ],
)
def test_the_number_of_items_may_be_ten_percent_off(
    restores: Restores, monkeypatch: pytest.MonkeyPatch, restored: int, live: int, verdict: str
) -> None:
    # The sample finds what is missing too; here it lets everything through.
    monkeypatch.setattr(comparisons, "SEGMENTS", 0)
    restores.tables[RESTORED_TABLE].items = items(restored)
    restores.tables[LIVE_TABLE].items = items(live)
    status, message = judge(restores)
    assert status == verdict
    if verdict == "FAILED":
        assert f"{restored} items, cabal-addresses has {live}" in message
        assert "docs/restore-testing.md" in message


@pytest.mark.parametrize(("changed", "verdict"), [(10, "SUCCESSFUL"), (11, "FAILED")])
def test_one_sampled_item_in_ten_may_differ(restores: Restores, changed: int, verdict: str) -> None:
    restores.tables[RESTORED_TABLE].items = items(100)
    restores.tables[LIVE_TABLE].items = [
        item(number, comment={"S": "changed"}) if number < changed else item(number)
        for number in range(100)
    ]
    status, message = judge(restores)
    assert status == verdict
    assert f"{100 - changed} of 100 sampled items" in message


def test_a_tolerance_of_nothing_lets_nothing_through(
    restores: Restores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLERANCE_PERCENT", "0")
    restores.tables[LIVE_TABLE].items = items(199)
    assert judge(restores)[0] == "FAILED"


def test_a_set_is_the_same_in_any_order(restores: Restores) -> None:
    one, other = {"SS": ["a", "b"]}, {"SS": ["b", "a"]}
    restores.tables[LIVE_TABLE].items = [item(1, tags={"M": {"of": one}})]
    restores.tables[RESTORED_TABLE].items = [item(1, tags={"M": {"of": other}})]
    assert judge(restores)[0] == "SUCCESSFUL"


@pytest.mark.parametrize(
    ("live", "restored", "verdict"),
    [
        pytest.param({"N": "100"}, {"N": "1E+2"}, "SUCCESSFUL", id="number"),
        pytest.param({"B": b"\x00\xff"}, {"B": b"\x00\xff"}, "SUCCESSFUL", id="bytes"),
        pytest.param({"B": b"\x00\xff"}, {"B": b"\x00\xfe"}, "FAILED", id="other-bytes"),
        pytest.param({"BS": [b"a", b"b"]}, {"BS": [b"b", b"a"]}, "SUCCESSFUL", id="set-of-bytes"),
    ],
)
def test_values_are_compared_as_the_commands_do(
    restores: Restores, live: Any, restored: Any, verdict: str
) -> None:
    restores.tables[LIVE_TABLE].items = [item(1, value=live)]
    restores.tables[RESTORED_TABLE].items = [item(1, value=restored)]
    status, message = judge(restores)
    assert status == verdict
    assert "could not be judged" not in message


def test_a_list_in_another_order_is_another_one(restores: Restores) -> None:
    one, other = [{"S": "a"}, {"S": "b"}], [{"S": "b"}, {"S": "a"}]
    restores.tables[LIVE_TABLE].items = [item(1, tags={"L": one})]
    restores.tables[RESTORED_TABLE].items = [item(1, tags={"L": other})]
    assert judge(restores)[0] == "FAILED"


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param((("address", "HASH", "N"),), id="type"),
        pytest.param((("user", "HASH", "S"),), id="name"),
        pytest.param((("address", "HASH", "S"), ("user", "RANGE", "S")), id="sort-key"),
    ],
)
def test_another_key_is_a_failure(
    restores: Restores, keys: tuple[tuple[str, str, str], ...]
) -> None:
    restores.tables[RESTORED_TABLE].keys = keys
    status, message = judge(restores)
    assert status == "FAILED"
    assert "The restored table's key is" in message
    assert "cabal-addresses address (HASH, S)" in message
    assert not restores.called("Scan"), "nothing else can be compared"


def test_a_missing_live_table_is_a_failure(restores: Restores) -> None:
    del restores.tables[LIVE_TABLE]
    status, message = judge(restores)
    assert status == "FAILED"
    assert "The live table cabal-addresses does not exist" in message


def test_a_missing_restored_table_is_a_failure(restores: Restores) -> None:
    del restores.tables[RESTORED_TABLE]
    status, message = judge(restores)
    assert status == "FAILED"
    assert f"The restored table {RESTORED_TABLE} does not exist" in message


def test_unprocessed_keys_are_asked_for_again(restores: Restores, slept: list[float]) -> None:
    restores.leaves_unprocessed = 3
    assert judge(restores)[0] == "SUCCESSFUL"
    assert len(slept) >= 4
    assert slept == sorted(slept), "each pause is at least as long as the one before"


def test_keys_that_stay_unprocessed_are_a_failure(restores: Restores) -> None:
    restores.leaves_unprocessed = 1_000
    status, message = judge(restores)
    assert status == "FAILED"
    assert "100 keys unprocessed" in message


def test_a_table_too_big_to_count_is_judged_by_the_rest(restores: Restores) -> None:
    """With 30 s left and 60 kept for the verdict, one page of each is counted."""
    restores.tables[LIVE_TABLE].items = items(400)
    job = restores.jobs["table-job"]
    validate_restore.handler(completed(job), Context(seconds=30))
    assert verdict(restores, "table-job") == (
        "SUCCESSFUL",
        "The key schema is the same, and 100 of 100 sampled items are the same. Time ran out for "
        "counting, at 40 restored and 40 live items: the numbers are not compared.",
    )


def test_a_small_table_is_counted_in_the_last_second_too(restores: Restores) -> None:
    for table in restores.tables.values():
        table.items = items(30)
    validate_restore.handler(completed(restores.jobs["table-job"]), Context(seconds=30))
    assert restores.verdict("table-job")[1].startswith("30 items, 30 in cabal-addresses")


# --- What goes wrong becomes FAILED


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("DescribeTable", "dynamodb:DescribeTable"),
        ("Scan", "dynamodb:Scan"),
        ("BatchGetItem", "dynamodb:BatchGetItem"),
    ],
)
def test_what_it_may_not_read_is_a_failure_with_the_reason(
    restores: Restores, operation: str, action: str
) -> None:
    restores.refuse(operation, denied(action))
    status, message = judge(restores)
    assert status == "FAILED"
    assert f"not authorized to perform: {action}" in message
    assert "Deploy the stack again" in message


@pytest.mark.parametrize("operation", ["DescribeTable", "Scan", "BatchGetItem"])
def test_throttled_beyond_all_retries_is_a_failure(restores: Restores, operation: str) -> None:
    restores.refuse(operation, THROTTLED)
    status, message = judge(restores)
    assert status == "FAILED"
    assert "ThrottlingException" in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"createdResourceArn": None}, "does not say what it restored"),
        ({"resourceType": "S3"}, "A restored S3 cannot be judged"),
        ({"resourceType": None}, "A restored unknown cannot be judged"),
    ],
)
def test_an_event_of_unknown_shape_is_a_failure(
    restores: Restores, changes: dict[str, Any], words: str
) -> None:
    status, message = judge(restores, **changes)
    assert status == "FAILED"
    assert words in message


def test_an_answer_of_unknown_shape_is_a_failure(restores: Restores) -> None:
    restores.answers["DescribeTable"] = lambda _: {"Table": {}}
    status, message = judge(restores)
    assert status == "FAILED"
    assert "could not be judged: KeyError" in message


def test_a_setting_that_makes_no_sense_stops_it_before_anything_is_judged(
    restores: Restores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLERANCE_PERCENT", "ten")
    with pytest.raises(ValueError, match="ten"):
        judge(restores)
    assert restores.verdict("table-job")[0] == "VALIDATING"


# --- The verdict itself


def test_a_verdict_that_is_already_there_is_no_error_and_stays(restores: Restores) -> None:
    restores.jobs["table-job"]["ValidationStatus"] = "SUCCESSFUL"
    del restores.tables[RESTORED_TABLE]
    event = completed(restores.jobs["table-job"])
    validate_restore.handler(event, Context())
    assert restores.verdict("table-job")[0] == "SUCCESSFUL"
    assert events(restores) == []


def test_an_event_about_a_verdict_is_ignored(restores: Restores) -> None:
    for status in ("SUCCESSFUL", "FAILED", "TIMED_OUT"):
        judge(restores, validationStatus=status)
    assert restores.calls == []


def test_a_verdict_that_cannot_be_put_raises_so_that_lambda_tries_again(
    restores: Restores, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    restores.refuse("PutRestoreValidationResult", THROTTLED, times=1)
    with pytest.raises(ClientError, match="PutRestoreValidationResult"):
        judge(restores)
    assert restores.verdict("table-job")[0] == "VALIDATING"
    assert events(restores) == []
    assert judge(restores)[0] == "SUCCESSFUL"
    assert "could not be put" in caplog.text


def test_neither_put_nor_seen_it_raises_the_first_refusal(restores: Restores) -> None:
    restores.refuse("PutRestoreValidationResult", denied("backup:PutRestoreValidationResult"))
    restores.refuse("DescribeRestoreJob", THROTTLED)
    with pytest.raises(ClientError, match="backup:PutRestoreValidationResult"):
        judge(restores)


@pytest.mark.parametrize(("request_id", "events_put"), [("run-1", 1), ("run-2", 0)])
def test_an_existing_verdict_is_reported_only_by_the_run_that_gave_it(
    restores: Restores, request_id: str, events_put: int
) -> None:
    """The answer to the verdict got lost; or the schedule and the event came together."""
    del restores.tables[LIVE_TABLE]
    restores.jobs["table-job"] |= {
        "ValidationStatus": "FAILED",
        "ValidationStatusMessage": "The live table does not exist. (request run-1)",
    }
    event = completed(restores.jobs["table-job"])
    validate_restore.handler(event, Context(request=request_id))
    assert len(events(restores)) == events_put


def test_a_failure_is_reported_in_an_event(restores: Restores) -> None:
    restores.tables[LIVE_TABLE].items = items(100)
    _, message = judge(restores)
    (event,) = events(restores)
    assert event == {
        "Source": "cabal-backup",
        "DetailType": "Restore Test Validated",
        "Detail": {
            "resourceArn": "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses",
            "resourceType": "DynamoDB",
            "restoreJobId": "table-job",
            "verdict": "FAILED",
            "message": message,
        },
    }


def test_a_rejected_event_is_sent_again(restores: Restores) -> None:
    restores.tables[LIVE_TABLE].items = items(100)
    taken = restores.answers["PutEvents"]
    restores.answers["PutEvents"] = lambda _: {
        "FailedEntryCount": 1,
        "Entries": [{"ErrorCode": "InternalFailure"}],
    }
    with pytest.raises(RuntimeError, match="InternalFailure"):
        judge(restores)
    restores.answers["PutEvents"] = taken
    validate_restore.handler(completed(restores.jobs["table-job"]), Context())
    assert len(restores.called("PutEvents")) == 2


def test_a_message_is_never_too_long(restores: Restores) -> None:
    restores.refuse("Scan", Refusal("ValidationException", "x" * 5_000))
    status, message = judge(restores)
    assert status == "FAILED"
    assert len(message) == 1000


# --- The schedule


def test_the_schedule_judges_all_that_wait(restores: Restores) -> None:
    """The table too: its event got lost."""
    assert sweep(restores)[0] == "SUCCESSFUL"
    assert restores.verdict("table-job")[0] == "SUCCESSFUL"


def test_the_schedule_leaves_what_is_judged_and_what_is_old_alone(restores: Restores) -> None:
    restores.jobs["table-job"]["ValidationStatus"] = "FAILED"
    restores.jobs["fs-job"]["CreationDate"] = COMPLETED - timedelta(days=9)
    assert sweep(restores)[0] == "VALIDATING"
    assert not restores.called("PutRestoreValidationResult")


def test_one_that_cannot_be_judged_does_not_hold_up_the_other(restores: Restores) -> None:
    restores.refuse("PutRestoreValidationResult", THROTTLED, times=1)
    with pytest.raises(ClientError):
        sweep(restores)
    assert restores.verdict("table-job")[0] == "VALIDATING"
    assert restores.verdict("fs-job")[0] == "SUCCESSFUL"


def test_restores_that_cannot_be_listed_are_an_error_of_the_function(restores: Restores) -> None:
    restores.refuse("ListRestoreJobs", denied("backup:ListRestoreJobs"))
    with pytest.raises(ClientError, match="ListRestoreJobs"):
        sweep(restores)


# --- A file system


def test_a_file_system_is_not_judged_before_efs_can_know_its_size(restores: Restores) -> None:
    restores.file_systems[RESTORED_FS].size = 6144
    assert judge(restores, "fs-job")[0] == "VALIDATING"
    assert sweep(restores, "2026-02-01T09:39:59Z")[0] == "VALIDATING"


def test_a_file_system_like_the_live_one_is_successful(restores: Restores) -> None:
    assert sweep(restores) == (
        "SUCCESSFUL",
        "42,949,672,960 bytes, 42,949,672,960 in fs-0123456789abcdef0; available; "
        "encryption as expected.",
    )


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        (36 * GIB, "SUCCESSFUL"),
        (36 * GIB - 65_537, "FAILED"),
        (44 * GIB, "SUCCESSFUL"),
        (44 * GIB + 65_537, "FAILED"),
        (0, "FAILED"),
        (6144, "FAILED"),
    ],
)
def test_its_size_may_be_ten_percent_off_and_its_directory_more(
    restores: Restores, size: int, verdict: str
) -> None:
    restores.file_systems[RESTORED_FS].size = size
    restores.file_systems[LIVE_FS].size = 40 * GIB
    status, message = sweep(restores)
    assert status == verdict
    assert f"{size:,} bytes" in message


def test_an_empty_file_system_restored_empty_is_successful(restores: Restores) -> None:
    """The directory that AWS Backup restores into is all there is."""
    restores.file_systems[LIVE_FS].size = 6144
    restores.file_systems[RESTORED_FS].size = 12_288
    assert sweep(restores)[0] == "SUCCESSFUL"


@pytest.mark.parametrize(
    ("live", "restored", "verdict"),
    [(True, False, "FAILED"), (False, True, "SUCCESSFUL"), (False, False, "SUCCESSFUL")],
)
def test_it_is_encrypted_when_the_live_one_is(
    restores: Restores, live: bool, restored: bool, verdict: str
) -> None:
    restores.file_systems[LIVE_FS].encrypted = live
    restores.file_systems[RESTORED_FS].encrypted = restored
    assert sweep(restores)[0] == verdict


def test_it_has_to_be_available(restores: Restores) -> None:
    restores.file_systems[RESTORED_FS].state = "error"
    status, message = sweep(restores)
    assert status == "FAILED"
    assert "is error, not available" in message


@pytest.mark.parametrize(("identity", "which"), [(LIVE_FS, "live"), (RESTORED_FS, "restored")])
def test_a_missing_file_system_is_a_failure(restores: Restores, identity: str, which: str) -> None:
    del restores.file_systems[identity]
    status, message = sweep(restores)
    assert status == "FAILED"
    assert f"The {which} file system {identity} does not exist" in message


@pytest.mark.parametrize("measured", [None, COMPLETED - timedelta(minutes=1)])
def test_a_size_from_before_the_restore_is_waited_for_but_not_for_ever(
    restores: Restores, measured: Any
) -> None:
    restores.file_systems[RESTORED_FS].measured = measured
    assert sweep(restores, "2026-02-02T00:39:00Z")[0] == "VALIDATING"
    status, message = sweep(restores, "2026-02-02T00:40:00Z")
    assert status == "FAILED"
    assert "has not measured the restored file system in 18 hours" in message


def test_a_file_system_it_may_not_see_is_a_failure_with_the_reason(restores: Restores) -> None:
    restores.refuse("DescribeFileSystems", denied("elasticfilesystem:DescribeFileSystems"))
    status, message = sweep(restores)
    assert status == "FAILED"
    assert "elasticfilesystem:DescribeFileSystems" in message
