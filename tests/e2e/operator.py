"""An operator at a terminal: runs `cabal-backup` in this process, on the sandbox's time."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from itertools import pairwise, takewhile
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from local_aws.client import Sandbox

from cabal_backup import names
from cabal_backup.cli.main import main
from cabal_backup.config.environment import Environment, dump
from cabal_backup.config.project import find_project, read_environment
from cabal_backup.errors import UnreachableError
from cabal_backup.functions import watch
from cabal_backup.operations.aws import client
from cabal_backup.operations.aws.client import Aws, connect, in_words, make_session
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.drill_reports import read_reports
from cabal_backup.operations.status.findings import Finding
from cabal_backup.operations.status.read_state import read_state
from tests.e2e.exercise import write_reports
from tests.e2e.hints import HINTS
from tests.sandbox.deployment import PROJECT, Deployment


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """What a person reads, whatever the width of the terminal."""
        return " ".join(self.out.split())


class SandboxClock:
    """The sandbox's time; waiting lets it pass."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._sandbox.now()

    def sleep(self, seconds: float) -> None:
        """The second wait of the same length takes twice as long, as on a busy machine, and so on:
        what lasts for hours is not asked about every half minute.
        """
        self.slept.append(seconds)
        in_a_row = sum(1 for _ in takewhile(seconds.__eq__, reversed(self.slept)))
        self._sandbox.advance(seconds=seconds * in_a_row)


class Operator:
    """Runs commands on one deployment, with its account's credentials in the environment."""

    def __init__(
        self,
        deployment: Deployment,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.deployment = deployment
        self.sandbox = deployment.sandbox
        self.clock = SandboxClock(self.sandbox)
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        for name in [*os.environ]:
            if name.startswith("AWS_") or name == "CABAL_ENVIRONMENT":
                monkeypatch.delenv(name)
        for name, value in self.sandbox.aws_variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(client, "make_session", self._session)
        self.drills = self.sandbox.data / "drills"
        monkeypatch.setenv("CABAL_DRILLS", str(self.drills))
        write_reports(self.drills, deployment.environment, self.sandbox.now())

    def run(self, command: str, *arguments: str, **settings: object) -> Said:
        """`cabal-backup COMMAND -e development … ARGUMENTS`.

        :param settings: of the environment, on top of those it was deployed with.
        """
        return self.type(
            command,
            "--project",
            str(PROJECT),
            "-e",
            self.deployment.environment,
            *self.deployment.context_arguments(**settings),
            *arguments,
        )

    @property
    def options(self) -> str:
        """Those of `run`, as a command that is advised has them."""
        return self.options_with()

    def options_with(self, **settings: object) -> str:
        """The same with these settings."""
        given = self.deployment.context_arguments(**settings)
        return shlex.join(["-e", self.deployment.environment, *given, f"--project={PROJECT}"])

    def type(self, *arguments: str) -> Said:
        """Exactly these arguments."""
        self._capsys.readouterr()
        code = main(arguments, clock=self.clock)
        out, err = self._capsys.readouterr()
        # The deployed watch, whose findings it shows, does not know how the operator was called.
        context = _context(arguments) if arguments[:1] == ("watch",) else []
        HINTS.read(self, f"{out}\n{err}", context)
        return Said(code, out, err)

    def not_ok(self, *, at: datetime | None = None) -> dict[str, str]:
        """The checks of `status` that are neither ok nor off, and what they are instead.

        The watch, whose clock is AWS's, finds the same, word for word.

        :param at: what the machine's clock says; the sandbox's time when left out.

        Without the command line, and over one connection that all tests share: making
        clients anew takes longer than looking.
        """
        findings = self._findings(at)
        wrong = [each for each in findings if each.status not in ("ok", "off")]
        texts = ["\n".join([each.evidence, each.hint, *each.details]) for each in wrong]
        context = ["--project", str(PROJECT), *self.deployment.context_arguments()]
        HINTS.read(self, "\n".join(texts), context)
        if at is None:
            # They look one after the other, and a minute may have passed in between.
            for _ in range(3):
                watched = self.watch_finds()
                if watched == (expected := _by_the_watch(findings)):
                    break
                findings = self._findings(at)
            assert watched == expected, (watched, expected)
        return {each.check: str(each.status) for each in wrong}

    def _findings(self, at: datetime | None) -> Sequence[Finding]:
        aws = self._connected(self._environment())
        state = read_state(aws, at or self.clock.now(), drills=read_reports(self.drills))
        return run_checks(state, CHECKS).findings

    def watch_finds(self) -> list[tuple[str, str, str, str, list[str]]]:
        """What the watch finds when its code runs here: in the DR region where the primary one
        does not answer.
        """
        environment = self._environment()
        try:
            return self._watch_finds(environment.region)
        except (BotoCoreError, ClientError) as error:
            if not isinstance(in_words(error, "reading the record"), UnreachableError):
                raise
        return self._watch_finds(environment.dr_region)

    def _watch_finds(self, region: str) -> list[tuple[str, str, str, str, list[str]]]:
        with self._monkeypatch.context() as patched:
            patched.setenv("AWS_REGION", region)
            for name, value in self._watch_variables(region).items():
                patched.setenv(name, value)
            patched.setattr(watch, "connect", self._connected)
            # The receiver is not the test's.
            patched.setattr(watch, "call_heartbeat", lambda _aws: False)
            found: Any = watch.handler({}, None)
        return [
            (each["check"], each["status"], each["evidence"], each["hint"], each["details"])
            for each in found["findings"]
        ]

    def _watch_variables(self, region: str) -> Mapping[str, str]:
        """Those of the deployed function; without one, those that it would have."""
        aws = self._connected(self._environment())
        deployed = unless_missing(
            lambda: aws.client("lambda", region).get_function_configuration(
                FunctionName=names.WATCH
            ),
            "ResourceNotFoundException",
        )
        if deployed:
            variables: Mapping[str, str] = deployed["Environment"]["Variables"]
            return variables
        topic = aws.client("sns", region).create_topic(Name=names.TOPIC)
        return {"ENVIRONMENT": dump(aws.environment), "TOPIC_ARN": topic["TopicArn"]}

    def _session(self, profile: str | None = None) -> boto3.Session:
        """The session of a command: shared with those that have the same variables, unless there
        are faults that let it retry, since a client has fewer retries left after each.
        """
        faults = self.sandbox.faults.describe()
        if any(faults[name] for name in ("throttle", "lost_regions", "services")):
            return make_session(profile)
        variables = {**os.environ, "PYTEST_CURRENT_TEST": ""}
        return _shared_session(os.getpid(), profile, frozenset(variables.items()))

    def _environment(self) -> Environment:
        return _environment(self.deployment)

    def _connected(self, environment: Environment) -> Aws:
        return _connected(self.sandbox.endpoint, environment)


def _context(arguments: Sequence[str]) -> list[str]:
    """The project and the settings that a command was given."""
    given = [pair for pair in pairwise(arguments) if pair[0] in ("-c", "--project")]
    return [word for pair in given for word in pair]


def _by_the_watch(findings: Sequence[Finding]) -> list[tuple[str, str, str, str, list[str]]]:
    return [
        (each.check, str(each.status), each.evidence, each.hint, list(each.details))
        for each in findings
        if each.check not in watch.SKIPPED
    ]


@cache
def _environment(deployment: Deployment) -> Environment:
    overrides = [f"{key}={value}" for key, value in deployment.context.items()]
    return read_environment(find_project(PROJECT), deployment.environment, overrides)


@lru_cache(maxsize=8)
def _shared_session(
    _process: int, profile: str | None, _variables: Set[tuple[str, str]]
) -> boto3.Session:
    """A session that makes each client once: twenty of them take a command 0.1 s of CPU.

    A copy of this process has its own, because both would write into the same connections.
    """
    session = make_session(profile)
    make: Any = session.client
    made: dict[tuple[str, str, str], object] = {}

    def client(service: str, *, region_name: str, config: Config | None = None) -> object:
        key = service, region_name, str(config and vars(config))
        if key not in made:
            made[key] = make(service, region_name=region_name, config=config)
        return made[key]

    vars(session)["client"] = client
    return session


@cache
def _connected(_endpoint: str, environment: Environment) -> Aws:
    return connect(environment)
