"""A handler of ours as a Lambda function, with the log group and the role it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cabal_backup.infrastructure.acknowledge import acknowledge

_HANDLERS = Path(__file__).parent.parent / "handlers"


class HandlerFunction(Construct):
    """One module of `cabal_backup.handlers` on the newest Python runtime, on arm64.

    It logs to a group of its own, kept for a year, and may do nothing but that and
    what it is given here. Whoever invokes it should depend on `permissions`, so that
    they are there first.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        module: str,
        description: str,
        timeout: Duration,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        """
        :param module: the module's name; its function `handler` is called.
        :param description: what it does, as the Lambda console shows it.
        :param timeout: the longest one invocation may take, at most 15 minutes.
        :param statements: what it may do beside logging.
        """
        super().__init__(scope, id)
        if not (_HANDLERS / f"{module}.py").is_file():
            raise ValueError(f"module must be a module of cabal_backup.handlers, got {module!r}")
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            description=f"Permissions of: {description}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        self.permissions = iam.ManagedPolicy(
            self,
            "Policy",
            description=f"Permissions of: {description}",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[log_group.log_group_arn],
                ),
                *statements,
            ],
        )
        self.function: lambda_.IFunction = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(
                str(_HANDLERS), exclude=["*", f"!{module}.py"], ignore_mode=IgnoreMode.GLOB
            ),
            handler=f"{module}.handler",
            role=role,
            log_group=log_group,
            memory_size=256,
            timeout=timeout,
        )
        _acknowledge_log_group(log_group)
        _acknowledge_function(self.function)


def _acknowledge_log_group(log_group: logs.LogGroup) -> None:
    acknowledge(
        log_group,
        reason="CloudWatch Logs encrypts every log group with keys of its own. What is logged "
        "here is the course of a handler, never a secret, a mail or an address; a customer key "
        "would add a key that can be lost, and protect nothing more.",
        rules=[
            "HIPAA.Security-CloudWatchLogGroupEncrypted",
            "NIST.800.53.R5-CloudWatchLogGroupEncrypted",
            "PCI.DSS.321-CloudWatchLogGroupEncrypted",
            "CKV_AWS_158",
        ],
    )


def _acknowledge_function(function: lambda_.IFunction) -> None:
    acknowledge(
        function,
        reason="It runs a few times a year and cannot be driven by outsiders, so it can starve "
        "nothing. Reserving concurrency would fail the deployment in an account with the "
        "initial quota of 10, of which none may be reserved.",
        rules=[
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
            "CKV_AWS_115",
        ],
    )
    acknowledge(
        function,
        reason="No event can get lost: CloudFormation waits for the answer to the one it sent, "
        "and fails the deployment with the reason when none comes.",
        rules=["HIPAA.Security-LambdaDLQ", "NIST.800.53.R5-LambdaDLQ", "CKV_AWS_116"],
    )
    acknowledge(
        function,
        reason="It talks to public AWS endpoints over TLS and to nothing inside a network. In a "
        "VPC it would need a way out again, for which Cabal's has no place, and would reach "
        "more than now.",
        rules=[
            "HIPAA.Security-LambdaInsideVPC",
            "NIST.800.53.R5-LambdaInsideVPC",
            "PCI.DSS.321-LambdaInsideVPC",
            "CKV_AWS_117",
        ],
    )
