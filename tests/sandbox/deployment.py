"""The application itself, deployed to a sandbox by the real CDK CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_aws.client import ACCOUNT, PRIMARY_REGION, Sandbox

from tests.sandbox.cabal import Cabal

PROJECT = Path(__file__).parents[2]
"""The repository: where cdk.json is."""

DR_REGION = "us-west-2"

IAM_PROPAGATION_SECONDS = 1.0
"""How late AWS Backup sees changes of roles during a deployment, in the sandbox's time."""

_LISTENERS = ("alerts", "restore_testing", "access_policies")
"""Settings that are off unless a test is about them.

What listens to a night is woken by each of its jobs: a year of nights would take minutes.
"""


class DeploymentFailed(RuntimeError):
    """The CDK CLI ended with another exit code than 0; the message has what it said."""


@dataclass(frozen=True)
class Deployment:
    """One environment of the application, pointed at a Cabal in a sandbox."""

    sandbox: Sandbox
    cabal: Cabal
    environment: str = "development"
    synthesize: Callable[[Mapping[str, str]], Path] | None = None
    """From context to a cloud assembly, in place of a process that runs app.py for each command."""
    whole: bool = False
    """With the defaults of every setting: alerts, restore testing, policies."""
    settings: tuple[tuple[str, str], ...] = ()
    """Further settings of the environment."""

    @property
    def context(self) -> Mapping[str, str]:
        """The settings that the repository does not hold."""
        quiet = {} if self.whole else {f"{self.environment}.{name}": "false" for name in _LISTENERS}
        return {
            **quiet,
            f"{self.environment}.backup": "true",
            f"{self.environment}.account": ACCOUNT,
            f"{self.environment}.mailstore_file_system_id": self.cabal.file_system_id,
            **{f"{self.environment}.{name}": value for name, value in self.settings},
        }

    def context_arguments(self, **settings: object) -> list[str]:
        """As `-c` arguments for `cdk` and `cabal-backup`; `settings` have precedence."""
        pairs = self._with(settings).items()
        return [part for key, value in pairs for part in ("-c", f"{key}={value}")]

    def _with(self, settings: Mapping[str, object]) -> dict[str, str]:
        more = {f"{self.environment}.{name}": str(value) for name, value in settings.items()}
        return {**self.context, **more}

    def deploy(self, *arguments: str, **settings: object) -> str:
        """Deploy both stacks, with IAM as late as on AWS; what the CLI said."""
        before = self.sandbox.settings()["iam_propagation"]
        self.sandbox.settings(iam_propagation=before or IAM_PROPAGATION_SECONDS)
        try:
            return self.cdk(
                "deploy",
                f"{self.environment}/*",
                "--require-approval",
                "never",
                *arguments,
                **settings,
            )
        finally:
            self.sandbox.settings(iam_propagation=before)

    def diff(self, **settings: object) -> str:
        """What a deployment would change, as the CLI says it."""
        return self.cdk("diff", f"{self.environment}/*", **settings)

    def cdk(self, command: str, *arguments: str, **settings: object) -> str:
        """Any command of the CLI on the application; DeploymentFailed when it fails."""
        if self.synthesize is not None:
            context = {"environment": self.environment, **self._with(settings)}
            assembly = self.synthesize(context)
            return _run(self.sandbox, [command, *arguments, "--app", str(assembly)], cwd=PROJECT)
        with tempfile.TemporaryDirectory(prefix="cabal-cdk-out-") as output:
            return _run(
                self.sandbox,
                [
                    command,
                    *arguments,
                    "-c",
                    f"environment={self.environment}",
                    *self.context_arguments(**settings),
                    "--output",
                    output,
                ],
                cwd=PROJECT,
            )


def bootstrap_regions(sandbox: Sandbox) -> None:
    """Prepare both regions for deployments, as every account is once."""
    # In a folder without an application: bootstrapping needs none, and synthesizes none.
    with tempfile.TemporaryDirectory() as elsewhere:
        targets = [f"aws://{ACCOUNT}/{region}" for region in (PRIMARY_REGION, DR_REGION)]
        _run(sandbox, ["bootstrap", *targets], cwd=Path(elsewhere))


def _run(sandbox: Sandbox, arguments: Sequence[str], *, cwd: Path) -> str:
    ended = subprocess.run(
        [cdk_cli(), *arguments, "--no-color", "--no-notices"],
        cwd=cwd,
        env=sandbox.environ(),
        capture_output=True,
        text=True,
    )
    said = ended.stdout + ended.stderr
    if ended.returncode:
        raise DeploymentFailed(f"cdk {' '.join(arguments)} ended {ended.returncode}:\n{said}")
    return said


def cdk_cli() -> str:
    """The pinned CDK CLI, on PATH when run by make, else where `make setup` installs it."""
    installed = PROJECT / "node_modules" / ".bin" / "cdk"
    return shutil.which("cdk") or str(installed)


def aws_cli() -> str:
    """The aws CLI of `.venv-awscli`, or the one that CABAL_AWS_CLI names."""
    return os.environ.get("CABAL_AWS_CLI") or str(PROJECT / ".venv-awscli" / "bin" / "aws")
