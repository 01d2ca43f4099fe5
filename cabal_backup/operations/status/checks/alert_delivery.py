"""Whether urgent events reach the operator: every part of the way, in both regions.

It does not send anything: `cabal-backup alerts test` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cabal_backup import names, urgent
from cabal_backup.operations.status.checks.outcome import (
    all_known,
    caller,
    fail,
    known,
    listed,
    off,
    ok,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.read_alerts import RULES, Channel, is_confirmed
from cabal_backup.operations.status.state import Policy, State
from cabal_backup.text import moment, plural


def alerts(state: State) -> Outcome:
    """Rules, queue, function, topic and subscriptions, as deployed and able to deliver."""
    environment, channels = state.environment, state.channels
    if not environment.alerts:
        return off("Alerts are off in the settings: nothing urgent is reported.")
    broken = [
        f"{region}: {what}"
        for region, channel in channels.items()
        for what in _broken(state, region, channel)
    ]
    if broken:
        return fail(
            f"Urgent events are not reported: {plural(len(broken), 'fault')} in their delivery.",
            f"{state.revert_command}; then cabal-backup alerts test {environment.options}",
            details=broken,
        )
    all_known(
        (answer for channel in channels.values() for answer in channel.answers),
        looking_at="how urgent events are reported",
    )
    return _subscribed(state)


def _subscribed(state: State) -> Outcome:
    environment = state.environment
    counts: list[str] = []
    pending: list[str] = []
    unsubscribed: list[str] = []
    filtered: list[str] = []
    letters: dict[str, str] = {}
    for region, channel in state.channels.items():
        subscriptions = channel.subscriptions.value_or(None) or []
        confirmed = [each for each in subscriptions if is_confirmed(each)]
        counts.append(f"{plural(len(confirmed), 'subscription')} in {region}")
        pending += [
            f"{each['Endpoint']} in {region} has not confirmed"
            for each in subscriptions
            if not is_confirmed(each)
        ]
        endpoints = {each["Endpoint"] for each in subscriptions}
        pending += [
            f"{endpoint} in {region} is not subscribed"
            for endpoint in (*environment.alert_emails, *environment.alert_urls)
            if endpoint not in endpoints
        ]
        if not confirmed:
            unsubscribed.append(region)
        filtered += [
            f"{each['Endpoint']} in {region} has a filter policy, which keeps messages from it"
            for each in confirmed
            if each["FilterPolicy"] not in ("", "{}")
        ]
        if count := _dead_letters(channel):
            letters[region] = f"{plural(count, 'event')} in {region}"
    if letters:
        in_queue = [
            f"--region {region} --queue-url $(aws sqs get-queue-url --region {region} --queue-name "
            f"{names.DEAD_LETTERS} --query QueueUrl --output text)"
            for region in letters
        ]
        shown = [f"aws sqs receive-message {each} --max-number-of-messages 10" for each in in_queue]
        purged = [f"aws sqs purge-queue {each}" for each in in_queue]
        return warn(
            f"{' and '.join(letters.values())} could not be reported.",
            f"{'; '.join(shown)}; the log of the function {names.NOTIFY} has the reason. Then "
            f"{'; '.join(purged)}",
            details=pending,
        )
    if unsubscribed:
        return warn(
            f"No subscription to {names.TOPIC} is confirmed in {' and '.join(unsubscribed)}: "
            "no one receives what is reported there.",
            "Follow the link in the mail that SNS has sent to each address."
            if pending
            else f"aws sns subscribe --region {unsubscribed[0]} --topic-arn="
            f"{state.topic_arn(unsubscribed[0])} --protocol email "
            "--notification-endpoint ADDRESS, and follow the link in the mail; or set "
            "alert_emails and deploy.",
            details=pending,
        )
    if pending or filtered:
        return warn(
            "Not every configured address gets the messages.",
            "Follow the link in the mail that SNS has sent, delete the filter policy, or take the "
            f"address out of the settings and deploy. {state.revert_command} subscribes "
            "again.",
            details=[*pending, *filtered],
        )
    reported = f"Urgent events are reported: {', '.join(counts)}."
    changes = [
        f"{region.region}: {event['EventName']} at {moment(event['EventTime'])} by {caller(event)}"
        for region in state.regions
        for event in known(region.rule_changes, looking_at="whether rules were changed meanwhile")
    ]
    if changes:
        return warn(
            f"{reported} But rules were off or changed lately: what happened meanwhile may not "
            "have been reported.",
            "Look at what was done then, in both regions: aws cloudtrail lookup-events "
            f"--region {state.environment.region} --lookup-attributes "
            "AttributeKey=ReadOnly,AttributeValue=false",
            details=changes,
        )
    return ok(reported)


def _broken(state: State, region: str, channel: Channel) -> Iterator[str]:
    """What keeps messages from the topic's subscribers, as far as it could be looked at."""
    queue_arn = state.arn("sqs", names.QUEUE, region=region)
    other = {state.environment.region, state.environment.dr_region} - {region}
    bus_arn = state.arn("events", "event-bus/default", region=other.pop())
    expected = urgent.rules(state.account, region)
    for name in RULES if state.environment.alert_on_tampering else (names.RULE_JOBS,):
        target = bus_arn if name == names.RULE_ELSEWHERE else queue_arn
        yield from rule_faults(name, channel, pattern=expected[name], target=target)
    yield from _queue_faults(channel)
    yield from function_faults(names.NOTIFY, channel)
    yield from _topic_faults(channel, state.account)


def rule_faults(
    name: str,
    channel: Channel,
    *,
    target: str,
    pattern: Mapping[str, object] | None = None,
    schedule: str | None = None,
) -> Iterator[str]:
    """What keeps a rule from leading to its target, as deployed and as far as it is known."""
    rules = channel.rules.value_or(None)
    if rules is None:
        return
    rule = rules[name]
    if rule is None:
        yield f"the rule {name} is missing"
        return
    if rule["State"] != "ENABLED":
        yield f"the rule {name} is {rule['State']}"
    if json.loads(rule.get("EventPattern") or "null") != pattern:
        yield f"the event pattern of the rule {name} is not as deployed"
    if rule.get("ScheduleExpression") != schedule:
        yield f"the rule {name} runs at {rule.get('ScheduleExpression')}, not at {schedule}"
    if target not in rule["Targets"]:
        yield f"the rule {name} does not have the target {target}"


def _queue_faults(channel: Channel) -> Iterator[str]:
    queues = channel.queues.value_or(None)
    if queues is None:
        return
    for name, attributes in queues.items():
        if attributes is None:
            yield f"the queue {name} is missing"
    attributes = queues[names.QUEUE]
    if attributes is None:
        return
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    if not str(redrive.get("deadLetterTargetArn", "")).endswith(f":{names.DEAD_LETTERS}"):
        yield f"the queue {names.QUEUE} has no dead-letter queue"
    statements = _statements(attributes.get("Policy"))
    if not any(_allows(each, "events.amazonaws.com") for each in statements):
        yield f"the policy of the queue {names.QUEUE} does not let EventBridge send to it"
    if any(_denies(each) for each in statements):
        yield f"the policy of the queue {names.QUEUE} has a Deny that is not ours"
    sources = channel.sources.value_or(None)
    if sources is not None and not any(
        each["State"] in ("Enabled", "Enabling", "Creating", "Updating")
        and each["FunctionArn"].endswith(f":{names.NOTIFY}")
        for each in sources
    ):
        yield f"no enabled event source mapping connects the queue to {names.NOTIFY}"
    for each in sources or ():
        if not each["FunctionArn"].endswith(f":{names.NOTIFY}"):
            yield f"events of the queue go to {each['FunctionArn']} as well"


def function_faults(name: str, channel: Channel) -> Iterator[str]:
    """What keeps a function from running, as far as it could be looked at."""
    functions = channel.functions.value_or(None)
    if functions is None:
        return
    function = functions[name]
    if function is None:
        yield f"the function {name} is missing"
        return
    # Inactive: Lambda has taken its resources back, and gives them again at the next event.
    if function.get("State", "Active") not in ("Active", "Inactive"):
        yield f"the function {name} is {function['State']}"
    if function.get("LastUpdateStatus") == "Failed":
        yield f"the last update of the function {name} failed"
    if function["ReservedConcurrentExecutions"] == 0:
        yield f"the function {name} is throttled to zero"


def _topic_faults(channel: Channel, account: str) -> Iterator[str]:
    topic = channel.topic.value_or({})
    if topic is None:
        yield f"the topic {names.TOPIC} is missing"
        return
    if any(_denies(each) for each in _statements(topic.get("Policy"))):
        yield f"the policy of the topic {names.TOPIC} has a Deny that is not ours"
    if topic.get("Owner", account) != account:
        yield f"the topic {names.TOPIC} belongs to another account"


def _statements(policy: str | None) -> list[Policy]:
    return listed(json.loads(policy or "{}").get("Statement"))


def _allows(statement: Policy, service: str) -> bool:
    return statement["Effect"] == "Allow" and service in str(statement.get("Principal"))


def _denies(statement: Policy) -> bool:
    """A Deny but the one that refuses what is sent without TLS."""
    condition = statement.get("Condition", {}).get("Bool", {})
    return bool(statement["Effect"] == "Deny") and condition != {"aws:SecureTransport": "false"}


def _dead_letters(channel: Channel) -> int:
    """How many events could not be reported."""
    queues = channel.queues.value_or({})
    attributes = queues.get(names.DEAD_LETTERS) or {}
    return int(attributes.get("ApproximateNumberOfMessages", 0)) + int(
        attributes.get("ApproximateNumberOfMessagesNotVisible", 0)
    )
