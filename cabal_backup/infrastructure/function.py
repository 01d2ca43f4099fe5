"""A handler of ours as a Lambda function, with the log group and the role it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
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
        environment: Mapping[str, str] | None = None,
        dead_letters: sns.ITopic | None = None,
    ) -> None:
        """
        :param module: the module's name; its function `handler` is called.
        :param description: what it does, as the Lambda console shows it.
        :param timeout: the longest one invocation may take, at most 15 minutes.
        :param statements: what it may do beside logging.
        :param environment: its environment variables, none of them a secret. Default: none.
        :param dead_letters: where an event goes that it failed on three times; for functions
            that are invoked asynchronously. Default: nowhere.
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
                *(
                    [
                        iam.PolicyStatement(
                            actions=["sns:Publish"], resources=[dead_letters.topic_arn]
                        )
                    ]
                    if dead_letters
                    else []
                ),
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
            # Its policy is the managed one above; CDK would write an inline one beside it.
            role=role.without_policy_updates(),
            log_group=log_group,
            memory_size=256,
            timeout=timeout,
            environment=dict(environment) if environment else None,
            dead_letter_topic=dead_letters,
        )
        if dead_letters:
            # Lambda refuses a function whose role may not publish its dead letters yet.
            self.function.node.add_dependency(self.permissions)
        _acknowledge_log_group(log_group)
        _acknowledge_function(self.function)
        if environment:
            acknowledge(
                self.function,
                reason="Its environment variables are names and numbers, nothing secret, and "
                "Lambda encrypts them with a key of its own.",
                rules=["CKV_AWS_173"],
            )


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
        reason="It runs a few times a day at most and cannot be driven by outsiders, so it can "
        "starve nothing. Reserving concurrency would fail the deployment in an account with the "
        "initial quota of 10, of which none may be reserved.",
        rules=[
            "HIPAA.Security-LambdaConcurrency",
            "NIST.800.53.R5-LambdaConcurrency",
            "CKV_AWS_115",
        ],
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
