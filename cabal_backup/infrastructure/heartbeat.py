"""Complete nights: how long the copies took, and a sign of life after each."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from cabal_backup import names
from cabal_backup.infrastructure.acknowledge import acknowledge
from cabal_backup.infrastructure.function import HandlerFunction


class CompleteNights(Construct):
    """A function that hears of each copy that has arrived in the DR vault.

    It measures how long the copy took and, once everything in the plan is backed up and
    copied, calls the heartbeat's URL, so that somebody outside this account notices
    when a night does not end well, whatever the reason.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vault: backup.IBackupVault,
        dr_vault_arn: str,
        resource_arns: Sequence[str],
        heartbeat_parameter: str | None,
        dead_letters: sns.ITopic | None = None,
    ) -> None:
        """
        :param vault: where the nights are taken.
        :param dr_vault_arn: where they are copied to.
        :param resource_arns: what is in the plan; a night without one of these is not complete.
        :param heartbeat_parameter: the SSM SecureString with the URL to call, in the stack's
            region, encrypted with the AWS-managed key. None calls nobody.
        :param dead_letters: where an event goes that could not be dealt with. Default: nowhere;
            a heartbeat that is missing is told by whoever waits for it.
        """
        super().__init__(scope, id)
        if not resource_arns:
            raise ValueError("resource_arns is empty: every night would be complete")
        statements = [
            iam.PolicyStatement(
                actions=["backup:DescribeCopyJob", "backup:ListCopyJobs"], resources=["*"]
            ),
            iam.PolicyStatement(
                actions=["backup:ListRecoveryPointsByBackupVault"],
                resources=[vault.backup_vault_arn],
            ),
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": names.METRICS}},
            ),
        ]
        environment = {
            "VAULT": names.VAULT,
            "DR_VAULT_ARN": dr_vault_arn,
            "RESOURCE_ARNS": ",".join(resource_arns),
            "METRIC_NAMESPACE": names.METRICS,
        }
        if heartbeat_parameter:
            environment["HEARTBEAT_PARAMETER"] = heartbeat_parameter
            statements.append(
                # Not kms:Decrypt: the AWS-managed key lets everybody in the account decrypt
                # through Systems Manager who may get the parameter.
                # https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html
                iam.PolicyStatement(
                    actions=["ssm:GetParameter"],
                    resources=[
                        Stack.of(self).format_arn(
                            service="ssm",
                            resource="parameter",
                            resource_name=heartbeat_parameter.removeprefix("/"),
                        )
                    ],
                )
            )
        handler = HandlerFunction(
            self,
            "Handler",
            module="night",
            description="Measures copies of nightly backups, and tells of complete nights",
            timeout=Duration.minutes(5),
            statements=statements,
            environment=environment,
            dead_letters=dead_letters,
        )
        rule = events.Rule(
            self,
            "Copied",
            description="A recovery point of Cabal's backups has been copied to the DR region",
            event_pattern=events.EventPattern(
                source=["aws.backup"],
                detail_type=["Copy Job State Change"],
                detail={
                    "state": ["COMPLETED"],
                    "sourceBackupVaultArn": [vault.backup_vault_arn],
                    "destinationBackupVaultArn": [dr_vault_arn],
                },
            ),
            targets=[targets.LambdaFunction(handler.function)],
        )
        rule.node.add_dependency(handler.permissions)
        acknowledge(
            handler.permissions,
            reason="backup:DescribeCopyJob, backup:ListCopyJobs and cloudwatch:PutMetricData know "
            "no resource to be narrowed to (Service Authorization Reference); the metrics are "
            "narrowed to one namespace by a condition. Nothing else has the wildcard.",
            rules=["AwsSolutions-IAM5[Resource::*]"],
        )
        if dead_letters is None:
            acknowledge(
                handler.function,
                reason="What it fails on three times costs one point of a graph, or one heartbeat; "
                "and a heartbeat that stays away is exactly what its receiver raises the alarm "
                "for. With alerts on there is a dead letter topic too.",
                rules=["HIPAA.Security-LambdaDLQ", "NIST.800.53.R5-LambdaDLQ", "CKV_AWS_116"],
            )
