"""E-mail subscriptions: they wait for a confirmation, and sent mails can be read.

MiniStack confirms an address at once and drops its mails. On AWS a
subscription is `PendingConfirmation` until the link in a first mail is followed (SNS
Developer Guide, "Confirm the subscription").
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from local_aws.ministack import internals

_EMAIL = ("email", "email-json")


class Emails:
    """All mails that SNS has sent, oldest first."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []

    def install(self) -> None:
        sns = internals.sns
        sns._subscribe = self._then_unconfirmed(sns._subscribe)
        handler = internals.provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]
        handler["create"] = self._then_unconfirmed(handler["create"])
        for name in ("_list_subscriptions", "_list_subscriptions_by_topic"):
            setattr(sns, name, _pending_without_arn(getattr(sns, name)))
        fan_out = sns._fanout

        def fan_out_to_mailboxes_too(
            topic_arn: str, message_id: str, message: str, subject: str, *more: Any, **named: Any
        ) -> None:
            fan_out(topic_arn, message_id, message, subject, *more, **named)
            for subscription in _subscriptions(sns._topic_by_arn_any_scope(topic_arn)):
                if subscription["confirmed"]:
                    self._send(subscription, subject or "AWS Notification Message", _text(message))

        sns._fanout = fan_out_to_mailboxes_too

    def _then_unconfirmed(self, subscribe: Callable[..., Any]) -> Callable[..., Any]:
        """Subscribe, then send a confirmation mail to new addresses."""

        def subscribe_and_ask(*arguments: Any, **named: Any) -> Any:
            answer = subscribe(*arguments, **named)
            for topic in internals.sns._topics.values():
                for subscription in _subscriptions(topic):
                    if subscription.get("token") is None:
                        self._ask(subscription)
            return answer

        return subscribe_and_ask

    def _ask(self, subscription: dict[str, Any]) -> None:
        subscription["confirmed"] = False
        subscription["token"] = str(uuid.uuid4())
        subscription["attributes"]["PendingConfirmation"] = "true"
        self._send(
            subscription,
            "AWS Notification - Subscription Confirmation",
            f"You have chosen to subscribe to the topic: {subscription['topic_arn']}. To confirm "
            "this subscription, follow the link below.",
            token=subscription["token"],
        )

    def _send(self, subscription: dict[str, Any], subject: str, body: str, **more: str) -> None:
        mail = {"to": subscription["endpoint"], "subject": subject, "body": body, **more}
        self.sent.append({**mail, "topic": subscription["topic_arn"]})


def _subscriptions(topic: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The e-mail subscriptions."""
    for subscription in (topic or {}).get("subscriptions", ()):
        if subscription["protocol"] in _EMAIL:
            yield subscription


def _pending_without_arn(listing: Callable[..., Any]) -> Callable[..., Any]:
    """AWS shows no ARN of a subscription that is not confirmed."""

    def list_subscriptions(*arguments: Any) -> Any:
        status, headers, body = listing(*arguments)
        text = body.decode()
        for topic in internals.sns._topics.values():
            for subscription in topic["subscriptions"]:
                if not subscription["confirmed"]:
                    text = text.replace(
                        f"<SubscriptionArn>{subscription['arn']}</SubscriptionArn>",
                        "<SubscriptionArn>PendingConfirmation</SubscriptionArn>",
                    )
        return status, headers, text.encode()

    return list_subscriptions


def _text(message: Any) -> str:
    return message if isinstance(message, str) else str(message)
