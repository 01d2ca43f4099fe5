"""A principal with exactly one of the policies, at a terminal and with boto3."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from local_aws.client import ACCOUNT, PRIMARY_REGION, Sandbox
from local_aws.totp import code

from cabal_backup.cli.main import main
from tests.e2e.operator import Said, SandboxClock
from tests.sandbox.deployment import PROJECT, Deployment


@dataclass(frozen=True)
class Person:
    """A session of a role, or a user, with its credentials."""

    name: str
    sandbox: Sandbox
    credentials: Mapping[str, str]

    def client(self, service: str, region: str = PRIMARY_REGION) -> Any:
        """Shared by everybody who asks for the same: making one takes longer than calling it."""
        return _client(
            self.sandbox.endpoint,
            service,
            region,
            self.credentials["AccessKeyId"],
            self.credentials["SecretAccessKey"],
            self.credentials.get("SessionToken"),
        )

    def variables(self) -> dict[str, str]:
        """What turns AWS tools to the sandbox, as this person."""
        return {
            **self.sandbox.aws_variables(),
            "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.credentials.get("SessionToken", ""),
        }

    def asked(self) -> Iterator[tuple[str, str, bool]]:
        """What IAM was asked about this person: action, resource, whether it was allowed."""
        for each in self.sandbox.decisions():
            if f":assumed-role/{self.name}/" in each["principal"]:
                yield each["action"], each["resource"], each["allowed"]


@cache
def _client(
    endpoint: str, service: str, region: str, key: str, secret: str, token: str | None
) -> Any:
    session: Any = boto3.session.Session()
    return session.client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


class Desk:
    """One person in front of a deployment, and root beside, who breaks things beforehand."""

    def __init__(self, deployment: Deployment, person: Person) -> None:
        self.deployment = deployment
        self.sandbox = deployment.sandbox
        self.person = person

    def root(self, service: str, region: str = PRIMARY_REGION) -> Any:
        return self.sandbox.client(service, region)

    def run(self, command: str, **settings: object) -> Said:
        """`cabal-backup COMMAND`, with the options of the environment at the end.

        :param settings: of the environment, on top of those it was deployed with.
        """
        arguments = [*command.split(), "--project", str(PROJECT), "-e", "development"]
        out, err = io.StringIO(), io.StringIO()
        with self._environment(), redirect_stdout(out), redirect_stderr(err):
            code = main(
                [*arguments, *self.deployment.context_arguments(**settings)],
                clock=SandboxClock(self.sandbox),
            )
        return Said(code, out.getvalue(), err.getvalue())

    @contextmanager
    def _environment(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.person.variables().items():
                patch.setenv(name, value)
            yield


def assume(sandbox: Sandbox, role: str, user: Any, **mfa: str) -> Person:
    """The role, assumed by a user's own STS client; `mfa`: SerialNumber and TokenCode."""
    credentials = user.assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="alice", **mfa
    )["Credentials"]
    return Person(role, sandbox, credentials)


def mfa_code(seed: str) -> str:
    """What the device shows now; STS lives in the machine's time."""
    return code(seed, time.time())
