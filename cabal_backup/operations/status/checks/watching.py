"""Is anybody told? A night that failed in silence is the fault this project began with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cabal_backup import names
from cabal_backup.operations.answers import Known, Unknown
from cabal_backup.operations.status.checks.outcome import Outcome, deploy, ok, plural, unknown, warn
from cabal_backup.operations.status.state import State
from cabal_backup.operations.status.watching import Trail, topic_arn, trail_regions


def alerts(state: State) -> Outcome:
    """In each region a topic with at least one subscription that was confirmed."""
    if state.environment.alerts is None:
        return ok("Alerts are off in the settings: nobody is told of anything.")
    answers = state.watching.subscriptions
    seen = {region: each.value for region, each in answers.items() if isinstance(each, Known)}
    missing = [region for region, listed in seen.items() if listed is None]
    if missing:
        return warn(
            f"There is no topic {names.TOPIC} in {' and '.join(missing)}: nobody is told of what "
            "fails there.",
            f"Deploy the environment: {deploy(state.environment.name)}",
        )
    subscribed = {region: listed for region, listed in seen.items() if listed is not None}
    pending = [
        f"{each['Endpoint']} in {region} has not confirmed"
        for region, listed in subscribed.items()
        for each in listed
        if not _is_confirmed(each)
    ]
    deaf = [region for region, listed in subscribed.items() if not any(map(_is_confirmed, listed))]
    if deaf:
        return warn(
            f"Nobody is subscribed to {names.TOPIC} in {' and '.join(deaf)}, or nobody has "
            "confirmed: what fails is told to nobody.",
            "Follow the link in the mail that SNS has sent to each address."
            if pending
            else f"aws sns subscribe --region {deaf[0]} --topic-arn="
            f"{topic_arn(state.environment, state.account, deaf[0])} --protocol email "
            "--notification-endpoint ADDRESS, and follow the link in the mail; or set "
            "alert_emails and deploy.",
            details=pending,
        )
    if any(isinstance(each, Unknown) for each in answers.values()):
        return unknown(*answers.values(), looking_at="who is told")
    counts = ", ".join(
        f"{plural(sum(map(_is_confirmed, listed)), 'subscription')} in {region}"
        for region, listed in subscribed.items()
    )
    return ok(f"What fails is told: {counts}.", details=pending)


def trail(state: State) -> Outcome:
    """A trail that logs what changes something, in each region where tampering would be heard."""
    regions = trail_regions(state.environment)
    if not regions:
        return ok("By the settings nobody is told of tampering, so no trail is needed for it.")
    answers = {region: state.watching.trails[region] for region in regions}
    heard: Mapping[str, Trail | None] = {
        region: next((one for one in each.value if _hears(state, region, one)), None)
        for region, each in answers.items()
        if isinstance(each, Known)
    }
    deaf = [region for region, one in heard.items() if one is None]
    if deaf:
        return warn(
            f"No trail logs the calls that change something in {' and '.join(deaf)}: a lock "
            "taken off there, or whatever else is tampered with, is told to nobody.",
            "Have a trail for all regions: aws cloudtrail create-trail --name NAME "
            "--s3-bucket-name BUCKET --is-multi-region-trail; "
            "aws cloudtrail start-logging --name NAME",
            details=[
                f"{one.name} in {region}: {_why_not(one)}"
                for region in deaf
                for one in _known(answers[region])
            ],
        )
    if any(isinstance(each, Unknown) for each in answers.values()):
        return unknown(*answers.values(), looking_at="the trails")
    trails = ", ".join(f"{one.name} in {region}" for region, one in heard.items() if one)
    return ok(f"A trail logs the calls that change something: {trails}.")


def _is_confirmed(subscription: Mapping[str, Any]) -> bool:
    """Otherwise SNS writes PendingConfirmation or Deleted in place of the ARN."""
    return str(subscription["SubscriptionArn"]).startswith("arn:")


def _hears(state: State, region: str, one: Trail) -> bool:
    environment = state.environment
    if environment.alerts is None or not environment.alerts.on_role_changes:
        return one.hears
    # The role's changes are told from here.
    return one.hears and (one.logs_global_services or region != environment.iam_events_region)


def _known(answer: Any) -> list[Trail]:
    return answer.value if isinstance(answer, Known) else []


def _why_not(one: Trail) -> str:
    if not one.is_logging:
        return "it is not logging"
    if one.delivery_error:
        return f"S3 does not take what it logs: {one.delivery_error}"
    if not one.logs_writes:
        return "it leaves out calls that change something"
    return "it leaves out the calls of global services, such as IAM"
