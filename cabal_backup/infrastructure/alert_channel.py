"""How urgent events reach the operator: rules, a queue, a function and a topic."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IDependable

from cabal_backup import names, urgent
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.daily_watch import Watch, record
from cabal_backup.infrastructure.function import HandlerFunction
from cabal_backup.infrastructure.grant import Grant, acknowledge, managed_policy
from cabal_backup.infrastructure.places import arn

_DESCRIPTIONS = {
    names.RULE_JOBS: "Jobs and restore tests of AWS Backup that did not succeed",
    names.RULE_CHANGES: "Changes of vaults, plans and settings that AWS Backup reports",
    names.RULE_CALLS: "Calls that weaken the protection of the backup",
    names.RULE_MONITORING: "Calls that silence the monitoring of the backup",
    names.RULE_ELSEWHERE: "Calls that silence the monitoring, for the other region",
}


class Alerts(Construct):
    """An encrypted topic for one region, and everything that leads to it (docs/alerts.md).

    Only the function publishes, so the AWS-managed key of SNS is enough for the topic. Its
    policy does not let EventBridge use it; the queue has keys that SQS owns for that reason.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-target-sqs.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        plan_id: str | None = None,
        after: Sequence[IDependable] = (),
    ) -> None:
        """
        :param environment: whose alerts these are; `alerts` must be true.
        :param plan_id: the nightly plan. Default: there is none in this region.
        :param after: what the deployment creates first, so that its creation is not reported.
        """
        super().__init__(scope, id)
        if not environment.alerts:
            raise ValueError(f"alerts are off in {environment.name}")
        self.topic: sns.ITopic = _topic(self, environment)
        """Where messages go; also the events that another function could not handle."""
        queue = _queues(self)
        handler = _handler(self, environment, self.topic, queue, plan_id)
        source = handler.function.add_event_source_mapping(
            "Source",
            event_source_arn=queue.queue_arn,
            batch_size=1000,
            max_batching_window=Duration.minutes(1),
            # The least there is: fewer batches at a time are fewer messages.
            max_concurrency=2,
            report_batch_item_failures=True,
        )
        source.node.add_dependency(handler.permissions)
        Watch(self, "Watch", environment=environment, topic=self.topic, reporter=handler)
        _rules(self, environment, queue, [source, *after])


def _topic(scope: Construct, environment: Environment) -> sns.Topic:
    topic = sns.Topic(
        scope,
        "Topic",
        topic_name=names.TOPIC,
        display_name=f"Cabal backup {environment.name}",
        enforce_ssl=True,
    )
    resource = topic.node.default_child
    assert isinstance(resource, sns.CfnTopic)
    # By its alias, as SNS documents it; CDK would write the alias's ARN.
    resource.kms_master_key_id = "alias/aws/sns"
    for protocol, endpoints in (
        (sns.SubscriptionProtocol.EMAIL, environment.alert_emails),
        (sns.SubscriptionProtocol.HTTPS, environment.alert_urls),
    ):
        for endpoint in endpoints:
            # Another id would be another subscription, which has to be confirmed again.
            sns.Subscription(topic, endpoint, topic=topic, protocol=protocol, endpoint=endpoint)
    return topic


def _queues(scope: Construct) -> sqs.Queue:
    dead_letters = _queue(scope, "DeadLetters", names.DEAD_LETTERS)
    # Two of the times an event is received may be waits.
    lost = sqs.DeadLetterQueue(max_receive_count=6, queue=dead_letters)
    # Six times the function's timeout, as Lambda's documents recommend.
    queue = _queue(scope, "Queue", names.QUEUE, Duration.minutes(6), lost)
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            conditions={"ArnLike": {"aws:SourceArn": arn(scope, "events", "rule/cabal-backup-*")}},
        )
    )
    return queue


def _queue(
    scope: Construct,
    id: str,
    name: str,
    hidden: Duration | None = None,
    lost: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        id,
        queue_name=name,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
        removal_policy=RemovalPolicy.DESTROY,
        visibility_timeout=hidden,
        dead_letter_queue=lost,
    )
    reason = (
        "It is encrypted with keys that SQS owns, at no cost; the rule accepts keys of KMS only."
    )
    acknowledge(queue, reason, "CKV_AWS_27")
    return queue


def _handler(
    scope: Construct,
    environment: Environment,
    topic: sns.ITopic,
    queue: sqs.Queue,
    plan_id: str | None,
) -> HandlerFunction:
    incidents = record(
        scope,
        "Incidents",
        names.INCIDENTS,
        "What was reported lately, so that it is not reported again",
    )
    return HandlerFunction(
        scope,
        "Handler",
        module="notify",
        function_name=names.NOTIFY,
        description="Reports urgent events of the backup, one message per incident",
        # Looking and publishing take a second; the rest is for retries.
        timeout=Duration.minutes(1),
        packaged=["text.py", "urgent.py"],
        # CloudWatch invokes it asynchronously, once, when the alarm changes its state. Lambda tries
        # three times within minutes; the queue's messages are tried for half an hour.
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        dead_letters=queue,
        grants=[
            Grant("sns: Publish", [topic.topic_arn]),
            Grant(
                "sqs: ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage",
                [queue.queue_arn],
            ),
            Grant("ssm: GetParameter PutParameter", [incidents.parameter_arn]),
            # A plan that is made elsewhere may use these vaults.
            Grant("backup: GetBackupPlan", [arn(scope, "backup", "backup-plan:*")]),
        ],
        environment={
            "TOPIC_ARN": topic.topic_arn,
            "QUEUE_URL": queue.queue_url,
            "ENVIRONMENT": environment.name,
            "DR_REGION": environment.dr_region,
            "TABLES": ",".join((environment.addresses_table, *environment.pitr_tables)),
            **({"PLAN_ID": plan_id} if plan_id else {}),
        },
    )


def _rules(
    scope: Construct, environment: Environment, queue: sqs.IQueue, after: Sequence[IDependable]
) -> None:
    stack = Stack.of(scope)
    (other,) = {environment.region, environment.dr_region} - {stack.region}
    bus = arn(scope, "events", "event-bus/default", other)
    purpose = "Sends attacks on the monitoring to the other region"
    events_service = iam.ServicePrincipal("events.amazonaws.com")
    role = iam.Role(scope, "ElsewhereRole", description=purpose, assumed_by=events_service)
    send = Grant("events: PutEvents", [bus])
    permissions = managed_policy(scope, "ElsewherePolicy", [send], description=purpose, role=role)
    for name, pattern in urgent.rules(stack.account, stack.region).items():
        if name != names.RULE_JOBS and not environment.alert_on_tampering:
            continue
        target = {"arn": queue.queue_arn}
        if name == names.RULE_ELSEWHERE:
            target = {"arn": bus, "role_arn": role.role_arn}
        rule = events.CfnRule(
            scope,
            name.removeprefix("cabal-backup-").title().replace("-", ""),
            name=name,
            description=_DESCRIPTIONS[name],
            event_pattern=pattern,
            targets=[events.CfnRule.TargetProperty(id="target", **target)],
        )
        rule.node.add_dependency(permissions, *after)
