"""The watch: `status`, every day, where nothing depends on a person's machine."""

from __future__ import annotations

from aws_cdk import Aws, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cabal_backup import names, urgent
from cabal_backup.config.environment import Environment, dump
from cabal_backup.infrastructure.access_grants import watch_grants
from cabal_backup.infrastructure.function import HandlerFunction
from cabal_backup.infrastructure.grant import Grant, acknowledge, managed_policy
from cabal_backup.infrastructure.places import Places, arn


class Watch(Construct):
    """A function in one region that judges the environment every day (docs/watch.md).

    In the primary region an alarm reports that it has not run or has failed.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        topic: sns.ITopic,
        reporter: HandlerFunction,
    ) -> None:
        """
        :param environment: what is judged; its `alerts` must be true.
        :param topic: where the messages go.
        :param reporter: the function that reports the alarm. It publishes on the topic, whose key
            CloudWatch may not use.
        """
        super().__init__(scope, id)
        if not environment.alerts:
            raise ValueError(f"alerts are off in {environment.name}")
        stack = Stack.of(self)
        is_primary = stack.region == environment.region
        kept = record(
            self, "Record", names.WATCH_RECORD, "When the watch ran, and since when what is not ok"
        )
        places = Places(vars(environment), partition=Aws.PARTITION, account=stack.account)
        auditor = managed_policy(
            self,
            "Auditor",
            watch_grants(places),
            description="What the watch looks at: the same as the auditor",
        )
        own = [
            Grant("ssm: GetParameter PutParameter", [kept.parameter_arn]),
            Grant("sns: Publish", [topic.topic_arn]),
        ]
        if environment.heartbeat_parameter and is_primary:
            # Not kms:Decrypt: the AWS-managed key lets everything in the account decrypt through
            # Systems Manager that may get the parameter.
            # https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html
            heartbeat = places.arn("ssm", f"parameter{environment.heartbeat_parameter}")
            own.append(Grant("ssm: GetParameter", [heartbeat]))
        if environment.report_bucket:
            report = f"{environment.report_bucket}/{environment.report_key}"
            written = f"arn:{Aws.PARTITION}:s3:::{report}"
            own.append(Grant("s3: PutObject", [written]))
        handler = HandlerFunction(
            self,
            "Handler",
            module="watch",
            function_name=names.WATCH,
            description="Judges every day whether everything is protected, and reports it",
            dead_letters="No event can get lost: the next day looks at everything again, and the "
            "alarm reports a day on which it failed.",
            memory_mb=512,
            grants=own,
            environment={"ENVIRONMENT": dump(environment), "TOPIC_ARN": topic.topic_arn},
            packaged=(
                *("config/environment.py", "config/settings.py"),
                *("errors.py", "text.py", "urgent.py"),
                *("operations/status", "operations/aws", "operations/report"),
            ),
        )
        auditor.attach_to_role(handler.role)
        no_key = (
            "The variable ENVIRONMENT has the settings as JSON: names, numbers and who gets "
            "messages, which the subscriptions show too. The rule mistakes a part of it for a key. "
            "The heartbeat's URL, which is secret, is read from Systems Manager."
        )
        acknowledge(handler.function, no_key, "CKV_AWS_45")
        rule = events.CfnRule(
            self,
            "Rule",
            name=names.WATCH,
            description="Is everything protected?",
            schedule_expression=environment.watch_schedule_in(stack.region),
            targets=[events.CfnRule.TargetProperty(id="target", arn=handler.function.function_arn)],
        )
        rule.node.add_dependency(handler.permissions)
        handler.function.add_permission(
            "Schedule",
            principal=iam.ServicePrincipal("events.amazonaws.com"),
            source_arn=rule.attr_arn,
        )
        if is_primary:
            self._alarm(reporter)

    def _alarm(self, reporter: HandlerFunction) -> None:
        alarm = cloudwatch.CfnAlarm(
            self,
            "Alarm",
            alarm_name=names.WATCH,
            alarm_description=f"The watch has not completed for {urgent.ALARM_HOURS} hours: it "
            "did not run, or it failed. Whether everything is protected is not known.",
            comparison_operator=urgent.ALARM["ComparisonOperator"],
            evaluation_periods=urgent.ALARM["EvaluationPeriods"],
            warm_up_configuration=cloudwatch.CfnAlarm.WarmUpConfigurationProperty(
                only_start_evaluating_after_warm_up_period_ends=True,
                warm_up_period_duration_in_minutes=2 * 24 * 60,
            ),
            alarm_actions=[reporter.function.function_arn],
        )
        for name, value in urgent.ALARM.items():
            alarm.add_property_override(name, value)
        reporter.function.add_permission(
            "WatchAlarm",
            principal=iam.ServicePrincipal("lambda.alarms.cloudwatch.amazonaws.com"),
            source_account=Aws.ACCOUNT_ID,
            source_arn=arn(self, "cloudwatch", f"alarm:{names.WATCH}"),
        )
        alarm.node.add_dependency(reporter.permissions)


def record(scope: Construct, id: str, name: str, description: str) -> ssm.StringParameter:
    """A parameter in which a function keeps what it needs the next time, as JSON."""
    made = ssm.StringParameter(
        scope, id, parameter_name=name, description=description, string_value="{}"
    )
    reason = (
        "It holds titles of messages, ids of checks and times, nothing secret; a SecureString "
        "cannot be created by CloudFormation."
    )
    acknowledge(made, reason, "CKV2_AWS_34")
    return made
