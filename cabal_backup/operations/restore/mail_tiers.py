"""Making the mail tiers read their addresses again."""

from __future__ import annotations

import json
from enum import StrEnum

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.jobs import Report


class Reconfigure(StrEnum):
    """How the mail tiers are notified."""

    PUBLISH = "publish"
    """The address-changed event; each tier rebuilds its maps without a restart."""
    ROLL = "roll"
    """A forced deployment of the three services; takes minutes and needs no subscriber."""
    NONE = "none"


def describe(how: Reconfigure) -> str:
    """What it does, in a sentence without its full stop."""
    if how is Reconfigure.PUBLISH:
        return f"publish the {names.ADDRESS_CHANGED_EVENT} event to {names.ADDRESS_CHANGED_TOPIC}"
    if how is Reconfigure.ROLL:
        return f"roll {', '.join(names.SERVICES)} in the cluster {names.CLUSTER}"
    return "do not notify the mail tiers"


def reconfigure(aws: Aws, how: Reconfigure, report: Report) -> None:
    """Notify the mail tiers; idempotent.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    if how is Reconfigure.PUBLISH:
        _publish(aws, report)
    elif how is Reconfigure.ROLL:
        _roll(aws, report)


def _publish(aws: Aws, report: Report) -> None:
    topic = aws.arn("sns", names.ADDRESS_CHANGED_TOPIC)
    with worded(f"publishing to {names.ADDRESS_CHANGED_TOPIC}"):
        aws.client("sns").publish(
            TopicArn=topic, Message=json.dumps({"event": names.ADDRESS_CHANGED_EVENT})
        )
    report(f"Published {names.ADDRESS_CHANGED_EVENT} to {names.ADDRESS_CHANGED_TOPIC}.")


def _roll(aws: Aws, report: Report) -> None:
    for service in names.SERVICES:
        with worded(f"rolling {service}"):
            aws.client("ecs").update_service(
                cluster=names.CLUSTER, service=service, forceNewDeployment=True
            )
        report(f"Rolling {service}.")
