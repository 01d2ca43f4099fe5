"""What the operator reads for each kind of event, and for events of every odd shape (S27)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cabal_backup import urgent
from cabal_backup.functions import notify
from cabal_backup.functions.notify.incident import Notice, compose, understand
from tests.unit.functions.aws import Account, Refusal, Wire, wired

pytestmark = pytest.mark.usefixtures("slept")

TOPIC = "arn:aws:sns:us-west-1:123456789012:cabal-backup-alerts"
VARIABLES = {
    "TOPIC_ARN": TOPIC,
    "ENVIRONMENT": "prod",
    "QUEUE_URL": "https://sqs.us-west-1.amazonaws.com/123456789012/cabal-backup-alerts",
    "AWS_REGION": "us-west-1",
    "AWS_DEFAULT_REGION": "us-west-1",
    "DR_REGION": "us-west-2",
    "PLAN_ID": "our-plan",
    "TABLES": "cabal-addresses,cabal-counter",
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


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired() as wire:
        yield wire


@dataclass
class Aws(Account):
    """A topic, a queue, a parameter and the plans of an account."""

    messages: list[Notice] = field(default_factory=list)
    remembered: str = "{}"
    plans: dict[str, str] = field(default_factory=dict)
    """The vault that each plan writes into."""

    def __post_init__(self) -> None:
        self.answers = {
            "Publish": self._publish,
            "GetParameter": lambda _: {"Parameter": {"Value": self.remembered}},
            "PutParameter": self._remember,
            "ChangeMessageVisibilityBatch": lambda _: {"Successful": [], "Failed": []},
            "GetBackupPlan": self._plan,
        }

    def _publish(self, asked: Any) -> Any:
        subject = asked["Subject"]
        assert subject.isascii()
        assert subject.isprintable()
        assert 0 < len(subject) < 100
        assert len(asked["Message"].encode()) <= 256 * 1024
        assert asked["TopicArn"] == TOPIC
        self.messages.append(Notice(subject, asked["Message"]))
        return {}

    def _remember(self, asked: Any) -> Any:
        assert len(asked["Value"]) <= 4096
        self.remembered = asked["Value"]
        return {}

    def _plan(self, asked: Any) -> Any:
        rule = {
            "RuleName": "nightly",
            "TargetBackupVaultName": self.plans.get(asked["BackupPlanId"], "others"),
        }
        return {"BackupPlan": {"BackupPlanName": "plan", "Rules": [rule]}}

    @property
    def hidden(self) -> list[tuple[str, int]]:
        """The receipts of messages that wait, and for how long, in seconds."""
        return [
            (entry["ReceiptHandle"], entry["VisibilityTimeout"])
            for asked in self.called("ChangeMessageVisibilityBatch")
            for entry in asked["Entries"]
        ]


@pytest.fixture
def account(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Where the function runs; nothing sleeps."""
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "does-not-exist")
    for each in (notify._sqs, notify._sns, notify._ssm, notify._backup):
        each.cache_clear()
    wire.account = aws = Aws()
    return aws


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def batch(*events: Any, at: float = 1_000_000.0, received: int = 1) -> dict[str, Any]:
    """A batch of the queue, as Lambda hands it to the function."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": event if isinstance(event, str) else json.dumps(event),
                "attributes": {
                    "SentTimestamp": str(int(at * 1000)),
                    "ApproximateReceiveCount": str(received),
                },
            }
            for number, event in enumerate(events)
        ]
    }


def handle(*events: Any, at: float = 1_000_000.0, received: int = 1) -> list[str]:
    """The ids of the messages that stay in the queue."""
    answer = notify.handler(batch(*events, at=at, received=received), None)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def notice_of(event: Any) -> Notice:
    occurrence = understand(event, lambda plan, _version: plan == "our-plan")
    assert occurrence is not None, "the event is not reported"
    return compose([occurrence])


def ignored(event: Any) -> bool:
    return understand(event, lambda plan, _version: plan == "our-plan") is None


def lines(event: Any) -> list[str]:
    return notice_of(event).body.splitlines()


def test_a_backup_that_failed_from_the_first_line_to_the_last() -> None:
    notice = notice_of(a_backup_job())
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
        "Created:        2026-01-02 00:00 UTC\n"
        "\n"
        "Fix the error that AWS reports. The next night tries again; to back up now:\n"
        "    cabal-backup backup now -e prod\n"
        "\n"
        "The state of everything:\n"
        "    cabal-backup status -e prod\n"
    )


@pytest.mark.parametrize("state", ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"])
def test_the_state_is_in_the_subject(state: str) -> None:
    assert notice_of(a_backup_job(state=state)).subject.endswith(f"Backup {state}: cabal-addresses")
    assert notice_of(a_copy_job(state=state)).subject.endswith(
        f"Copy {state}: fs-0123456789abcdef0"
    )
    assert f"Restore {state}: " in notice_of(a_restore_job(status=state)).subject


def test_a_failed_copy_comes_with_the_command_that_copies() -> None:
    said = lines(a_copy_job())
    assert f"From:           {VAULT}" in said
    assert f"To:             {DR_VAULT}" in said
    assert "When:           2026-01-02 00:47 UTC" in said
    assert "    cabal-backup copy now -e prod" in said


def test_a_failed_copy_back_is_called_so() -> None:
    event = a_copy_job(sourceBackupVaultArn=DR_VAULT, destinationBackupVaultArn=VAULT)
    notice = notice_of({**event, "region": "us-west-2"})
    assert notice.subject == "[cabal-backup prod] Copy back FAILED: fs-0123456789abcdef0"
    assert "    cabal-backup copy-back addresses -e prod" in notice.body.splitlines()
    assert "copy now" not in notice.body


def test_a_failed_copy_to_the_air_gapped_vault_names_its_check() -> None:
    """`copy now` copies to the DR vault only."""
    notice = notice_of(a_copy_job(destinationBackupVaultArn=f"{VAULT}-air-gapped"))
    assert notice.subject == (
        "[cabal-backup prod] Copy to the air-gapped vault FAILED: fs-0123456789abcdef0"
    )
    assert "cabal-backup status -e prod --only air-gapped" in notice.body
    assert "copy now" not in notice.body


def test_a_restore_names_what_it_was_restored_from() -> None:
    notice = notice_of(a_restore_job())
    assert notice.subject == (
        "[cabal-backup prod] Restore FAILED: 8A9B1C2D-0000-4000-8000-1234567890AB"
    )
    assert f"Recovery point: {POINT}" in notice.body
    assert "    cabal-backup jobs -e prod" in notice.body.splitlines()
    newer = notice_of(a_restore_job(sourceResourceArn=MAILSTORE))
    assert newer.subject == "[cabal-backup prod] Restore FAILED: fs-0123456789abcdef0"


def test_a_point_that_could_not_be_deleted() -> None:
    notice = notice_of(a_point("EXPIRED"))
    assert notice.subject == "[cabal-backup prod] Recovery point EXPIRED: cabal-addresses"
    assert "cabal-backup status -e prod --only role,primary-points,dr-points" in notice.body
    assert f"Recovery point: {POINT}" in notice.body
    assert "Reason:         Some of it is missing." in notice.body


def a_deletion(**changes: Any) -> Event:
    event = a_point("DELETING")
    event["detail"]["calculatedLifeCycle"] = {"deleteAt": "2027-01-02T00:20:00.000Z"}
    return {**event, **changes}


def test_a_point_deleted_before_its_end_is_reported_without_a_trail() -> None:
    notice = notice_of(a_deletion())
    assert notice.subject == (
        "[cabal-backup prod] Protection changed: deletion of a recovery point, cabal-backup"
    )
    assert "Would expire:   2027-01-02 00:20 UTC" in notice.body.splitlines()
    assert "    cabal-backup points -e prod" in notice.body.splitlines()


@pytest.mark.parametrize("time", ["2027-01-02T00:20:00Z", "2027-01-02T08:20:00Z"])
def test_a_point_that_expires_is_not_reported(time: str) -> None:
    assert ignored(a_deletion(time=time))


def test_a_job_with_issues() -> None:
    notice = notice_of(a_backup_job(state="COMPLETED", statusMessage="Some items were skipped."))
    assert notice.subject.endswith("Backup COMPLETED with issues: cabal-addresses")
    assert "Reason:         Some items were skipped." in notice.body


def test_jobs_of_other_vaults_are_not_reported() -> None:
    assert ignored(a_backup_job(backupVaultName="others", backupVaultArn=VAULT + "-others"))


def test_a_restore_test_found_wrong() -> None:
    detail = {
        "resourceArn": TABLE,
        "resourceType": "DynamoDB",
        "restoreJobId": JOB,
        "verdict": "FAILED",
        "message": "12 items, and the live table has 600.",
    }
    notice = notice_of(an_event("Restore Test Validated", detail, source="cabal-backup"))
    assert notice.subject == "[cabal-backup prod] Restore test FAILED: cabal-addresses"
    assert "Reason:         12 items, and the live table has 600." in notice.body
    assert (
        f"    aws backup describe-restore-job --region us-west-1 --restore-job-id={JOB}"
        in notice.body.splitlines()
    )


def test_a_call_says_who_when_from_where_and_what_to_do() -> None:
    event = a_call("DeleteBackupVaultLockConfiguration", {"backupVaultName": "cabal-backup"})
    notice = notice_of(event)
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
        "Unless it was you, lock the vault again now:",
        "    cabal-backup relock -e prod",
        "",
        "The state of everything:",
        "    cabal-backup status -e prod",
    ]


OURS: dict[str, Event] = {
    "lock": {"backupVaultName": "cabal-backup"},
    "points": {"backupVaultName": "cabal-backup-dr"},
    "vault": {"backupVaultName": "cabal-backup"},
    "plan": {"backupPlanId": "our-plan"},
    "opt-in": {"resourceTypeOptInPreference": {"DynamoDB": False}},
    "copy": {
        "sourceBackupVaultName": "cabal-backup",
        "destinationBackupVaultArn": "arn:aws:backup:us-west-2:210987654321:backup-vault:theirs",
    },
    "pitr": {
        "tableName": "cabal-counter",
        "pointInTimeRecoverySpecification": {"pointInTimeRecoveryEnabled": False},
    },
    "role": {"roleName": "cabal-backup-role"},
}
OTHERS: dict[str, Event] = {
    "lock": {"backupVaultName": "others"},
    "points": {"backupVaultName": "others"},
    "vault": {"backupVaultName": "others"},
    "plan": {"backupPlanId": "another-plan"},
    "opt-in": {"resourceTypeOptInPreference": {"DynamoDB": True, "EFS": False}},
    "copy": {
        "sourceBackupVaultName": "cabal-backup",
        "destinationBackupVaultArn": "arn:aws:backup:us-west-2:123456789012:backup-vault:ours",
    },
    "pitr": {
        "tableName": "cabal-counter",
        "pointInTimeRecoverySpecification": {"pointInTimeRecoveryEnabled": True},
    },
    "role": {"roleName": "another"},
}
CALLS = [(kind, name) for kind, calls in urgent.CALLS.items() for name in calls]


def call_of(kind: str, name: str, parameters: Event | None, **changes: Any) -> Event:
    source = {"pitr": "dynamodb", "role": "iam"}.get(kind, "backup")
    return a_call(
        name,
        parameters,
        eventSource=f"{source}.amazonaws.com",
        recipientAccountId="123456789012",
        **changes,
    )


@pytest.mark.parametrize(("kind", "name"), CALLS)
def test_every_call_that_a_rule_matches_has_words(kind: str, name: str) -> None:
    title, *_ = lines(call_of(kind, name, OURS[kind]))
    assert title.startswith(f"Protection changed: {urgent.CALLS[kind][name]}, ")


@pytest.mark.parametrize(("kind", "name"), CALLS)
def test_what_is_not_about_this_environment_is_not_reported(kind: str, name: str) -> None:
    assert ignored(call_of(kind, name, OTHERS[kind]))


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (service, name.replace("*", "Function20150331"))
        for service, calls in urgent.MONITORING.items()
        for name in calls
    ],
)
def test_every_attack_on_the_monitoring_has_words(service: str, name: str) -> None:
    def attack(what: str) -> Event:
        source = f"{service}.amazonaws.com"
        return a_call(name, {"name": what}, eventSource=source)

    title, *_ = lines(attack("cabal-backup-jobs"))
    assert title.startswith("Monitoring attacked: ")
    assert title.endswith(", cabal-backup-jobs")
    assert "call of" not in title
    assert ignored(attack("others")) is (service != "cloudtrail")


OUR_QUEUE = "arn:aws:sqs:us-west-1:123456789012:cabal-backup-alerts"


@pytest.mark.parametrize(
    ("service", "name", "parameters", "target"),
    [
        ("events", "UpdateEventBus", {"name": "default", "kmsKeyIdentifier": "k"}, "default"),
        (
            "lambda",
            "CreateEventSourceMapping20150331",
            {"functionName": "another", "eventSourceArn": OUR_QUEUE},
            "cabal-backup-alerts",
        ),
        (
            "monitoring",
            "PutAlarmMuteRule",
            {"name": "quiet", "muteTargets": {"alarmNames": ["cabal-backup-watch"]}},
            "quiet",
        ),
    ],
)
def test_an_attack_beside_what_is_ours(
    service: str, name: str, parameters: Event, target: str
) -> None:
    def attack(of: Event) -> Event:
        return a_call(name, of, eventSource=f"{service}.amazonaws.com")

    title, *_ = lines(attack(parameters))
    assert title.startswith("Monitoring attacked: ")
    assert title.endswith(f", {target}")
    theirs = json.dumps(parameters).replace("cabal-backup", "others").replace("default", "theirs")
    assert ignored(attack(json.loads(theirs)))


@pytest.mark.parametrize(("days", "reported"), [(1, True), (34, True), (35, False), (None, False)])
def test_point_in_time_recovery_that_is_shortened(days: int | None, reported: bool) -> None:
    new: Event = {"pointInTimeRecoveryEnabled": True}
    new |= {"recoveryPeriodInDays": days} if days else {}
    parameters = {"tableName": "cabal-counter", "pointInTimeRecoverySpecification": new}
    assert ignored(call_of("pitr", "UpdateContinuousBackups", parameters)) is not reported


def test_a_new_plan_that_writes_into_our_vaults() -> None:
    plan = {"backupPlanName": "theirs", "rules": [{"targetBackupVaultName": "cabal-backup"}]}
    title, *_ = lines(a_call("CreateBackupPlan", {"backupPlan": plan}))
    assert title.startswith("Protection changed: a new backup plan that uses our vaults")
    plan["rules"] = [{"targetBackupVaultName": "others"}]
    assert ignored(a_call("CreateBackupPlan", {"backupPlan": plan}))


@pytest.mark.parametrize(("kind", "name"), CALLS)
def test_a_refused_call_was_an_attempt(kind: str, name: str) -> None:
    event = call_of(
        kind,
        name,
        OURS[kind],
        errorCode="AccessDenied",
        errorMessage="Insufficient privileges to perform this action.",
    )
    said = lines(event)
    assert said[0].startswith("Attempted, refused: ")
    assert "Refused:        AccessDenied Insufficient privileges to perform this action." in said
    assert "Nothing was changed. Find out who it was, and why they tried:" in said
    assert (
        "    aws cloudtrail lookup-events --region=us-west-1 --lookup-attributes "
        f"AttributeKey=EventName,AttributeValue={name}"
    ) in said
    assert "relock" not in notice_of(event).body


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"errorCode": "AccessDenied", "requestParameters": None}, True),
        ({"errorCode": "AccessDenied", "requestParameters": {"backupVaultName": "other"}}, False),
        ({"requestParameters": None}, False),
    ],
)
def test_what_iam_refuses_may_be_recorded_without_its_parameters(
    changes: Event, reported: bool
) -> None:
    assert ignored(a_call("DeleteRecoveryPoint", None, **changes)) is not reported


ROLES = [
    "cabal-backup-AlertsHandlerRole2D986504-AbC",
    "cabal-backup-dr-AlertsWatchHandlerRoleEEFE292B-AbC",
    "cabal-backup-AlertsElsewhereRole186E4ACD-AbC",
]
"""The roles of the monitoring, as CloudFormation names them."""


@pytest.mark.parametrize("name", urgent.CALLS["role"])
@pytest.mark.parametrize("role", ROLES)
def test_a_change_of_a_role_of_the_monitoring_is_an_attack_on_it(role: str, name: str) -> None:
    parameters = {"roleName": role, "permissionsBoundary": "arn:aws:iam::aws:policy/X"}
    if name.endswith("PolicyVersion"):
        parameters = {"policyArn": f"arn:aws:iam::123456789012:policy/{role}"}
    said = lines(call_of("role", name, parameters))
    assert said[0] == f"Monitoring attacked: {urgent.CALLS['role'][name]}, {role}"
    assert '    make deploy ENVIRONMENT=prod ARGS="--revert-drift"' in said


@pytest.mark.parametrize(
    ("role", "reported"), [("cabal-backup-role", True), (ROLES[1], True), ("another", False)]
)
def test_a_refused_change_counts_if_the_message_names_the_role(role: str, reported: bool) -> None:
    event = call_of(
        "role",
        "DetachRolePolicy",
        None,
        errorCode="AccessDenied",
        errorMessage="User: arn:aws:iam::123456789012:user/a is not authorized to perform: "
        f"iam:DetachRolePolicy on resource: role {role} because no identity-based policy allows",
    )
    assert ignored(event) is not reported


def test_what_the_operators_tool_does_is_labelled_with_its_reason() -> None:
    event = a_call(
        "DeleteBackupVaultLockConfiguration",
        {"backupVaultName": "cabal-backup"},
        userAgent="Boto3/1.43 cabal-backup/1 reason/moving_house",
    )
    said = lines(event)
    assert said[0] == "Announced: removal of the lock, cabal-backup"
    assert "By:             the operator's tool, cabal-backup; reason: moving_house" in said


def test_the_retries_of_the_operators_tool_are_not_reported() -> None:
    assert ignored(
        a_call(
            "DeleteRecoveryPoint",
            {"backupVaultName": "cabal-backup"},
            userAgent="Boto3/1.43 cabal-backup/1",
            errorCode="ThrottlingException",
        )
    )


def test_a_deployment_is_reported_by_its_own_region_only() -> None:
    event = a_call(
        "UpdateFunctionCode20150331v2",
        {"functionName": "cabal-backup-notify"},
        eventSource="lambda.amazonaws.com",
        sourceIPAddress="cloudformation.amazonaws.com",
    )
    assert not ignored(event)
    assert ignored({**event, "region": "us-west-2"})


@pytest.mark.parametrize(
    ("service", "name", "parameters"),
    [
        ("events", "DisableRule", {"name": "cabal-backup-jobs"}),
        ("events", "DeleteRule", {"name": "cabal-backup-jobs"}),
        ("events", "RemoveTargets", {"rule": "cabal-backup-jobs", "ids": ["target"]}),
        ("events", "PutRule", {"name": "cabal-backup-jobs", "state": "DISABLED"}),
        ("lambda", "DeleteFunction20150331", {"functionName": "cabal-backup-notify"}),
        ("sns", "Unsubscribe", {"subscriptionArn": "arn:aws:sns:us-west-1:1:cabal-backup-alerts"}),
    ],
)
def test_a_deployment_that_silences_a_region_is_reported_by_the_other_too(
    service: str, name: str, parameters: Event
) -> None:
    event = a_call(
        name,
        parameters,
        eventSource=f"{service}.amazonaws.com",
        sourceIPAddress="cloudformation.amazonaws.com",
    )
    for region in ("us-west-1", "us-west-2"):
        said = lines({**event, "region": region})
        assert said[0].startswith("Deployed: ")
        assert "By:             a deployment, through CloudFormation" in said
    assert ignored({**event, "region": "us-west-2", "detail": {**event["detail"], **CREATED}})


CREATED: Event = {"eventName": "PutRule", "requestParameters": {"name": "cabal-backup-jobs"}}
"""What every first deployment does in the other region."""


def test_a_call_of_a_deployment_says_so() -> None:
    event = a_call(
        "UpdateBackupPlan",
        {"backupPlanId": "our-plan"},
        sourceIPAddress="cloudformation.amazonaws.com",
    )
    assert "By:             a deployment, through CloudFormation" in lines(event)


def test_a_document_in_a_request_is_reported_field_by_field() -> None:
    policy = '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}}]}'
    event = call_of(
        "role",
        "UpdateAssumeRolePolicy",
        {"roleName": "cabal-backup-role", "policyDocument": policy},
    )
    (asked,) = (line for line in lines(event) if line.startswith("Asked for:"))
    assert asked == (
        "Asked for:      roleName cabal-backup-role, policyDocument.Statement.Effect Allow, "
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
def test_the_principal_is_named_as_in_cloudtrail(identity: Any, who: str) -> None:
    event = a_call("DeleteBackupVault", {"backupVaultName": "cabal-backup"}, userIdentity=identity)
    assert f"Who:            {who}" in lines(event)


def test_an_alarm_from_the_first_line_to_the_last() -> None:
    notice = notice_of(an_alarm("ALARM"))
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
        "The state of everything:\n"
        "    cabal-backup status -e prod\n"
    )


def test_an_alarm_that_is_over_says_so() -> None:
    assert notice_of(an_alarm("OK")).subject == (
        "[cabal-backup prod] OK again: For 26 hours no backup of the mailstore has succeeded."
    )


def test_an_alarm_without_a_description_is_named() -> None:
    assert notice_of(an_alarm("ALARM", configuration={})).subject == (
        "[cabal-backup prod] ALARM: cabal-backup-no-backup-efs"
    )


ODD: list[Any] = [
    {},
    {"detail-type": "Backup Job State Change", "detail": {"resourceType": "EFS"}},
    {"detail-type": "Backup Job State Change", "detail": {"resourceType": "EFS"}, "resources": "a"},
    {
        "detail-type": "Restore Job State Change",
        "detail": {"status": {}, "resourceType": "EFS"},
        "resources": [None],
    },
    {
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventSource": "cloudtrail.amazonaws.com", "requestParameters": [1]},
    },
    {"detail-type": "Backup Plan State Change", "detail": {"backupPlanId": "our-plan"}},
    {"detail-type": "PARTIAL", "detail": {}},
    {"detail-type": "Copy Back", "detail": {}},
    {"detail-type": {"nested": True}},
    {"alarmData": {}},
    {"alarmData": {"state": "ALARM", "configuration": None}},
    {"alarmData": {"state": ["ALARM"]}, "resources": [{"0": 1}]},
    {"source": "com.example", "detail": {"deep": [[{"er": 1}], {"a": None}]}},
    {"detail": {f"member{n}": "x" * 5000 for n in range(500)}},
    {
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "cloudtrail.amazonaws.com",
            "requestParameters": {f"member{n}": "x" * 5000 for n in range(500)},
        },
    },
    [],
    ["a", {"b": 1}],
    an_event("Scan Job State Change", reduce(lambda inner, _: {"in": inner}, range(2000), {})),
    "text",
    "",
    7,
    None,
]


@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_events_of_any_shape_are_reported(event: Any) -> None:
    notice = notice_of(event)
    assert notice.subject.startswith("[cabal-backup prod] ")
    assert len(notice.subject) < 100
    assert "    cabal-backup status -e prod" in notice.body.splitlines()
    assert len(notice.body.encode()) < 256 * 1024
    assert "None" not in notice.body


def test_an_unknown_event_is_reported_field_by_field() -> None:
    detail = {"state": "MELTED", "where": {"rack": 7}}
    notice = notice_of(an_event("Scan Job State Change", detail))
    assert notice.subject == "[cabal-backup prod] Event: Scan Job State Change"
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
def test_hostile_values_stay_on_their_line(account: Aws, hostile: str) -> None:
    """Of the reason, of the resource, and of everything that a command is filled in with."""
    event = a_backup_job(statusMessage=hostile, resourceArn=hostile, iamRoleArn=hostile)
    plain = len(lines(a_backup_job()))
    assert handle(event) == []
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
    detail = {"resourceArn": TABLE, "resourceType": "DynamoDB", "verdict": "FAILED"}
    event = an_event("Restore Test Validated", detail, source="cabal-backup")
    assert "describe-restore-job" not in notice_of(event).body
    assert "    cabal-backup status -e prod" in lines(event)


def test_a_long_subject_is_cut_and_a_long_one_that_fits_is_not() -> None:
    for length, ends in ((99, "x"), (100, "...")):
        name = "x" * (length - len("[cabal-backup prod] Backup FAILED: "))
        subject = notice_of(a_backup_job(resourceArn=name)).subject
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


# --- Batches


def test_one_event_is_one_message_on_the_topic(account: Aws) -> None:
    assert handle(a_backup_job()) == []
    assert account.messages == [notice_of(a_backup_job())]


def test_the_failed_jobs_of_a_batch_are_one_message(account: Aws) -> None:
    handle(a_backup_job(), a_copy_job())
    (message,) = account.messages
    assert message.subject == "[cabal-backup prod] Backup FAILED: cabal-addresses, and 1 more"
    assert message.body.splitlines()[:4] == [
        "Backup FAILED: cabal-addresses, and 1 more",
        "",
        "  Backup FAILED: cabal-addresses",
        "  Copy FAILED: fs-0123456789abcdef0",
    ]
    assert "cabal-backup backup now -e prod" in message.body
    assert "cabal-backup copy now -e prod" in message.body


def a_point_deleted(number: int, who: str = "operator") -> Event:
    event = a_call(
        "DeleteRecoveryPoint",
        {"backupVaultName": "cabal-backup", "recoveryPointArn": f"{POINT}-{number}"},
        userIdentity={"arn": f"arn:aws:sts::123456789012:assumed-role/Admin/{who}"},
    )
    return {**event, "time": f"2026-01-02T10:{number % 60:02}:00Z"}


def test_a_hundred_deletions_are_one_message_with_a_count_a_span_and_the_principal(
    account: Aws,
) -> None:
    assert handle(*(a_point_deleted(number) for number in range(60))) == []
    (message,) = account.messages
    title = "Protection changed: deletion of a recovery point, cabal-backup (60 times)"
    assert message.subject == f"[cabal-backup prod] {title}"
    said = message.body.splitlines()
    assert said[0] == title
    assert (
        "Count:          60 times, 2026-01-02 10:00 UTC to 2026-01-02 10:59 UTC; the first:" in said
    )
    assert "Who:            arn:aws:sts::123456789012:assumed-role/Admin/operator" in said


def test_what_two_principals_do_is_two_messages(account: Aws) -> None:
    handle(a_point_deleted(1), a_point_deleted(2, who="another"))
    assert len(account.messages) == 2


def test_what_was_reported_is_counted_and_reported_once_more_a_quarter_of_an_hour_later(
    account: Aws,
) -> None:
    handle(a_point_deleted(1), at=1_000_000)

    held = handle(a_point_deleted(2), a_point_deleted(3), at=1_000_060)

    assert held == ["message-0", "message-1"]
    assert account.hidden == [("receipt-0", 841), ("receipt-1", 841)]
    assert len(account.messages) == 1
    assert handle(a_point_deleted(2), a_point_deleted(3), at=1_000_060, received=2) == []
    assert account.messages[1].subject.endswith("cabal-backup (2 times)")


def test_something_else_by_the_same_principal_is_reported_at_once(account: Aws) -> None:
    handle(a_point_deleted(1), at=1_000_000)
    assert handle(a_call("DeleteBackupVault", OURS["vault"]), at=1_000_060) == []
    assert len(account.messages) == 2


UNLOCKED = an_event(
    "Backup Vault State Change",
    {"backupVaultName": "cabal-backup", "state": "MODIFIED", "isLocked": "false"},
)
UNLOCK = a_call("DeleteBackupVaultLockConfiguration", OURS["lock"])


def test_an_event_of_aws_backup_waits_for_the_call_with_the_principal(account: Aws) -> None:
    assert handle(UNLOCKED, at=1_000_000) == ["message-0"]
    assert account.hidden == [("receipt-0", 301)]
    assert handle(UNLOCK, at=1_000_120) == []
    assert handle(UNLOCKED, at=1_000_000, received=2) == []
    (message,) = account.messages
    assert "Who:            arn:aws:sts::123456789012:assumed-role/Admin/operator" in message.body


def test_without_a_trail_it_is_reported_without_the_principal(account: Aws) -> None:
    handle(UNLOCKED)
    assert handle(UNLOCKED, received=2) == []
    (message,) = account.messages
    assert message.subject == (
        "[cabal-backup prod] Protection changed: removal of the lock, cabal-backup"
    )
    assert "Who:            AWS Backup reports this change without saying who made it" in (
        message.body.splitlines()
    )


def test_without_a_trail_a_report_stands_for_no_other_change_of_the_vault(account: Aws) -> None:
    changed = an_event(
        "Backup Vault State Change",
        {"backupVaultName": "cabal-backup", "state": "MODIFIED", "isLocked": "true"},
    )
    handle(changed, at=1_000_000)
    handle(changed, at=1_000_000, received=2)

    assert handle(UNLOCKED, at=1_000_600) == ["message-0"]
    assert handle(UNLOCKED, at=1_000_600, received=2) == []
    assert [message.subject.rpartition(": ")[2] for message in account.messages] == [
        "change of the lock, cabal-backup",
        "removal of the lock, cabal-backup",
    ]


def test_without_a_trail_repetitions_wait_and_are_counted(account: Aws) -> None:
    handle(UNLOCKED, at=1_000_000, received=2)

    assert handle(UNLOCKED, UNLOCKED, at=1_000_060) == ["message-0", "message-1"]
    assert account.hidden == [("receipt-0", 841), ("receipt-1", 841)]
    assert handle(UNLOCKED, UNLOCKED, at=1_000_060, received=2) == []
    assert account.messages[1].subject.endswith("cabal-backup (2 times)")


def test_in_one_batch_the_call_is_enough(account: Aws) -> None:
    assert handle(UNLOCKED, UNLOCK) == []
    assert len(account.messages) == 1


@pytest.mark.parametrize(
    "event",
    [
        an_event("Backup Vault State Change", {"backupVaultName": "others", "state": "DELETED"}),
        an_event(
            "Backup Vault State Change", {"backupVaultName": "cabal-backup", "state": "CREATED"}
        ),
        an_event("Backup Plan State Change", {"backupPlanId": "theirs", "state": "MODIFIED"}),
        an_event("Backup Plan State Change", {"backupPlanId": "our-plan", "state": "CREATED"}),
        an_event("Region Setting State Change", {"ResourceTypeOptInPreference": {"EFS": False}}),
    ],
)
def test_changes_that_need_no_message(account: Aws, event: Event) -> None:
    assert handle(event) == []
    assert handle(event, received=2) == []
    assert account.messages == []


def test_a_plan_of_others_that_uses_our_vaults_is_looked_at(account: Aws) -> None:
    account.plans["theirs"] = "cabal-backup"
    event = an_event("Backup Plan State Change", {"backupPlanId": "theirs", "state": "CREATED"})
    handle(event)
    handle(event, received=2)
    (message,) = account.messages
    assert "a backup plan that uses our vaults was created" in message.subject


def test_a_plan_that_cannot_be_looked_at_is_reported(account: Aws) -> None:
    account.refuse("GetBackupPlan", Refusal("AccessDeniedException"))
    assert handle(a_call("UpdateBackupPlan", {"backupPlanId": "theirs"})) == []
    assert len(account.messages) == 1


def test_a_message_that_cannot_be_published_stays_in_the_queue(account: Aws) -> None:
    account.refuse("Publish", Refusal("AuthorizationError", "No", 403))
    assert handle(a_backup_job(), UNLOCK) == ["message-0", "message-1"]
    assert json.loads(account.remembered) == {}


def test_without_the_parameter_everything_is_reported(account: Aws) -> None:
    account.refuse("GetParameter", Refusal("ParameterNotFound"))
    account.refuse("PutParameter", Refusal("AccessDeniedException"))
    assert handle(a_point_deleted(1)) == []
    assert handle(a_point_deleted(2)) == []
    assert len(account.messages) == 2


@pytest.mark.parametrize(
    "value", ["5", "null", "[1]", '{"a": "x"}', '{"a": null}', "{", '{"a": 1' + "0" * 400 + "}"]
)
def test_a_parameter_of_any_content_stops_no_message(account: Aws, value: str) -> None:
    account.remembered = value
    assert handle(a_point_deleted(1), a_backup_job()) == []
    assert len(account.messages) == 2


def test_a_message_lists_so_many_things_and_counts_the_others(account: Aws) -> None:
    assert handle(*(a_backup_job(resourceArn=f"{TABLE}/{number}") for number in range(60))) == []
    (message,) = account.messages
    said = message.body.splitlines()
    assert "  Backup FAILED: 49" in said
    assert "  Backup FAILED: 50" not in said
    assert "  and 10 more" in said


def test_many_long_things_fit_into_one_message(account: Aws) -> None:
    jobs = (a_backup_job(resourceArn=f"{TABLE}/{number}{'é' * 1400}") for number in range(300))
    assert handle(*jobs) == []
    (message,) = account.messages
    assert "    cabal-backup status -e prod" in message.body.splitlines()
    assert "This message is cut." in message.body


def test_the_parameter_never_outgrows_its_limit(account: Aws) -> None:
    for number in range(40):
        who = f"{number}-{'x' * 300}"
        handle(a_point_deleted(number, who=who), at=1_000_000 + number)
    assert len(account.messages) == 40


def test_what_is_not_json_is_reported_as_it_is(account: Aws) -> None:
    assert handle("neither {JSON} nor anything") == []
    (message,) = account.messages
    assert "neither {JSON} nor anything" in message.body


def test_a_test_event_is_marked_and_never_waits(account: Aws) -> None:
    event = {**UNLOCK, "source": "cabal-backup"}
    event["detail"] = {**UNLOCK["detail"], "test": "of the channel"}
    for _ in range(2):
        assert handle(event) == []
    assert [message.subject for message in account.messages] == [
        "[cabal-backup prod] TEST Protection changed: removal of the lock, cabal-backup"
    ] * 2


def test_an_alarm_is_published_without_a_queue(account: Aws) -> None:
    notify.handler(an_alarm("ALARM"), None)
    assert account.messages == [notice_of(an_alarm("ALARM"))]


def test_an_alarm_that_cannot_be_published_fails_so_that_lambda_tries_again(account: Aws) -> None:
    account.refuse("Publish", Refusal("AuthorizationError", "No", 403))
    with pytest.raises(ClientError, match="AuthorizationError"):
        notify.handler(an_alarm("ALARM"), None)
