"""Changes of the role, which are seen in one region of the partition only."""

from __future__ import annotations

from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.environment import Environment

CHANGES = events.EventPattern(
    source=["aws.iam"],
    detail_type=["AWS API Call via CloudTrail"],
    detail={
        "eventSource": ["iam.amazonaws.com"],
        "eventName": [
            "UpdateAssumeRolePolicy",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "PutRolePolicy",
            "DeleteRolePolicy",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "UpdateRole",
            "DeleteRole",
        ],
        "$or": [
            {"requestParameters": {"roleName": [names.ROLE]}},
            # What IAM refuses may be recorded without its parameters.
            {"errorMessage": [{"wildcard": f"*role {names.ROLE} *"}]},
        ],
    },
)
"""What may take from the role, or give it away. The role's creation is no change."""

DESCRIPTION = f"Changes of {names.ROLE}"


class RoleChangesStack(Stack):
    """Passes changes of the role on to the primary region.

    IAM is global, and its calls reach EventBridge in one region only. This stack is
    there where that is neither of the environment's two.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    """

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, **kwargs)
        bus_arn = self.format_arn(
            service="events",
            region=environment.region,
            resource="event-bus",
            resource_name="default",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        role = iam.Role(
            self,
            "Role",
            description=f"Passes changes of {names.ROLE} on to {environment.region}",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com"),
        )
        permissions = iam.ManagedPolicy(
            self,
            "Policy",
            description=f"Passes changes of {names.ROLE} on to {environment.region}",
            roles=[role],
            statements=[iam.PolicyStatement(actions=["events:PutEvents"], resources=[bus_arn])],
        )
        rule = events.Rule(
            self,
            "Changes",
            description=f"{DESCRIPTION}, passed on to {environment.region}",
            event_pattern=CHANGES,
            targets=[
                targets.EventBus(
                    events.EventBus.from_event_bus_arn(self, "Bus", bus_arn),
                    # Its policy is the managed one above; CDK would write an inline one beside it.
                    role=role.without_policy_updates(),
                )
            ],
        )
        rule.node.add_dependency(permissions)
