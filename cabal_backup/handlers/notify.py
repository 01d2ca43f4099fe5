"""What happened to the backup, told so that a person can read it.

EventBridge and CloudWatch alarms call `handler`, and each event becomes one message on
the topic: what, which resource, AWS's reason, when and where, and the command to run.
What it has no words for is told too, member by member. When it fails, Lambda tries
twice more and then puts the event on the topic as it is.

How each kind is told stands in tables: KINDS for AWS Backup's own events, CALLS for
API calls that CloudTrail saw.

https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

MAX_SUBJECT = 99
"""Characters; SNS takes fewer than 100, ASCII, and no line breaks."""

MAX_VALUE = 1500
"""Characters of one value of an event; SNS takes 256 KiB for all of a message."""

MAX_MEMBERS = 60
"""Lines for an event of an unknown kind."""

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=3, read_timeout=5
)

Event = Mapping[str, Any]
Advice = tuple[tuple[str, str], ...]
"""What to do, each as a sentence and a command; {names} are filled in from the event."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind of AWS Backup's events is told."""

    title: str
    """Followed by the state, in the subject."""
    state: str = "state"
    """The member of `detail` that holds the state."""
    resource: tuple[str, ...] = ("resourceArn",)
    """Where the resource's ARN is; the first that is there counts."""
    facts: Mapping[str, str]
    """Labels, and the members they stand for."""
    advice: Advice


@dataclass(frozen=True)
class Notice:
    """One message."""

    subject: str
    body: str


STATUS = ("Everything at a glance:", "cabal-backup status -e {environment}")
_BACK_UP = (
    "Mend what AWS names as the reason. The next night tries again; to back up now:",
    "aws backup start-backup-job --region {region} --backup-vault-name={vault} --resource-arn="
    "{resourceArn} --iam-role-arn={iamRoleArn} --lifecycle={lifecycle}",
)
_COPY = (
    "Mend what AWS names as the reason. No later night makes up for it; to copy now:",
    "aws backup start-copy-job --region {region} --source-backup-vault-name={vault} "
    "--recovery-point-arn={source} --destination-backup-vault-arn={destinationBackupVaultArn} "
    "--iam-role-arn={iamRoleArn} --lifecycle={copy_lifecycle}",
)
_JOBS = ("The jobs of the day:", "cabal-backup jobs -e {environment}")

KINDS: Mapping[str, Kind] = {
    "Backup Job State Change": Kind(
        title="Backup",
        facts={"Vault": "backupVaultName", "Job": "backupJobId", "Started": "creationDate"},
        advice=(_BACK_UP, STATUS),
    ),
    "Copy Job State Change": Kind(
        title="Copy",
        facts={
            "Recovery point": "source",
            "From": "sourceBackupVaultArn",
            "To": "destinationBackupVaultArn",
            "Job": "copyJobId",
            "Started": "creationDate",
        },
        advice=(_COPY, STATUS),
    ),
    "Copy Back": Kind(
        title="Copy back",
        facts={
            "Recovery point": "source",
            "From": "sourceBackupVaultArn",
            "To": "destinationBackupVaultArn",
            "Job": "copyJobId",
            "Started": "creationDate",
        },
        advice=(
            (
                "Mend what AWS names as the reason, then copy back again:",
                "cabal-backup copy-back -e {environment}",
            ),
            _JOBS,
        ),
    ),
    "Restore Job State Change": Kind(
        title="Restore",
        state="status",
        resource=("sourceResourceArn", "createdResourceArn", "recoveryPointArn", "source"),
        facts={
            "Recovery point": "source",
            "Restored to": "createdResourceArn",
            "Job": "restoreJobId",
            "Started": "creationDate",
            "Test": "restoreTestingPlanArn",
        },
        advice=(("Mend what AWS names as the reason, then restore again.", ""), _JOBS),
    ),
    "PARTIAL": Kind(
        title="Recovery point",
        state="status",
        facts={"Recovery point": "source", "Vault": "backupVaultName", "Created": "creationDate"},
        advice=(
            (
                "It does not hold everything; restore from another one where it matters:",
                "cabal-backup points -e {environment}",
            ),
            STATUS,
        ),
    ),
    "EXPIRED": Kind(
        title="Recovery point",
        state="status",
        facts={"Recovery point": "source", "Vault": "backupVaultName", "Created": "creationDate"},
        advice=(
            (
                "It should be gone, and AWS Backup could not delete it: mostly because the role "
                "that made it is gone or may not. It costs until it is deleted. See the role:",
                "cabal-backup status -e {environment} --only role,primary-points,dr-points",
            ),
        ),
    ),
    "Restore Test Validated": Kind(
        title="Restore test",
        state="verdict",
        facts={"Job": "restoreJobId"},
        advice=(
            (
                "What was restored is not what it should be. Look at it before AWS Backup deletes "
                "it; the next real restore may end the same way:",
                "aws backup describe-restore-job --region {region} --restore-job-id={restoreJobId}",
            ),
            STATUS,
        ),
    ),
}
"""By detail-type, or by what is looked up in its place: see `kind_of`."""

_REASONS = ("statusMessage", "message")

_RELOCK = ("Unless it was you, put the lock back now:", "cabal-backup relock -e {environment}")
_POINTS = ("What is there still:", "cabal-backup points -e {environment}")
_REVERT = (
    "Unless it was you, put the plan back:",
    'make deploy ENVIRONMENT={environment} ARGS="--revert-drift"',
)
_POLICY = (
    "Unless it was you, see what the vault admits now:",
    "aws backup get-backup-vault-access-policy --region {region} --backup-vault-name={vault}",
)
_OPT_IN = (
    "Recovery points of the table made without it can never be copied. Put it back now:",
    "aws backup update-region-settings --region {region} --resource-type-opt-in-preference "
    "DynamoDB=true --resource-type-management-preference DynamoDB=true",
)
_ROLE = (
    "Without it nothing is backed up, restored or expired. Unless it was you, see the role:",
    "cabal-backup status -e {environment} --only role",
)

CALLS: Mapping[str, tuple[str, tuple[str, str]]] = {
    "DeleteBackupVaultLockConfiguration": ("removal of the lock", _RELOCK),
    "PutBackupVaultLockConfiguration": ("change of the lock", _RELOCK),
    "DeleteRecoveryPoint": ("deletion of a recovery point", _POINTS),
    "UpdateRecoveryPointLifecycle": ("new lifecycle of a recovery point", _POINTS),
    "DisassociateRecoveryPoint": ("disassociation of a recovery point", _POINTS),
    "DisassociateRecoveryPointFromParent": ("disassociation of a recovery point", _POINTS),
    "PutBackupVaultAccessPolicy": ("change of the vault's access policy", _POLICY),
    "DeleteBackupVaultAccessPolicy": ("deletion of the vault's access policy", _POLICY),
    "DeleteBackupVault": ("deletion of the vault", STATUS),
    "UpdateBackupPlan": ("change of the backup plan", _REVERT),
    "DeleteBackupPlan": ("deletion of the backup plan", _REVERT),
    "CreateBackupSelection": ("a new selection in the backup plan", _REVERT),
    "DeleteBackupSelection": ("deletion of a selection", _REVERT),
    "UpdateRegionSettings": ("opt-in switched off", _OPT_IN),
    "UpdateAssumeRolePolicy": ("change of who may assume the role", _ROLE),
    "AttachRolePolicy": ("a policy attached to the role", _ROLE),
    "DetachRolePolicy": ("a policy detached from the role", _ROLE),
    "PutRolePolicy": ("a policy written into the role", _ROLE),
    "DeleteRolePolicy": ("a policy deleted from the role", _ROLE),
    "PutRolePermissionsBoundary": ("a boundary set on the role", _ROLE),
    "DeleteRolePermissionsBoundary": ("the boundary of the role removed", _ROLE),
    "UpdateRole": ("change of the role", _ROLE),
    "DeleteRole": ("deletion of the role", _ROLE),
}

_CLOUDFORMATION = "cloudformation.amazonaws.com"


def handler(event: Event, _context: object) -> None:
    """Tell one event; the entry point of the Lambda function.

    Raises whatever botocore raises when the message cannot be published.
    """
    if told_with_its_job(event, os.environ):
        logger.info("The job behind this recovery point is told; not telling it twice")
        return
    notice = put_into_words(event, os.environ)
    boto3.client("sns", config=RETRIES).publish(
        TopicArn=os.environ["TOPIC_ARN"], Subject=notice.subject, Message=notice.body
    )
    logger.info("Told: %s", notice.subject)


def told_with_its_job(event: Event, variables: Mapping[str, str]) -> bool:
    """Whether a recovery point is the result of a job that is told by itself.

    A job that ends PARTIAL leaves a PARTIAL point, and each sends an event, in no
    certain order. When the jobs cannot be looked at, the point is told.
    """
    detail = members(event, "detail")
    point = _source(event)
    if event_type(event) != "Recovery Point State Change" or not point:
        return False
    here = str(event.get("region", ""))
    there = {variables["PRIMARY_REGION"], variables["DR_REGION"]} - {here}
    asked = [("list_backup_jobs", "BackupJobs", "RecoveryPointArn", here)]
    # A copy job lives in the region of its source.
    asked += [
        ("list_copy_jobs", "CopyJobs", "DestinationRecoveryPointArn", region)
        for region in sorted(there)
    ]
    try:
        return any(
            job.get(member) == point and job["State"] != "COMPLETED"
            for operation, result, member, region in asked
            for page in boto3.client("backup", region_name=region, config=RETRIES)
            .get_paginator(operation)
            .paginate(ByResourceArn=str(detail.get("resourceArn")))
            for job in page[result]
        )
    except (BotoCoreError, ClientError):
        logger.exception("The jobs of the recovery point could not be looked at")
        return False


def put_into_words(event: Any, variables: Mapping[str, str]) -> Notice:
    """The message for any event, whatever its shape.

    :param variables: the environment variables of the function.
    """
    if not isinstance(event, Mapping):
        event = {"event": event}
    if isinstance(event.get("alarmData"), Mapping):
        told = _alarm(event)
    elif event_type(event) == "AWS API Call via CloudTrail":
        told = _call(event)
    elif kind := kind_of(event, variables):
        told = _job(kind, event)
    else:
        told = _unknown(event)
    title, facts, advice = told
    values = _values(event, variables)
    lines = [title, ""]
    lines += [f"{label + ':':<15} {value}" for label, value in facts if value]
    for sentence, command in (*advice, *(() if STATUS in advice else (STATUS,))):
        filled = _filled(command, values)
        if filled is not None:
            lines += ["", _filled(sentence, values) or sentence]
            lines += [f"    {filled}"] if filled else []
    return Notice(
        subject=as_subject(f"[cabal-backup {variables['ENVIRONMENT']}] {title}"),
        body="\n".join(lines) + "\n",
    )


def kind_of(event: Event, variables: Mapping[str, str]) -> Kind | None:
    detail = members(event, "detail")
    name = event_type(event)
    if name == "Recovery Point State Change":
        name = str(detail.get("status"))
    elif name in ("PARTIAL", "EXPIRED", "Copy Back"):
        return None
    elif name == "Copy Job State Change" and clean(detail.get("sourceBackupVaultArn")).endswith(
        f":{variables['DR_VAULT']}"
    ):
        name = "Copy Back"
    return KINDS.get(name)


Told = tuple[str, list[tuple[str, str]], Advice]
"""A title, what is known, and what to do."""


def _job(kind: Kind, event: Event) -> Told:
    detail = {**members(event, "detail"), "source": _source(event)}
    resource = next((clean(detail[r]) for r in kind.resource if clean(detail.get(r))), "")
    state = clean(detail.get(kind.state)) or "in an unknown state"
    reason = next((clean(detail[r]) for r in _REASONS if clean(detail.get(r))), "")
    facts = [
        ("Resource", resource),
        ("Type", clean(detail.get("resourceType"))),
        ("Reason", reason.strip('"') or "AWS gives none"),
        ("When", moment(detail.get("completionDate") or event.get("time"))),
        ("Region", clean(event.get("region"))),
    ]
    facts += [(label, moment(detail.get(member))) for label, member in kind.facts.items()]
    return f"{kind.title} {state}: {short(resource) or 'unknown resource'}", facts, kind.advice


def _call(event: Event) -> Told:
    detail = members(event, "detail")
    asked = members(detail, "requestParameters")
    identity = members(detail, "userIdentity")
    name = clean(detail.get("eventName"))
    what, advice = CALLS.get(name, (f"call of {name or 'an unknown operation'}", STATUS))
    error = clean(detail.get("errorCode"))
    target = next(
        (
            clean(asked[key])
            for key in ("backupVaultName", "roleName", "backupPlanId")
            if asked.get(key)
        ),
        clean(detail.get("awsRegion")),
    )
    who = next(
        (clean(identity[key]) for key in ("arn", "invokedBy", "principalId") if identity.get(key)),
        "CloudTrail does not say",
    )
    source = clean(detail.get("sourceIPAddress"))
    facts = [
        ("Call", f"{name} of {clean(detail.get('eventSource'))}"),
        ("Refused", " ".join((error, clean(detail.get("errorMessage")))).strip() if error else ""),
        ("Who", who),
        ("From", source),
        ("By", "a deployment, through CloudFormation" if _CLOUDFORMATION in source else ""),
        ("When", moment(detail.get("eventTime") or event.get("time"))),
        ("Region", clean(detail.get("awsRegion") or event.get("region"))),
        ("Asked for", clean(", ".join(f"{key} {value}" for key, value in flat(asked)))),
        ("Record", f"CloudTrail event {clean(detail.get('eventID'))}"),
    ]
    if error:
        sentence = "Nothing has changed. Find out who it was, and why they tried:"
        advice = (
            sentence,
            "aws cloudtrail lookup-events --region {where} --lookup-attributes "
            "AttributeKey=EventName,AttributeValue={eventName}",
        )
    title = "Attempted, refused" if error else "Protection changed"
    return f"{title}: {what}, {target}", facts, (advice,)


def _alarm(event: Event) -> Told:
    alarm = members(event, "alarmData")
    state, before = members(alarm, "state"), members(alarm, "previousState")
    name = clean(alarm.get("alarmName")) or "an alarm without a name"
    words = clean(members(alarm, "configuration").get("description")) or name
    value = clean(state.get("value"))
    facts = [
        ("Alarm", name),
        ("State", f"{value}, before {clean(before.get('value')) or 'unknown'}"),
        ("Reason", clean(state.get("reason")) or "CloudWatch gives none"),
        ("Since", moment(state.get("timestamp") or event.get("time"))),
        ("Region", clean(event.get("region"))),
    ]
    if value == "OK":
        return f"OK again, it is over: {words}", facts, ()
    return f"{value or 'Alarm'}: {words}", facts, ()


def _unknown(event: Event) -> Told:
    """There are no words for it, and it is told all the same."""
    name = event_type(event) or clean(event.get("source")) or "of an unknown kind"
    facts = [(key, value) for key, value in flat(event)][:MAX_MEMBERS]
    return f"Event: {name}", facts, ()


def _values(event: Event, variables: Mapping[str, str]) -> dict[str, str]:
    """What commands are filled in with, safe to paste into a shell.

    The AWS CLI reads a file in the place of a value that begins with file://, also after `=`.
    https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html
    """
    detail = members(event, "detail")
    region = clean(event.get("region"))
    dr = region == variables["DR_REGION"]
    found = {key: clean(value) for key, value in detail.items() if isinstance(value, str)}
    found |= {
        "environment": variables["ENVIRONMENT"],
        "region": region,
        "where": clean(detail.get("awsRegion")) or region,
        "vault": variables["DR_VAULT"] if dr else variables["VAULT"],
        "lifecycle": variables["COPY_LIFECYCLE"] if dr else variables["LIFECYCLE"],
        "copy_lifecycle": variables["COPY_LIFECYCLE"],
        "source": _source(event),
    }
    return {
        key: shlex.quote(value)
        for key, value in found.items()
        if value and not value.startswith(("file://", "fileb://"))
    }


def _filled(template: str, values: Mapping[str, str]) -> str | None:
    """The template with its names filled in; None when the event lacks one of them."""
    wanted = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    return template.format_map(values) if all(name in values for name in wanted) else None


def _source(event: Event) -> str:
    """The recovery point an event is about: the first of its resources."""
    resources = event.get("resources")
    return clean(resources[0]) if isinstance(resources, list) and resources else ""


def event_type(event: Event) -> str:
    return clean(event.get("detail-type"))


def members(value: Event, name: str) -> Mapping[str, Any]:
    """A member that should be an object; empty when it is not."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a nested object, with the path to it; also inside JSON in a text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from flat(member, f"{name}.{key}" if name else clean(key))
    elif isinstance(value, list):
        for member in value:
            yield from flat(member, name)
    elif value is not None:
        yield clean(name), clean(value)


def clean(value: Any) -> str:
    """A value on one line, without control characters, of bearable length."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def as_subject(text: str) -> str:
    """What SNS takes as a subject."""
    plain = "".join(c if c.isascii() else "?" for c in clean(text))
    return plain if len(plain) <= MAX_SUBJECT else f"{plain[: MAX_SUBJECT - 3]}..."


def short(arn: str) -> str:
    """What people call the resource: the end of its ARN."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def moment(value: Any) -> str:
    """A time for people, to the minute and in UTC; anything else as it is."""
    text = clean(value)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when.tzinfo else text
