"""From events to messages: what each is about, which belong together, and the words."""

from __future__ import annotations

import json
import os
import shlex
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from cabal_backup import names, urgent
from cabal_backup.functions.notify import catalogue
from cabal_backup.functions.notify.catalogue import ADVICE, COPY, COPY_BACK, JOBS, THIRD_COPY
from cabal_backup.functions.notify.event import Event, clean, moment
from cabal_backup.text import mail_body, mail_subject

MAX_MEMBERS = 60
"""Lines for an event of an unknown kind."""

MAX_SECTIONS = 10
"""Different things that one message describes in full."""

MAX_TITLES = 50
"""Different things that one message lists."""

VAULTS = (names.VAULT, names.DR_VAULT, names.AIR_GAPPED_VAULT)

UsesOurVaults = Callable[[str, str], bool]
"""Asks AWS Backup about a plan, by its id and that of its version, which may be ""."""

_AT_ITS_END = timedelta(hours=1)
"""How long before its end a point may be deleted that expires: the times are rounded."""

_AWS_BACKUP = "AWS Backup"

_SILENCING = ("Delete", "Disable", "Remove", "Unsubscribe")
"""How calls begin that may silence a region; CloudFormation disables a rule by PutRule."""

_ALERTS = (f"{names.STACK}-Alerts", f"{names.DR_STACK}-Alerts")
"""How CloudFormation names the roles and policies of the monitoring: after the stack and the
construct.
"""


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """What one event says."""

    title: str
    facts: Sequence[tuple[str, str]]
    advice: catalogue.Advice
    """With everything filled in."""
    incident: str
    """Occurrences of one incident become one message."""
    about: str
    """What was changed. AWS Backup's own event and the API call are about the same."""
    when: str

    @property
    def by_service(self) -> bool:
        """Whether AWS Backup itself reports a change, so that it is not known who made it."""
        return self.incident == _AWS_BACKUP


@dataclass(frozen=True)
class Notice:
    """One message."""

    subject: str
    body: str


def understand(content: object, uses_our_vaults: UsesOurVaults) -> Occurrence | None:
    """What an event says; None when it is about nothing of ours, or needs no message."""
    event = Event(content)
    detail, name = event.part("detail"), event.get("detail-type")
    vault, state = detail.get("backupVaultName"), detail.get("state").lower()
    if isinstance(event.content.get("alarmData"), Mapping):
        return _alarm(event)
    if name == urgent.CLOUDTRAIL:
        return _call(event, uses_our_vaults)
    if name == "Backup Plan State Change":
        # The deployment's own plan is created before anyone is watching.
        new = state == "created" and _is_our_plan(detail)
        if new or not uses_our_vaults(detail.get("backupPlanId"), detail.get("versionId")):
            return None
        return _change(event, "plan", f"a backup plan that uses our vaults was {state}")
    if name == "Backup Vault State Change":
        if vault not in VAULTS or state == "created":
            return None
        what = {"false": "removal of the lock", "true": "change of the lock"}
        title = what.get(detail.get("isLocked"), f"the vault was {state}")
        return _change(event, "lock", f"{title}, {vault}")
    if name == "Region Setting State Change":
        title = f"opt-in switched off, {event.get('region')}"
        return _change(event, "opt-in", title) if _opts_out(detail) else None
    if name == COPY and state in ("created", "running"):
        return _change(event, "copy", "copy to a vault that is not ours")
    if name == "Recovery Point State Change" and detail.get("status") != "EXPIRED":
        return _deletion(event)
    if name in JOBS and name != COPY_BACK:
        return _job(event, name) if _in_our_vaults(detail) else None
    name = name or event.get("source") or "of an unknown kind"
    facts = tuple(islice(event.flat(), MAX_MEMBERS))
    return _occurrence(event, _Words(f"Event: {name}", facts), incident=f"unknown {name}")


def _change(event: Event, kind: str, title: str, *facts: tuple[str, str]) -> Occurrence:
    """What AWS Backup itself says of a change; without `facts`, all of it."""
    who = ("Who", "AWS Backup reports this change without saying who made it")
    detail = event.part("detail")
    facts = facts or (who, *islice(detail.flat(), MAX_MEMBERS))
    about = _about(kind, {**detail.content, "region": event.get("region")})
    title = f"Protection changed: {title}"
    return _occurrence(
        event, _Words(title, facts, [ADVICE[kind]]), incident=_AWS_BACKUP, about=about
    )


def _deletion(event: Event) -> Occurrence | None:
    """A recovery point that is deleted before its retention is over."""
    detail = event.part("detail")
    vault, end = detail.get("backupVaultName"), detail.get("calculatedLifeCycle.deleteAt")
    try:
        left = datetime.fromisoformat(end) - datetime.fromisoformat(event.get("time"))
    except ValueError:
        return None  # Its end is unknown; the check of the calendar of nights notices it.
    if left <= _AT_ITS_END or vault not in VAULTS:
        return None
    return _change(
        event,
        "points",
        f"deletion of a recovery point, {vault}",
        ("Recovery point", event.get("resources.0")),
        ("Would expire", moment(end)),
    )


def _about(kind: str, members: Mapping[str, object]) -> str:
    word, *keys = catalogue.ABOUT.get(kind, ("",))
    return " ".join((word, *(Event(members).get(key) for key in keys)))


def _job(event: Event, name: str) -> Occurrence:
    detail = Event({**event.part("detail").content, "source": event.get("resources.0")})
    if name == COPY:
        if detail.get("sourceBackupVaultArn").endswith(f":{names.DR_VAULT}"):
            name = COPY_BACK
        if detail.get("destinationBackupVaultArn").endswith(f":{names.AIR_GAPPED_VAULT}"):
            name = THIRD_COPY
    job = JOBS[name]
    # AWS's documented event of a failed restore names only what was to be restored.
    resource = detail.get(
        *("resourceArn", "sourceResourceArn", "createdResourceArn", "recoveryPointArn", "source")
    )
    state = detail.get("state", "status", "verdict") or "in an unknown state"
    if state == "COMPLETED":
        state = "COMPLETED with issues"
    facts = (
        ("Resource", resource),
        ("Type", detail.get("resourceType")),
        ("Reason", detail.get("statusMessage", "message").strip('"') or "AWS gives none"),
        ("When", moment(detail.get("completionDate") or event.get("time"))),
        ("Region", event.get("region")),
        *((label, moment(detail.get(*members))) for label, members in catalogue.FACTS.items()),
    )
    title = f"{job.title} {state}: {_short(resource) or 'unknown resource'}"
    advice = ((job.sentence, job.command), *job.further)
    return _occurrence(event, _Words(title, facts, advice), incident="jobs")


def _call(event: Event, uses_our_vaults: UsesOurVaults) -> Occurrence | None:
    detail, asked = event.part("detail"), event.part("detail.requestParameters")
    name, service = detail.get("eventName"), detail.get("eventSource")
    kind, what = _kind_of_call(service.split(".")[0], name)
    if _short(asked.get("roleName", "policyArn")).startswith(_ALERTS):
        kind = "monitoring"
    error, source = detail.get("errorCode"), detail.get("sourceIPAddress")
    agent = detail.get("userAgent")
    by_tool, by_deployment = "cabal-backup/" in agent, "cloudformation.amazonaws.com" in source
    if error and by_tool:
        return None  # The tool tries again, and reports to its operator what stays refused.
    # The other region reports its own deployments, unless this one has silenced it.
    silences = name.startswith(_SILENCING) or asked.get("state") == "DISABLED"
    if by_deployment and not silences and event.get("region") != os.environ["AWS_REGION"]:
        return None
    if not _concerns_us(kind, asked, detail, uses_our_vaults):
        return None
    keys = ("backupVaultName", "roleName", "backupPlanId", "tableName", "name", "rule")
    ours = (_short(value) for _, value in asked.flat() if names.STACK in value)
    target = asked.get(*keys) or next(ours, "") or detail.get("awsRegion")
    who = event.part("detail.userIdentity").get("arn", "invokedBy", "principalId")
    who = who or "CloudTrail does not say"
    heading = "Monitoring attacked" if kind == "monitoring" else "Protection changed"
    by = ""
    if by_tool:
        reason = agent.rpartition("reason/")[2] if "reason/" in agent else ""
        heading, by = "Announced", "the operator's tool, cabal-backup"
        by += f"; reason: {reason}" if reason else ""
    elif by_deployment:
        heading, by = "Deployed", "a deployment, through CloudFormation"
    about, advice = "", [ADVICE[kind]] if kind in ADVICE else []
    if error:
        heading, advice = "Attempted, refused", [ADVICE["refused"]] if advice else []
    else:
        # A new plan has its id in the answer only.
        plan_id = asked.get("backupPlanId") or detail.get("responseElements.backupPlanId")
        changed = {"backupPlanId": plan_id, "region": event.get("region")}
        about = _about(kind, {**asked.content, **changed})
    facts = (
        ("Call", f"{name} of {service}"),
        ("Refused", f"{error} {detail.get('errorMessage')}".strip() if error else ""),
        ("Who", who),
        ("From", source),
        ("By", by),
        ("When", moment(detail.get("eventTime") or event.get("time"))),
        ("Region", detail.get("awsRegion") or event.get("region")),
        ("Asked for", clean(", ".join(f"{key} {value}" for key, value in asked.flat()))),
        ("Record", f"CloudTrail event {detail.get('eventID')}"),
    )
    title = f"{heading}: {what}, {target}"
    return _occurrence(event, _Words(title, facts, advice), incident=by or who, about=about)


class _Call(NamedTuple):
    """What a call is about."""

    kind: str
    """A key of ADVICE, or ""."""
    words: str


def _kind_of_call(service: str, name: str) -> _Call:
    for kind, calls in urgent.CALLS.items():
        if name in calls:
            return _Call(kind, calls[name])
    for each, words in urgent.MONITORING.get(service, {}).items():
        if name == each or (each.endswith("*") and name.startswith(each[:-1])):
            return _Call("monitoring", words)
    return _Call("", f"call of {name or 'an unknown operation'}")


def _concerns_us(kind: str, asked: Event, detail: Event, uses_our_vaults: UsesOurVaults) -> bool:
    """Whether a call may be about this environment."""
    text = json.dumps(asked.content)
    error = detail.get("errorCode")
    match kind:
        case "lock" | "points" | "vault":
            refused = bool(error) and not asked.content
            return asked.get("backupVaultName") in VAULTS or refused
        case "plan":
            if (error and not asked.content) or _is_our_plan(asked):
                return True
            # The local part of a vault's ARN, and its name in a rule
            if any(f'"{vault}"' in text or f':{vault}"' in text for vault in VAULTS):
                return True
            plan_id = asked.get("backupPlanId")
            # A deleted plan can be read by its version only.
            version_id = detail.get("responseElements.versionId")
            return bool(plan_id) and uses_our_vaults(plan_id, version_id)
        case "opt-in":
            return _opts_out(asked)
        case "copy":
            to, account = asked.get("destinationBackupVaultArn"), detail.get("recipientAccountId")
            return asked.get("sourceBackupVaultName") in VAULTS and f":{account}:" not in to
        case "pitr":
            new = asked.part("pointInTimeRecoverySpecification")
            off = new.get("pointInTimeRecoveryEnabled").lower() == "false"
            short = new.get("recoveryPeriodInDays") not in ("", str(names.PITR_DAYS))
            table = _short(asked.get("tableName"))
            return (off or short) and table in os.environ["TABLES"].split(",")
        case "role":
            message = detail.get("errorMessage")
            named = any(each in message for each in (f"role {names.ROLE} ", *_ALERTS))
            return asked.get("roleName") == names.ROLE or named
    # Everything of ours is named after the stacks. A trail and the bus belong to the whole account,
    # and what invokes a function has an id only.
    is_trail = detail.get("eventSource") == "cloudtrail.amazonaws.com"
    name = detail.get("eventName")
    is_bus = name == "UpdateEventBus" and asked.get("name") == "default"
    by_id = "EventSourceMapping" in name and not name.startswith("Create")
    return names.STACK in text or is_trail or is_bus or by_id or not asked.content


def _opts_out(settings: Event) -> bool:
    """AWS does not say how CloudTrail spells the keys of a map."""
    return any(
        value.lower() == "false" and path.lower().endswith(".dynamodb")
        for path, value in settings.flat()
    )


def _is_our_plan(members: Event) -> bool:
    ours = os.environ.get("PLAN_ID")
    return bool(ours) and members.get("backupPlanId") == ours


def _in_our_vaults(detail: Event) -> bool:
    """Whether a job or a point is about one of our vaults; one that names none is."""
    keys = ("backupVaultName", "backupVaultArn", "sourceBackupVaultArn")
    named = [detail.get(key).rpartition(":")[2] for key in keys if detail.get(key)]
    if not named:  # AWS's documented event of a failed restore names no vault.
        return detail.get("resourceType") in names.RESOURCE_KINDS
    return any(vault in VAULTS for vault in named)


def _alarm(event: Event) -> Occurrence:
    """As CloudWatch hands an alarm to a function.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    """
    alarm = event.part("alarmData")
    name, value = alarm.get("alarmName") or "an alarm without a name", alarm.get("state.value")
    facts = (
        ("Alarm", name),
        ("State", f"{value}, before {alarm.get('previousState.value') or 'unknown'}"),
        ("Reason", alarm.get("state.reason") or "CloudWatch gives none"),
        ("Since", moment(alarm.get("state.timestamp") or event.get("time"))),
        ("Region", event.get("region")),
    )
    state = "OK again" if value == "OK" else value or "ALARM"
    title = f"{state}: {alarm.get('configuration.description') or name}"
    return _occurrence(event, _Words(title, facts), incident="alarm")


class _Words(NamedTuple):
    """What a message says of one event."""

    title: str
    facts: Sequence[tuple[str, str]]
    advice: Iterable[tuple[str, str]] = ()


def _occurrence(event: Event, words: _Words, *, incident: str, about: str = "") -> Occurrence:
    title = words.title
    if event.get("source") == names.EVENT_SOURCE and "test" in event.part("detail").content:
        incident, about = f"test {title} {event.get('region')}", ""
        title = f"TEST {title}"
    values = _values(event)
    return Occurrence(
        title=title,
        facts=words.facts,
        advice=tuple(
            (sentence, filled)
            for sentence, command in words.advice
            if (filled := _filled(command, values)) is not None
        ),
        incident=incident,
        about=about,
        when=moment(event.get("time")),
    )


def compose(occurrences: Sequence[Occurrence]) -> Notice:
    """One message about all of these, which belong together."""
    by_title: dict[str, list[Occurrence]] = {}
    for each in occurrences:
        by_title.setdefault(each.title, []).append(each)
    counted = [
        title if len(same) == 1 else f"{title} ({len(same):,} times)"
        for title, same in by_title.items()
    ]
    heading = counted[0] if len(counted) == 1 else f"{counted[0]}, and {len(counted) - 1} more"
    lines = [heading]
    if len(counted) > 1:
        lines += ["", *(f"  {each}" for each in counted[:MAX_TITLES])]
    if len(counted) > MAX_TITLES:
        lines.append(f"  and {len(counted) - MAX_TITLES:,} more")
    advice: dict[tuple[str, str], None] = {}
    for same in islice(by_title.values(), MAX_SECTIONS):
        first = same[0]
        lines += ["", *([first.title] if len(by_title) > 1 else [])]
        span = f"{len(same):,} times, {first.when} to {same[-1].when}; the first:"
        facts = (("Count", span), *first.facts) if len(same) > 1 else first.facts
        lines += [f"{label + ':':<15} {value}" for label, value in facts if value]
        advice |= dict.fromkeys(first.advice)
    lines = [mail_body("\n".join(lines))]
    environment = os.environ["ENVIRONMENT"]
    status = f"cabal-backup status -e {shlex.quote(environment)}"
    for sentence, command in (*advice, ("The state of everything:", status)):
        lines += ["", sentence, *([f"    {command}"] if command else [])]
    return Notice(mail_subject(environment, heading), "\n".join(lines) + "\n")


def _values(event: Event) -> dict[str, str]:
    """What commands are filled in with, safe to paste into a shell."""
    members = {
        **event.part("detail.requestParameters").content,
        **event.part("detail").content,
    }
    region = event.get("region")
    found = {key: clean(value) for key, value in members.items() if isinstance(value, str)}
    found |= {
        "environment": os.environ["ENVIRONMENT"],
        "region": region,
        "where": event.get("detail.awsRegion") or region,
        "vault": names.DR_VAULT if region == os.environ["DR_REGION"] else names.VAULT,
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


def _short(arn: str) -> str:
    """What people call the resource: the end of its ARN."""
    return arn.rpartition(":")[2].rpartition("/")[2]
