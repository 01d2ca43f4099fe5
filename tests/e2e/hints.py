"""Every command that the tool prints for the operator to type is typed once, as it stands.

After a test, the hints of the last thing that it read are run, on the state in which the test
ends: what a finding names is then as the finding says. A command that changes something gets
--dry-run, and `aws` is the real one. Hints that differ in ids and numbers only are one.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.client import PRIMARY_REGION, Sandbox

from cabal_backup.cli.main import main
from cabal_backup.cli.parser import COMMANDS, CommandLineError, parse
from cabal_backup.errors import ExitCode
from tests.e2e.shell import HUNG_SECONDS
from tests.hints import printed_commands
from tests.sandbox.deployment import aws_cli

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

WRONG = {
    ExitCode.USAGE,
    ExitCode.NOT_FOUND,
    ExitCode.NO_RECOVERY_POINT,
    ExitCode.CONFIGURATION,
    ExitCode.INTERNAL,
}
"""How a command ends that cannot be typed as it stands, or names what does not exist."""

_AWS_USAGE = 252
"""https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-returncodes.html"""
_AWS_UNKNOWN = re.compile(r"NotFound|NoSuch|NonExistent|does not exist|cannot be found", re.I)
_IDS = re.compile(r"[0-9a-f-]*\d[0-9a-f-]*", re.I)
_SETTINGS = re.compile(r" (?:-c |--project=)(?:'[^']*'|\S+)")
_NO_HINT = re.compile(r"^usage: .*(?:\n +.*)*|^cabal-backup[\w -]*: ", re.M)
"""How an error begins: the usage of a command, and the name of the program."""


@dataclass
class Hints:
    """The hints of what was read last, and those that were typed already."""

    operator: Operator | None = None
    text: str = ""
    context: list[str] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """Note nothing: another test begins."""
        self.operator = None

    def read(self, operator: Operator, text: str, context: list[str]) -> None:
        """Note what an operator reads.

        :param context: the settings for its commands where it was written without knowing them.
        """
        self.operator, self.context = operator, context
        self.text = _NO_HINT.sub("", text)

    def type_new(self) -> list[str]:
        """Type those that were not typed before; what is wrong with them."""
        operator, self.operator = self.operator, None
        if operator is None:
            return []
        # A moment that was just noted can be restored to after five minutes.
        operator.sandbox.advance(minutes=10)
        wrong: list[str] = []
        earlier: list[list[str]] = []
        for command in printed_commands(self.text):
            if command.split()[0] not in COMMANDS:
                continue  # The primary vault has the name of the program.
            if any(f"{word} is being deleted." in self.text for word in command.split()):
                continue  # It was of use until the command deleted what it made.
            try:
                arguments = self._arguments(operator, command)
            except CommandLineError as error:
                wrong.append(f"{command}: {error}")
                continue
            if arguments is None:
                wrong.append(f"{command}: it does not name the environment")
                continue
            if self._is_new(command):
                wrong += _type(operator, arguments, earlier)
            earlier.append(arguments)
        for command in printed_commands(self.text, "aws"):
            if self._is_new(command):
                wrong += _type_aws(operator, command)
        return wrong

    def _is_new(self, command: str) -> bool:
        known = len(self.typed)
        self.typed.add(_IDS.sub("#", _SETTINGS.sub("", command)))
        return len(self.typed) > known

    def _arguments(self, operator: Operator, command: str) -> list[str] | None:
        """What is typed: the command with the context, and without a change; None for one that
        lacks its environment.
        """
        words = [word.replace("USER", "alice") for word in shlex.split(command)]
        options: Any = parse(words).options
        if hasattr(options, "dry_run"):
            words.append("--dry-run")
        if hasattr(options, "environment"):
            if options.environment is None:
                return None
            own, of = f"{operator.deployment.environment}.", f"{options.environment}."
            given = self.context
            if own != of:  # which has the same settings
                given = [*given, *(word for each in options.context for word in ("-c", each))]
            words += [re.sub(rf"^{re.escape(own)}", of, word) for word in given]
        return words


def _type(operator: Operator, arguments: list[str], earlier: list[list[str]]) -> list[str]:
    """Where it needs what an earlier command of the same text makes, or the first night, that
    comes first.
    """
    code, said = _run(operator, arguments)
    if code == ExitCode.NO_RECOVERY_POINT:
        operator.sandbox.run_nights(1)
        code, said = _run(operator, arguments)
    if code == ExitCode.NOT_FOUND:
        for each in earlier:
            if "--dry-run" in each:
                _run(operator, ["--yes" if word == "--dry-run" else word for word in each])
        code, said = _run(operator, arguments)
    return [f"{shlex.join(arguments)}: exit code {code}\n{said}"] if code in WRONG else []


def _run(operator: Operator, arguments: list[str]) -> tuple[int, str]:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(arguments, clock=operator.clock)
    return code, said.getvalue()


def _type_aws(operator: Operator, command: str) -> list[str]:
    """With the real CLI, in a shell, as a person does."""
    folder = Path(aws_cli()).parent
    ended = subprocess.run(
        ["bash", "-c", f"aws {_filled_in(operator.sandbox, command)}"],
        env={**operator.sandbox.environ(), "PATH": f"{folder}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
    )
    unknown = ended.returncode and _AWS_UNKNOWN.search(ended.stderr)
    if ended.returncode == _AWS_USAGE or unknown:
        return [f"{command}: exit code {ended.returncode}\n{ended.stderr}"]
    return []


def _filled_in(sandbox: Sandbox, command: str) -> str:
    """The command with what only the operator can choose in the place of its words in capitals."""
    ec2 = sandbox.client("ec2")
    chosen: dict[str, Callable[[], str]] = {
        "NAME": lambda: "trail",
        "ADDRESS": lambda: "operator@example.com",
        "BUCKET": lambda: _bucket(sandbox),
        "SUBNET": lambda: str(ec2.describe_subnets()["Subnets"][0]["SubnetId"]),
        "GROUP": lambda: str(ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]),
    }
    return re.sub(rf"\b({'|'.join(chosen)})\b", lambda word: chosen[word[0]](), command)


def _bucket(sandbox: Sandbox) -> str:
    place = {"LocationConstraint": PRIMARY_REGION}
    sandbox.client("s3").create_bucket(Bucket="trails", CreateBucketConfiguration=place)
    return "trails"


HINTS = Hints()
