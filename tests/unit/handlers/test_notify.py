"""What the operator reads for each kind of event, and for events of every odd shape (S27)."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from cabal_backup.handlers import notify
from tests.unit.handlers.topic_and_jobs import Message, TopicAndJobs

TOPIC = "arn:aws:sns:us-west-1:123456789012:cabal-backup-alerts"
VARIABLES = {
    "TOPIC_ARN": TOPIC,
    "ENVIRONMENT": "prod",
    "PRIMARY_REGION": "us-west-1",
    "DR_REGION": "us-west-2",
    "VAULT": "cabal-backup",
    "DR_VAULT": "cabal-backup-dr",
    "LIFECYCLE": "MoveToColdStorageAfterDays=30,DeleteAfterDays=365",
    "COPY_LIFECYCLE": "DeleteAfterDays=200",
}
TABLE = "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses"
MAILSTORE = "arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/fs-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/cabal-backup-role"
VAULT = "arn:aws:backup:us-west-1:123456789012:backup-vault:cabal-backup"
DR_VAULT = "arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr"
POINT = "arn:aws:backup:us-west-1:123456789012:recovery-point:8A9B1C2D-0000-4000-8000-1234567890AB"
JOB = "34176239-0000-4000-8000-529FDD0F2B40"

Event = dict[str, Any]


def an_event(detail_type: str, detail: Event, **envelope: Any) -> Event:
    """An event as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "710b0398-d48e-f3c3-afca-cfeb2fdaa656",
        "detail-type": detail_type,
        "source": "aws.backup",
        "account": "123456789012",
        "time": "2026-01-02T00:25:10Z",
        "region": "us-west-1",
        "resources": [],
        "detail": detail,
        **envelope,
    }


def a_backup_job(**changes: Any) -> Event:
    """As AWS documents a FAILED one; the reason comes in quotes of its own."""
    return an_event(
        "Backup Job State Change",
        {
            "backupJobId": JOB,
            "backupVaultArn": VAULT,
            "backupVaultName": "cabal-backup",
            "bytesTransferred": "0",
            "creationDate": "2026-01-02T00:00:00.392Z",
            "iamRoleArn": ROLE,
            "resourceArn": TABLE,
            "resourceType": "DynamoDB",
            "state": "FAILED",
            "statusMessage": '"Backup job failed because there was no room."',
            "startBy": "2026-01-02T08:00:00.392Z",
            "percentDone": 0,
            **changes,
        },
    )


def a_copy_job(**changes: Any) -> Event:
    return an_event(
        "Copy Job State Change",
        {
            "copyJobId": JOB,
            "backupSizeInBytes": 22548578304,
            "creationDate": "2026-01-02T00:30:10.154Z",
            "iamRoleArn": ROLE,
            "resourceArn": MAILSTORE,
            "resourceType": "EFS",
            "sourceBackupVaultArn": VAULT,
            "state": "FAILED",
            "statusMessage": "Access denied exception while trying to list recovery points",
            "completionDate": "2026-01-02T00:47:30.154Z",
            "destinationBackupVaultArn": DR_VAULT,
            "destinationRecoveryPointArn": {},
            **changes,
        },
        resources=[POINT],
    )


def a_restore_job(**changes: Any) -> Event:
    """The documented one names neither the vault nor the resource that was restored from."""
    return an_event(
        "Restore Job State Change",
        {
            "restoreJobId": JOB,
            "backupSizeInBytes": "0",
            "creationDate": "2026-01-02T09:00:00.000Z",
            "iamRoleArn": ROLE,
            "percentDone": 0,
            "resourceType": "EFS",
            "status": "FAILED",
            "statusMessage": "The file system is full.",
            **changes,
        },
        resources=[POINT],
    )


def a_point(status: str, region: str = "us-west-1") -> Event:
    return an_event(
        "Recovery Point State Change",
        {
            "backupVaultName": "cabal-backup",
            "backupVaultArn": VAULT,
            "creationDate": "2026-01-02T00:20:00.000Z",
            "iamRoleArn": ROLE,
            "resourceType": "DynamoDB",
            "resourceArn": TABLE,
            "status": status,
            "statusMessage": "Some of it is missing.",
            "isEncrypted": "true",
            "storageClass": "WARM",
        },
        resources=[POINT],
        region=region,
    )


def a_call(name: str, parameters: Event | None, **changes: Any) -> Event:
    """A CloudTrail record, as EventBridge passes it on."""
    return an_event(
        "AWS API Call via CloudTrail",
        {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:operator",
                "arn": "arn:aws:sts::123456789012:assumed-role/Admin/operator",
                "accountId": "123456789012",
            },
            "eventTime": "2026-01-02T10:11:12Z",
            "eventSource": "backup.amazonaws.com",
            "eventName": name,
            "awsRegion": "us-west-1",
            "sourceIPAddress": "192.0.2.10",
            "userAgent": "aws-cli/2.15.0",
            "requestParameters": parameters,
            "responseElements": None,
            "eventID": "5c1a3d6e-0000-4000-8000-0123456789ab",
            "readOnly": False,
            "eventType": "AwsApiCall",
            **changes,
        },
    )


def an_alarm(value: str, **changes: Any) -> Event:
    """As CloudWatch hands it to a Lambda function."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": "arn:aws:cloudwatch:us-west-1:123456789012:alarm:cabal-backup-no-backup-efs",
        "accountId": "123456789012",
        "time": "2026-01-03T02:40:15.490+0000",
        "region": "us-west-1",
        "alarmData": {
            "alarmName": "cabal-backup-no-backup-efs",
            "state": {
                "value": value,
                "reason": "Threshold Crossed: no datapoints were received for 26 periods and 26 "
                "missing datapoints were treated as [Breaching].",
                "timestamp": "2026-01-03T02:40:15.490+0000",
            },
            "previousState": {"value": "OK" if value == "ALARM" else "ALARM"},
            "configuration": {
                "description": "For 26 hours no backup of the mailstore has succeeded.",
                "metrics": [],
            },
            **changes,
        },
    }


class Wire:
    """The network between botocore and AWS: leads to the account of the running test."""

    account: TopicAndJobs

    def __call__(self, request: Any, **_: object) -> Any:
        return self.account.answer(request)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    session.register("before-send", wire)
    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = boto3.Session(botocore_session=session)
    yield wire
    boto3.DEFAULT_SESSION = before


@pytest.fixture
def account(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> TopicAndJobs:
    """Where the function runs, with its variables; nothing sleeps."""
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "does-not-exist")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-1")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    wire.account = TopicAndJobs()
    return wire.account


def told(event: Any) -> notify.Notice:
    return notify.put_into_words(event, VARIABLES)


def lines(event: Any) -> list[str]:
    return told(event).body.splitlines()


def test_a_backup_that_failed_from_the_first_line_to_the_last() -> None:
    notice = told(a_backup_job())
    assert notice.subject == "[cabal-backup prod] Backup FAILED: cabal-addresses"
    assert notice.body == (
        "Backup FAILED: cabal-addresses\n"
        "\n"
        f"Resource:       {TABLE}\n"
        "Type:           DynamoDB\n"
        "Reason:         Backup job failed because there was no room.\n"
        "When:           2026-01-02 00:25 UTC\n"
        "Region:         us-west-1\n"
        "Vault:          cabal-backup\n"
        f"Job:            {JOB}\n"
        "Started:        2026-01-02 00:00 UTC\n"
        "\n"
        "Mend what AWS names as the reason. The next night tries again; to back up now:\n"
        "    aws backup start-backup-job --region us-west-1 --backup-vault-name=cabal-backup "
        f"--resource-arn={TABLE} --iam-role-arn={ROLE} "
        "--lifecycle=MoveToColdStorageAfterDays=30,DeleteAfterDays=365\n"
        "\n"
        "Everything at a glance:\n"
        "    cabal-backup status -e prod\n"
    )


@pytest.mark.parametrize("state", ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"])
def test_the_state_is_in_the_subject(state: str) -> None:
    assert told(a_backup_job(state=state)).subject.endswith(f"Backup {state}: cabal-addresses")
    assert told(a_copy_job(state=state)).subject.endswith(f"Copy {state}: fs-0123456789abcdef0")
    assert f"Restore {state}: " in told(a_restore_job(status=state)).subject


def test_a_failed_copy_comes_with_the_command_that_copies() -> None:
    said = lines(a_copy_job())
    assert f"From:           {VAULT}" in said
    assert f"To:             {DR_VAULT}" in said
    assert "When:           2026-01-02 00:47 UTC" in said
    assert (
        f"    aws backup start-copy-job --region us-west-1 --source-backup-vault-name=cabal-backup "
        f"--recovery-point-arn={POINT} --destination-backup-vault-arn={DR_VAULT} "
        f"--iam-role-arn={ROLE} --lifecycle=DeleteAfterDays=200"
    ) in said


def test_a_failed_copy_back_is_called_so() -> None:
    event = a_copy_job(sourceBackupVaultArn=DR_VAULT, destinationBackupVaultArn=VAULT)
    notice = told({**event, "region": "us-west-2"})
    assert notice.subject == "[cabal-backup prod] Copy back FAILED: fs-0123456789abcdef0"
    assert "    cabal-backup copy-back -e prod" in notice.body.splitlines()
    assert "start-copy-job" not in notice.body


def test_a_restore_names_what_it_was_restored_from() -> None:
    notice = told(a_restore_job())
    assert notice.subject == (
        "[cabal-backup prod] Restore FAILED: 8A9B1C2D-0000-4000-8000-1234567890AB"
    )
    assert f"Recovery point: {POINT}" in notice.body
    assert "    cabal-backup jobs -e prod" in notice.body.splitlines()
    newer = told(a_restore_job(sourceResourceArn=MAILSTORE))
    assert newer.subject == "[cabal-backup prod] Restore FAILED: fs-0123456789abcdef0"


def test_points_that_are_not_whole_or_should_be_gone() -> None:
    partial, expired = told(a_point("PARTIAL")), told(a_point("EXPIRED"))
    assert partial.subject == "[cabal-backup prod] Recovery point PARTIAL: cabal-addresses"
    assert "    cabal-backup points -e prod" in partial.body.splitlines()
    assert expired.subject == "[cabal-backup prod] Recovery point EXPIRED: cabal-addresses"
    assert "cabal-backup status -e prod --only role,primary-points,dr-points" in expired.body
    for notice in (partial, expired):
        assert f"Recovery point: {POINT}" in notice.body
        assert "Reason:         Some of it is missing." in notice.body


def test_a_restore_test_found_wrong() -> None:
    detail = {
        "resourceArn": TABLE,
        "resourceType": "DynamoDB",
        "restoreJobId": JOB,
        "verdict": "FAILED",
        "message": "12 items, and the live table has 600.",
    }
    notice = told(an_event("Restore Test Validated", detail, source="cabal-backup"))
    assert notice.subject == "[cabal-backup prod] Restore test FAILED: cabal-addresses"
    assert "Reason:         12 items, and the live table has 600." in notice.body
    assert (
        f"    aws backup describe-restore-job --region us-west-1 --restore-job-id={JOB}"
        in notice.body.splitlines()
    )


def test_a_call_says_who_when_from_where_and_what_to_do() -> None:
    event = a_call("DeleteBackupVaultLockConfiguration", {"backupVaultName": "cabal-backup"})
    notice = told(event)
    assert notice.subject == (
        "[cabal-backup prod] Protection changed: removal of the lock, cabal-backup"
    )
    assert notice.body.splitlines()[2:] == [
        "Call:           DeleteBackupVaultLockConfiguration of backup.amazonaws.com",
        "Who:            arn:aws:sts::123456789012:assumed-role/Admin/operator",
        "From:           192.0.2.10",
        "When:           2026-01-02 10:11 UTC",
        "Region:         us-west-1",
        "Asked for:      backupVaultName cabal-backup",
        "Record:         CloudTrail event 5c1a3d6e-0000-4000-8000-0123456789ab",
        "",
        "Unless it was you, put the lock back now:",
        "    cabal-backup relock -e prod",
        "",
        "Everything at a glance:",
        "    cabal-backup status -e prod",
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "what"),
    [
        ("PutBackupVaultLockConfiguration", {"backupVaultName": "v"}, "change of the lock, v"),
        ("DeleteRecoveryPoint", {"backupVaultName": "v"}, "deletion of a recovery point, v"),
        ("UpdateRecoveryPointLifecycle", {"backupVaultName": "v"}, "new lifecycle of a recovery"),
        ("DisassociateRecoveryPoint", {"backupVaultName": "v"}, "disassociation of a recovery"),
        (
            "DisassociateRecoveryPointFromParent",
            {"backupVaultName": "v"},
            "disassociation of a recovery point, v",
        ),
        ("PutBackupVaultAccessPolicy", {"backupVaultName": "v"}, "change of the vault's access"),
        ("DeleteBackupVaultAccessPolicy", {"backupVaultName": "v"}, "deletion of the vault's acc"),
        ("DeleteBackupVault", {"backupVaultName": "v"}, "deletion of the vault, v"),
        ("UpdateBackupPlan", {"backupPlanId": "p"}, "change of the backup plan, p"),
        ("DeleteBackupPlan", {"backupPlanId": "p"}, "deletion of the backup plan, p"),
        ("CreateBackupSelection", {"backupPlanId": "p"}, "a new selection in the backup plan, p"),
        ("DeleteBackupSelection", {"backupPlanId": "p"}, "deletion of a selection, p"),
        ("UpdateRegionSettings", {}, "opt-in switched off, us-west-1"),
        ("UpdateAssumeRolePolicy", {"roleName": "r"}, "change of who may assume the role, r"),
        ("AttachRolePolicy", {"roleName": "r"}, "a policy attached to the role, r"),
        ("DetachRolePolicy", {"roleName": "r"}, "a policy detached from the role, r"),
        ("PutRolePolicy", {"roleName": "r"}, "a policy written into the role, r"),
        ("DeleteRolePolicy", {"roleName": "r"}, "a policy deleted from the role, r"),
        ("PutRolePermissionsBoundary", {"roleName": "r"}, "a boundary set on the role, r"),
        ("DeleteRolePermissionsBoundary", {"roleName": "r"}, "the boundary of the role removed"),
        ("UpdateRole", {"roleName": "r"}, "change of the role, r"),
        ("DeleteRole", {"roleName": "r"}, "deletion of the role, r"),
    ],
)
def test_every_call_that_is_listened_to_has_words(name: str, parameters: Event, what: str) -> None:
    title = lines(a_call(name, parameters))[0]
    assert title.startswith(f"Protection changed: {what}")


@pytest.mark.parametrize("name", sorted(notify.CALLS))
def test_a_refused_call_was_an_attempt(name: str) -> None:
    event = a_call(
        name,
        {"backupVaultName": "cabal-backup"},
        errorCode="AccessDenied",
        errorMessage="Insufficient privileges to perform this action.",
    )
    said = lines(event)
    assert said[0].startswith("Attempted, refused: ")
    assert "Refused:        AccessDenied Insufficient privileges to perform this action." in said
    assert "Nothing has changed. Find out who it was, and why they tried:" in said
    assert (
        "    aws cloudtrail lookup-events --region us-west-1 --lookup-attributes "
        f"AttributeKey=EventName,AttributeValue={name}"
    ) in said
    assert "relock" not in told(event).body


def test_a_call_of_a_deployment_says_so() -> None:
    event = a_call(
        "UpdateBackupPlan", {"backupPlanId": "p"}, sourceIPAddress="cloudformation.amazonaws.com"
    )
    assert "By:             a deployment, through CloudFormation" in lines(event)


def test_a_document_that_was_asked_for_is_told_member_by_member() -> None:
    policy = '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}}]}'
    event = a_call("UpdateAssumeRolePolicy", {"roleName": "r", "policyDocument": policy})
    (asked,) = (line for line in lines(event) if line.startswith("Asked for:"))
    assert asked == (
        "Asked for:      roleName r, policyDocument.Statement.Effect Allow, "
        "policyDocument.Statement.Principal.AWS *"
    )


@pytest.mark.parametrize(
    ("identity", "who"),
    [
        ({"type": "AWSService", "invokedBy": "backup.amazonaws.com"}, "backup.amazonaws.com"),
        ({"type": "Unknown", "principalId": "AIDAEXAMPLE"}, "AIDAEXAMPLE"),
        ({}, "CloudTrail does not say"),
        (None, "CloudTrail does not say"),
    ],
)
def test_whoever_it_was_is_named_as_well_as_cloudtrail_does(identity: Any, who: str) -> None:
    event = a_call("DeleteBackupVault", {"backupVaultName": "v"}, userIdentity=identity)
    assert f"Who:            {who}" in lines(event)


def test_an_alarm_from_the_first_line_to_the_last() -> None:
    notice = told(an_alarm("ALARM"))
    assert notice.subject == (
        "[cabal-backup prod] ALARM: For 26 hours no backup of the mailstore has succeeded."
    )
    assert notice.body == (
        "ALARM: For 26 hours no backup of the mailstore has succeeded.\n"
        "\n"
        "Alarm:          cabal-backup-no-backup-efs\n"
        "State:          ALARM, before OK\n"
        "Reason:         Threshold Crossed: no datapoints were received for 26 periods and 26 "
        "missing datapoints were treated as [Breaching].\n"
        "Since:          2026-01-03 02:40 UTC\n"
        "Region:         us-west-1\n"
        "\n"
        "Everything at a glance:\n"
        "    cabal-backup status -e prod\n"
    )


def test_an_alarm_that_is_over_says_so() -> None:
    assert told(an_alarm("OK")).subject == (
        "[cabal-backup prod] OK again, it is over: "
        "For 26 hours no backup of the mailstore has succeeded."
    )


def test_an_alarm_without_a_description_goes_by_its_name() -> None:
    assert told(an_alarm("ALARM", configuration={})).subject == (
        "[cabal-backup prod] ALARM: cabal-backup-no-backup-efs"
    )


ODD: list[Any] = [
    {},
    {"detail-type": "Backup Job State Change"},
    {"detail-type": "Backup Job State Change", "detail": None},
    {"detail-type": "Backup Job State Change", "detail": "text", "resources": "text"},
    {"detail-type": "Copy Job State Change", "detail": {"sourceBackupVaultArn": 7}},
    {"detail-type": "Recovery Point State Change", "detail": {"status": "NEW"}},
    {"detail-type": "Restore Job State Change", "detail": {"status": {}}, "resources": [None]},
    {"detail-type": "AWS API Call via CloudTrail", "detail": {}},
    {"detail-type": "AWS API Call via CloudTrail", "detail": {"requestParameters": [1]}},
    {"detail-type": "PARTIAL", "detail": {}},
    {"detail-type": "Copy Back", "detail": {}},
    {"detail-type": {"nested": True}},
    {"alarmData": {}},
    {"alarmData": {"state": "ALARM", "configuration": None}},
    {"source": "com.example", "detail": {"deep": [[{"er": 1}], {"a": None}]}},
    {"detail": {f"member{n}": "x" * 5000 for n in range(500)}},
    [],
    ["a", {"b": 1}],
    "text",
    "",
    7,
    None,
]


@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_no_shape_of_an_event_is_too_odd_to_tell(event: Any) -> None:
    notice = told(event)
    assert notice.subject.startswith("[cabal-backup prod] ")
    assert len(notice.subject) < 100
    assert "    cabal-backup status -e prod" in notice.body.splitlines()
    assert len(notice.body.encode()) < 256 * 1024
    assert "None" not in notice.body


def test_an_unknown_event_is_told_member_by_member() -> None:
    detail = {"state": "MELTED", "where": {"rack": 7}}
    notice = told(an_event("Backup Vault State Change", detail))
    assert notice.subject == "[cabal-backup prod] Event: Backup Vault State Change"
    assert "detail.state:   MELTED" in notice.body
    assert "detail.where.rack: 7" in notice.body


@pytest.mark.parametrize(
    "hostile",
    [
        "first line\nSubject: second\r\nthird",
        "\x00\x1b[31mred\x7f",
        "\u202egnirts desrever",
        "Schlüssel fehlt 🔑",
        "x" * 300_000,
        "{'looks': 'like'} JSON",
        "a; rm -rf / #",
        "$(reboot) `reboot` '\"",
        "{environment} {0} %s",
        "--no-sign-request",
        "file:///etc/passwd",
        "fileb:///etc/passwd",
        "",
        " ",
    ],
)
def test_hostile_values_stay_on_their_line(account: TopicAndJobs, hostile: str) -> None:
    """Of the reason, of the resource, and of everything that a command is filled in with."""
    event = a_backup_job(statusMessage=hostile, resourceArn=hostile, iamRoleArn=hostile)
    plain = len(lines(a_backup_job()))
    notify.handler(event, None)
    (message,) = account.messages
    said = message.body.splitlines()
    assert len(said) <= plain
    assert all(line.isprintable() for line in said)
    commands = [shlex.split(line) for line in said if line.startswith("    ")]
    assert {command[0] for command in commands} <= {"aws", "cabal-backup"}
    for command in commands:
        if command[0] == "aws":
            assert len(command) == 9
            assert all(re.fullmatch(r"--[a-z-]+=(?!fileb?://).+", part) for part in command[5:])


def test_a_command_that_lacks_something_is_left_out() -> None:
    event = a_backup_job()
    del event["detail"]["iamRoleArn"]
    assert "start-backup-job" not in told(event).body
    assert "    cabal-backup status -e prod" in lines(event)


def test_a_long_subject_is_cut_and_a_long_one_that_fits_is_not() -> None:
    for length, ends in ((99, "x"), (100, "...")):
        name = "x" * (length - len("[cabal-backup prod] Backup FAILED: "))
        subject = told(a_backup_job(resourceArn=name)).subject
        assert len(subject) == 99
        assert subject.endswith(ends)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-01-02T00:25:10Z", "2026-01-02 00:25 UTC"),
        ("2026-01-03T02:40:15.490+0000", "2026-01-03 02:40 UTC"),
        ("2026-01-02T02:25:10+02:00", "2026-01-02 00:25 UTC"),
        ("yesterday", "yesterday"),
        (1767313510, "1767313510"),
    ],
)
def test_times_are_in_utc_to_the_minute(given: Any, shown: str) -> None:
    assert f"When:           {shown}" in lines(a_backup_job(completionDate=given))


def test_one_event_is_one_message_on_the_topic(account: TopicAndJobs) -> None:
    notify.handler(a_backup_job(), None)
    notice = told(a_backup_job())
    assert account.messages == [Message(TOPIC, notice.subject, notice.body)]
    assert account.listed == []


def test_a_message_that_cannot_be_published_fails_so_that_lambda_delivers_the_event(
    account: TopicAndJobs,
) -> None:
    account.refuses_messages = True
    with pytest.raises(ClientError, match="AuthorizationError"):
        notify.handler(a_backup_job(), None)


def a_listed_job(state: str, **changes: Any) -> Event:
    return {"ResourceArn": TABLE, "State": state, **changes}


@pytest.mark.parametrize("state", ["PARTIAL", "RUNNING", "EXPIRED"])
def test_a_partial_point_of_a_job_that_is_told_is_not_told_again(
    account: TopicAndJobs, state: str
) -> None:
    """The events come in no certain order, so the job may be RUNNING still."""
    others = [a_listed_job("PARTIAL", RecoveryPointArn=f"{POINT}-{n}") for n in range(5)]
    account.jobs["us-west-1", "BackupJobs"] = [*others, a_listed_job(state, RecoveryPointArn=POINT)]
    notify.handler(a_point("PARTIAL"), None)
    assert account.messages == []


def test_a_partial_copy_is_told_by_its_job_in_the_region_of_the_source(
    account: TopicAndJobs,
) -> None:
    account.jobs["us-west-1", "CopyJobs"] = [
        a_listed_job("PARTIAL", DestinationRecoveryPointArn=POINT)
    ]
    notify.handler(a_point("PARTIAL", region="us-west-2"), None)
    assert account.messages == []
    assert account.listed == [("us-west-2", "BackupJobs"), ("us-west-1", "CopyJobs")]


@pytest.mark.parametrize("status", ["PARTIAL", "EXPIRED"])
def test_a_point_whose_job_went_well_is_told(account: TopicAndJobs, status: str) -> None:
    account.jobs["us-west-1", "BackupJobs"] = [a_listed_job("COMPLETED", RecoveryPointArn=POINT)]
    notify.handler(a_point(status), None)
    (message,) = account.messages
    assert f"Recovery point {status}" in message.subject


def test_a_point_without_a_job_is_told(account: TopicAndJobs) -> None:
    notify.handler(a_point("PARTIAL"), None)
    assert len(account.messages) == 1


def test_a_point_is_told_when_the_jobs_cannot_be_looked_at(account: TopicAndJobs) -> None:
    account.refuses_lists = True
    notify.handler(a_point("PARTIAL"), None)
    assert len(account.messages) == 1
