"""A deployment on a sandbox where IAM decides, and people with the policies it made."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from local_aws.client import Sandbox
from local_aws.pytest_plugin import START

from tests.e2e.access.commands import USES, Role
from tests.e2e.access.people import Desk, Person, assume, mfa_code
from tests.e2e.assembly import synthesize_here
from tests.e2e.prepared import bootstrapped, prepare
from tests.e2e.shell import sections
from tests.sandbox import cabal
from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import PROJECT, Deployment, aws_cli

REGIONS = ("us-west-1", "us-west-2")
NIGHTS = 3
USER = "alice"
ACCESS = "docs/access.md"
SETTINGS = (("air_gapped", "true"), ("air_gapped_share_with", "210987654321"))
ATTACHING = ("Attach them", "A role for IAM users with MFA", "An IAM user of its own")
"""The sections of docs/access.md that give the policies to someone."""


@dataclass(frozen=True)
class Guarded:
    """`development` with its policies, three nights old, and a session of each role."""

    deployment: Deployment
    people: Mapping[Role, Person]
    checkpoint: str
    deploying: tuple[dict[str, Any], ...]
    """What IAM was asked while it was deployed."""

    @property
    def sandbox(self) -> Sandbox:
        return self.deployment.sandbox

    def rewound(self) -> Guarded:
        self.sandbox.rollback(self.checkpoint)
        return self


@dataclass(frozen=True)
class Used:
    """What a command asked IAM for while it did all it can."""

    role: Role
    asked: frozenset[tuple[str, str, bool]]
    failure: str
    """Why it did not do all it should; empty when it did."""

    @property
    def actions(self) -> set[str]:
        # GetCallerIdentity needs no permission.
        # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        return {action for action, _, _ in self.asked} - {"sts:GetCallerIdentity"}

    @property
    def denied(self) -> list[tuple[str, str]]:
        return sorted((action, where) for action, where, allowed in self.asked if not allowed)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One deployment for all, by the real CDK CLI through the roles of its bootstrap."""
    with Sandbox.start(start=START, auth=True) as sandbox:

        def deploy() -> tuple[Cabal, tuple[dict[str, Any], ...]]:
            sandbox.rollback(bootstrapped(sandbox, sandbox.checkpoint()))
            filled = cabal.fill(sandbox, addresses=60, users=2, messages_per_user=2)
            deployment = Deployment(sandbox, filled, synthesize=synthesize_here, settings=SETTINGS)
            sandbox.forget_decisions()
            deployment.deploy(access_policies="true", alerts="true")
            deploying = tuple(sandbox.decisions())
            blocks = [block for section in ATTACHING for block in sections(ACCESS)[section]]
            typed(sandbox, blocks, tmp_path_factory.mktemp("documented"))
            return filled, deploying

        made, checkpoint = prepare(sandbox, "guarded", deploy, (PROJECT / ACCESS).read_text())
        sandbox.rollback(checkpoint)
        filled, deploying = made
        deployment = Deployment(
            sandbox, filled.found_in(sandbox), synthesize=synthesize_here, settings=SETTINGS
        )
        people = _people(sandbox)
        sandbox.run_nights(NIGHTS)
        yield Guarded(deployment, people, sandbox.checkpoint(), deploying)


class AllUses:
    """What each command asks for, found out once."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded
        self._seen: dict[str, tuple[Used, ...]] = {}

    def of(self, command: str) -> tuple[Used, ...]:
        """The command is used in every way by a principal with its policy."""
        if command not in self._seen:
            self._seen[command] = tuple(
                _use(self._guarded.rewound(), use.role, use.work) for use in USES[command]
            )
        return self._seen[command]

    def actions(self, role: Role) -> set[str]:
        """All that one of the roles asks for."""
        return {
            action
            for command in USES
            for use in self.of(command)
            if use.role is role
            for action in use.actions
        }


@pytest.fixture(scope="session")
def used(guarded: Guarded) -> AllUses:
    return AllUses(guarded)


def _use(guarded: Guarded, role: Role, work: Any) -> Used:
    desk = Desk(guarded.deployment, guarded.people[role])
    guarded.sandbox.forget_decisions()
    failure = ""
    try:
        work(desk)
    except AssertionError as error:
        failure = str(error) or "AssertionError"
    return Used(role, frozenset(desk.person.asked()), failure)


def documented(sandbox: Sandbox, document: str, folder: Path) -> None:
    """Type all commands of a document, as its reader would."""
    blocks = [block for section in sections(document).values() for block in section]
    typed(sandbox, blocks, folder)


def typed(sandbox: Sandbox, blocks: Iterable[str], folder: Path) -> None:
    """Type commands as root, each block into a shell of its own."""
    path = os.pathsep.join([str(Path(aws_cli()).parent), os.environ["PATH"]])
    for block in blocks:
        subprocess.run(
            ["bash", "-euc", block],
            cwd=folder,
            env={**sandbox.environ(), "PATH": path},
            check=True,
            capture_output=True,
        )


def _people(sandbox: Sandbox) -> dict[Role, Person]:
    """A user with a device, who may assume the roles; the last one with a code."""
    iam = sandbox.client("iam")
    iam.create_user(UserName=USER)
    iam.put_user_policy(
        UserName=USER,
        PolicyName="roles",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        '"Action":"sts:AssumeRole","Resource":"arn:aws:iam::123456789012:role/cabal-*"}]}',
    )
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName=USER)["VirtualMFADevice"]
    seed = re.sub(r"\s", "", device["Base32StringSeed"].decode())
    iam.enable_mfa_device(
        UserName=USER,
        SerialNumber=device["SerialNumber"],
        AuthenticationCode1=mfa_code(seed),
        AuthenticationCode2=mfa_code(seed),
    )
    user = boto3.session.Session().client(
        "sts",
        region_name="us-west-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    given = {"SerialNumber": device["SerialNumber"], "TokenCode": mfa_code(seed)}
    return {
        role: assume(sandbox, role, user, **(given if role is Role.BREAK_GLASS else {}))
        for role in Role
    }
