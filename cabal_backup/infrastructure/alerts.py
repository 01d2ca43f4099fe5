"""How the operator is told: a topic, a function that puts events into words, and rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import ArnFormat, Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct, IDependable

from cabal_backup import names
from cabal_backup.environment import Environment, Lifecycle
from cabal_backup.infrastructure.acknowledge import acknowledge
from cabal_backup.infrastructure.function import HandlerFunction

_ENDED_BADLY = ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"]

_TIMEOUT = Duration.minutes(2)
"""Looking and publishing take a second; the rest is for retries."""


class Alerts(Construct):
    """An encrypted topic for one region, and everything that leads to it.

    What AWS sends is JSON. So nothing publishes to the topic but one function, which
    turns each event into a message that a person can read, with a subject and the
    command to run. When it fails on an event three times, Lambda puts the event on the
    topic as it is: unreadable is better than untold. Because only the function
    publishes, the AWS-managed key is enough, whose policy admits neither EventBridge
    nor CloudWatch.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, vault_name: str
    ) -> None:
        """
        :param environment: whose alerts these are; `alerts` must not be None.
        :param vault_name: the vault in this region, whose jobs and recovery points are told.
        """
        super().__init__(scope, id)
        if environment.alerts is None:
            raise ValueError(f"alerts are off in {environment.name}: there is nobody to tell")
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=names.TOPIC,
            display_name=f"Cabal backup {environment.name}",
            enforce_ssl=True,
        )
        resource = topic.node.default_child
        assert isinstance(resource, sns.CfnTopic)
        # By its alias, as SNS documents it; CDK would write the alias's ARN.
        resource.kms_master_key_id = "alias/aws/sns"
        for email in environment.alerts.emails:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        for url in environment.alerts.urls:
            topic.add_subscription(subscriptions.UrlSubscription(url))
        self.topic: sns.ITopic = topic
        """Where messages go; also for events that a handler could not handle."""

        self.vault_name = vault_name
        self._handler = _handler(self, environment, topic)
        self._alarms: lambda_.CfnPermission | None = None
        self._tell_jobs()

    def tell(
        self,
        id: str,
        pattern: events.EventPattern,
        *,
        description: str,
        after: Sequence[IDependable] = (),
    ) -> None:
        """Tell every event of the region's default bus that matches.

        :param id: the construct id of the rule.
        :param description: what it is about, as the EventBridge console shows it.
        :param after: what is made before the rule, so that its making is not told.
        """
        rule = events.Rule(
            self,
            id,
            description=description,
            event_pattern=pattern,
            targets=[targets.LambdaFunction(self._handler.function)],
        )
        rule.node.add_dependency(self._handler.permissions, *after)

    def tell_alarm(self, alarm: cloudwatch.Alarm) -> None:
        """Tell when the alarm rises and when it is over."""
        action = _Call(self._handler.function.function_arn)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
        alarm.node.add_dependency(self._handler.permissions, self._admit_alarms())

    def _admit_alarms(self) -> IDependable:
        """Let the alarms of this account and region call the function.

        All at once and before any is there: an alarm may rise as soon as it is made, and a
        permission that names it, as CDK's own action makes one, comes too late then.
        """
        if self._alarms is None:
            self._alarms = lambda_.CfnPermission(
                self,
                "Alarms",
                action="lambda:InvokeFunction",
                function_name=self._handler.function.function_arn,
                principal="lambda.alarms.cloudwatch.amazonaws.com",
                source_account=Aws.ACCOUNT_ID,
                source_arn=Stack.of(self).format_arn(
                    service="cloudwatch",
                    resource="alarm",
                    resource_name="*",
                    arn_format=ArnFormat.COLON_RESOURCE_NAME,
                ),
            )
        return self._alarms

    def tell_restore_tests(self) -> None:
        """Tell the restore tests whose result our validation found wrong."""
        self.tell(
            "RestoreTests",
            events.EventPattern(
                source=[names.EVENT_SOURCE],
                detail_type=[names.RESTORE_TEST_EVENT],
                detail={"verdict": ["FAILED"]},
            ),
            description="Restore tests whose result is not what it should be",
        )

    def _tell_jobs(self) -> None:
        """Jobs and recovery points that are not what they should be.

        Which vault an event is about is told by name, by ARN or by both; a rule that
        waited for the wrong one would be silent for ever.
        """
        vault_arn = Stack.of(self).format_arn(
            service="backup",
            resource="backup-vault",
            resource_name=self.vault_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        here = [{"backupVaultName": [self.vault_name]}, {"backupVaultArn": [vault_arn]}]
        for rule, detail_type, detail, description in (
            (
                "BackupJobs",
                "Backup Job State Change",
                {"state": _ENDED_BADLY, "$or": here},
                f"Backup jobs into {self.vault_name} that did not succeed",
            ),
            (
                "CopyJobs",
                "Copy Job State Change",
                # A copy job lives in the region of its source.
                {"state": _ENDED_BADLY, "sourceBackupVaultArn": [vault_arn]},
                f"Copy jobs from {self.vault_name} that did not succeed",
            ),
            (
                "RestoreJobs",
                "Restore Job State Change",
                # The documented event names no vault.
                {"status": _ENDED_BADLY, "resourceType": ["DynamoDB", "EFS"]},
                "Restore jobs of tables and file systems that did not succeed",
            ),
            (
                "RecoveryPoints",
                "Recovery Point State Change",
                {"status": ["PARTIAL", "EXPIRED"], "$or": here},
                f"Recovery points in {self.vault_name} that are not whole or should be gone",
            ),
        ):
            self.tell(
                rule,
                events.EventPattern(
                    source=["aws.backup"], detail_type=[detail_type], detail=detail
                ),
                description=description,
            )


@jsii.implements(cloudwatch.IAlarmAction)
class _Call:
    """An alarm action that calls a function which admits all alarms already."""

    def __init__(self, function_arn: str) -> None:
        self._function_arn = function_arn

    def bind(self, _scope: Construct, _alarm: cloudwatch.IAlarm) -> cloudwatch.AlarmActionConfig:
        return cloudwatch.AlarmActionConfig(alarm_action_arn=self._function_arn)


def _handler(alerts: Alerts, environment: Environment, topic: sns.ITopic) -> HandlerFunction:
    handler = HandlerFunction(
        alerts,
        "Handler",
        module="notify",
        description="Puts what happened to the backup into words",
        timeout=_TIMEOUT,
        statements=[
            iam.PolicyStatement(
                actions=["backup:ListBackupJobs", "backup:ListCopyJobs"], resources=["*"]
            )
        ],
        environment=_variables(environment, topic),
        dead_letters=topic,
    )
    acknowledge(
        handler.permissions,
        reason="backup:ListBackupJobs and backup:ListCopyJobs list the jobs of a region and know "
        "no resource to be narrowed to (Service Authorization Reference, AWS Backup). They read "
        "only, and nothing else has the wildcard.",
        rules=["AwsSolutions-IAM5[Resource::*]"],
    )
    return handler


def _variables(environment: Environment, topic: sns.ITopic) -> Mapping[str, str]:
    return {
        "TOPIC_ARN": topic.topic_arn,
        "ENVIRONMENT": environment.name,
        "PRIMARY_REGION": environment.region,
        "DR_REGION": environment.dr_region,
        "VAULT": names.VAULT,
        "DR_VAULT": names.DR_VAULT,
        "LIFECYCLE": _argument(environment.lifecycle),
        "COPY_LIFECYCLE": _argument(environment.dr_lifecycle),
    }


def _argument(lifecycle: Lifecycle) -> str:
    """A lifecycle as `aws backup` takes it."""
    members: dict[str, Any] = {
        "MoveToColdStorageAfterDays": lifecycle.cold_after_days,
        "DeleteAfterDays": lifecycle.delete_after_days,
    }
    return ",".join(f"{name}={days}" for name, days in members.items() if days is not None)
