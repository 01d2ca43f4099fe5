"""The opt-in to advanced DynamoDB backup, without which no table is copied."""

from __future__ import annotations

from aws_cdk import CustomResource, Duration
from constructs import Construct

from cabal_backup.infrastructure.acknowledge import acknowledge
from cabal_backup.infrastructure.function import HandlerFunction
from cabal_backup.infrastructure.grant import Grant

HANDLER_TIMEOUT = Duration.minutes(15)
"""Longer than all retries of the handler together; the most that Lambda grants."""


class AdvancedDynamoDB(Construct):
    """The opt-in of this account to advanced DynamoDB backup, in the stack's region.

    A setting of the account and the region that CloudFormation has no type for. The
    custom resource switches on what is off, changes no other resource type's setting,
    and leaves everything as it is when the stack goes: others may rely on it by then.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        handler = HandlerFunction(
            self,
            "Handler",
            module="opt_in",
            description="Opts this account in to advanced DynamoDB backup in this region",
            timeout=HANDLER_TIMEOUT,
            grants=[
                Grant(
                    "OptIn",
                    "backup: DescribeRegionSettings UpdateRegionSettings",
                    ["*"],
                    why="The actions act on the settings of a region and know no resource to be "
                    "narrowed to (Service Authorization Reference, AWS Backup). Nothing else has "
                    "the wildcard.",
                )
            ],
        )
        acknowledge(
            handler.function,
            reason="No event can get lost: CloudFormation waits for the answer to the one it sent, "
            "and fails the deployment with the reason when none comes.",
            rules=["NIST.800.53.R5-LambdaDLQ", "CKV_AWS_116"],
        )
        self.resource = CustomResource(
            self,
            "OptIn",
            resource_type="Custom::AdvancedDynamoDBBackup",
            service_token=handler.function.function_arn,
            # A minute more than the handler may take: an answer that got lost is noticed then,
            # and not after CloudFormation's hour.
            service_timeout=HANDLER_TIMEOUT.plus(Duration.minutes(1)),
        )
        self.resource.node.add_dependency(handler.permissions)

    @property
    def service_opt_in(self) -> str:
        """Whether AWS Backup protects DynamoDB here, as read back after the opt-in."""
        return self.resource.get_att_string("ServiceAfter")

    @property
    def management_preference(self) -> str:
        """Whether AWS Backup manages DynamoDB fully here, as read back after the opt-in."""
        return self.resource.get_att_string("ManagementAfter")
