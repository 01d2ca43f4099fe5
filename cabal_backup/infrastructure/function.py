"""One of our functions in Lambda, with the log group and the role it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Aws, Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cabal_backup.infrastructure.grant import Grant, acknowledge, managed_policy

_PACKAGE = Path(__file__).parent.parent

_CONCURRENCY = (
    "It runs a few times a day at most, and only this account can start it, so it cannot use up "
    "the account's concurrency. Reserved concurrency would fail the deployment in an account with "
    "the initial quota of 10, of which none can be reserved."
)
_NETWORK = (
    "It calls only public AWS endpoints, over TLS. In a VPC it would depend on the NAT gateway or "
    "the VPC endpoints of that VPC, and could reach the hosts in it."
)
_NO_SECRETS = (
    "Its environment variables are names and numbers, nothing secret, and Lambda encrypts them "
    "with a key of its own."
)
_LOG = (
    "CloudWatch Logs encrypts every log group with keys of its own. What is logged here is the "
    "course of a handler, never a secret, a mail or an address; a customer key would add a key "
    "that can be lost, and protect nothing more."
)


class HandlerFunction(Construct):
    """One folder of `cabal_backup.functions` on the newest Python runtime, on arm64.

    It logs to a group of its own, kept for a year, and may do nothing but that and
    what it is given here. What invokes it should depend on `permissions`, so that
    they are created first.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        module: str,
        description: str,
        grants: Sequence[Grant],
        dead_letters: sns.ITopic | sqs.Queue | str,
        timeout: Duration | None = None,
        environment: Mapping[str, str] | None = None,
        function_name: str | None = None,
        packaged: Sequence[str] = (),
        memory_mb: int = 256,
    ) -> None:
        """
        :param module: the folder's name; its function `handler` is called.
        :param description: what it does, as the Lambda console shows it.
        :param grants: what it may do beside logging.
        :param dead_letters: where an event goes that it failed on three times, if it is invoked
            asynchronously; or why no event can get lost.
        :param timeout: of one invocation. Default: 15 minutes, the most that Lambda grants.
        :param environment: its environment variables, none of them a secret. Default: none.
        :param function_name: its name. Default: one that CloudFormation makes up.
        :param packaged: what else of `cabal_backup` it imports: paths of modules and folders.
        :param memory_mb: its memory, in MiB; Lambda gives CPU time in proportion.
        """
        super().__init__(scope, id)
        if not (_PACKAGE / "functions" / module / "__init__.py").is_file():
            raise ValueError(f"module must be a folder of cabal_backup.functions, got {module!r}")
        queue = dead_letters if isinstance(dead_letters, sqs.Queue) else None
        topic = None if isinstance(dead_letters, str | sqs.Queue) else dead_letters
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            description=f"Permissions of: {description}",
            # https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html
            assumed_by=iam.ServicePrincipal(
                "lambda.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            ),
        )
        self.permissions = managed_policy(
            self,
            "Policy",
            [
                Grant("logs: CreateLogStream PutLogEvents", [log_group.log_group_arn]),
                *grants,
                Grant("sns: Publish", [topic.topic_arn] if topic else ()),
                Grant("sqs: SendMessage", [queue.queue_arn] if queue else ()),
            ],
            description=f"Permissions of: {description}",
            role=self.role,
        )
        self.function: lambda_.IFunction = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            function_name=function_name,
            code=_code([f"functions/{module}", "names.py", *packaged]),
            handler=f"cabal_backup.functions.{module}.handler",
            # Its policy is the managed one above; CDK would write an inline one beside it.
            role=self.role.without_policy_updates(),
            log_group=log_group,
            memory_size=memory_mb,
            timeout=timeout or Duration.minutes(15),
            environment=environment,
            dead_letter_queue=queue,
            dead_letter_topic=topic,
        )
        acknowledge(log_group, _LOG, "NIST.800.53.R5-CloudWatchLogGroupEncrypted", "CKV_AWS_158")
        acknowledge(self.function, _CONCURRENCY, "NIST.800.53.R5-LambdaConcurrency", "CKV_AWS_115")
        acknowledge(self.function, _NETWORK, "NIST.800.53.R5-LambdaInsideVPC", "CKV_AWS_117")
        if isinstance(dead_letters, str):
            acknowledge(self.function, dead_letters, "NIST.800.53.R5-LambdaDLQ", "CKV_AWS_116")
        else:
            # Lambda refuses a function whose role may not publish its dead letters yet.
            self.function.node.add_dependency(self.permissions)
        if environment:
            acknowledge(self.function, _NO_SECRETS, "CKV_AWS_173")


def _code(paths: Sequence[str]) -> lambda_.AssetCode:
    """These modules and folders of `cabal_backup`, below a package of the same name."""
    kept: dict[str, set[str]] = {"": {_PACKAGE.name}}
    for path in paths:
        parts = f"{_PACKAGE.name}/{path}".split("/")
        for depth in range(1, len(parts)):
            kept.setdefault("/".join(parts[:depth]), {"__init__.py"}).add(parts[depth])
    exclude = [
        rule
        for folder, names in kept.items()
        for rule in (f"{folder}/*", *(f"!{folder}/{name}" for name in sorted(names)))
    ]
    return lambda_.Code.from_asset(
        str(_PACKAGE.parent),
        exclude=[*exclude, "__pycache__", "*.pyc"],
        ignore_mode=IgnoreMode.GIT,
    )
