"""The application itself, deployed to a sandbox by the real CDK CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError
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
        with self._late_iam():
            return self.cdk(
                "deploy",
                f"{self.environment}/*",
                "--require-approval",
                "never",
                *arguments,
                **settings,
            )

    def deploy_assembly(self, **settings: object) -> None:
        """Deploy both stacks through the API, where the CDK CLI is not what a test is about.

        The CLI takes two seconds of CPU for the same assets, templates and protection. It also
        assumes the roles of the bootstrap, which the calls made here do not.

        Raises:
            DeploymentFailed: a stack was rolled back; the message has the reasons.
        """
        assert self.synthesize is not None
        assembly = self.synthesize({"environment": self.environment, **self._with(settings)})
        stage = assembly / f"assembly-{self.environment}"
        artifacts = json.loads((stage / "manifest.json").read_text("utf-8"))["artifacts"]
        needs = {name: artifact.get("dependencies", ()) for name, artifact in artifacts.items()}
        with self._late_iam():
            for name in TopologicalSorter(needs).static_order():
                if artifacts[name]["type"] == "cdk:asset-manifest":
                    _publish(self.sandbox, stage / artifacts[name]["properties"]["file"])
                elif artifacts[name]["type"] == "aws:cloudformation:stack":
                    _change_stack(self.sandbox, artifacts[name])

    @contextmanager
    def _late_iam(self) -> Iterator[None]:
        before = self.sandbox.settings()["iam_propagation"]
        self.sandbox.settings(iam_propagation=before or IAM_PROPAGATION_SECONDS)
        try:
            yield
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


def _publish(sandbox: Sandbox, manifest: Path) -> None:
    """Upload the assets that the bucket of the bootstrap does not have yet."""
    for asset in json.loads(manifest.read_text("utf-8"))["files"].values():
        (to,) = asset["destinations"].values()
        s3 = sandbox.client("s3", to["region"])
        if s3.list_objects_v2(Bucket=to["bucketName"], Prefix=to["objectKey"])["KeyCount"]:
            continue
        source = manifest.parent / asset["source"]["path"]
        with tempfile.TemporaryDirectory(prefix="cabal-asset-") as folder:
            if asset["source"]["packaging"] == "zip":
                source = Path(shutil.make_archive(f"{folder}/asset", "zip", source))
            s3.put_object(Bucket=to["bucketName"], Key=to["objectKey"], Body=source.read_bytes())


def _change_stack(sandbox: Sandbox, artifact: Mapping[str, Any]) -> None:
    """Create or update a stack, and wait until it has ended. Without any change, it is kept."""
    properties = artifact["properties"]
    name, template = properties["stackName"], properties["stackTemplateAssetObjectUrl"]
    client = sandbox.client("cloudformation", artifact["environment"].rpartition("/")[2])
    request = {
        "StackName": name,
        "TemplateURL": template.replace("s3:/", sandbox.endpoint),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    protected = {"EnableTerminationProtection": properties["terminationProtection"]}
    try:
        client.create_stack(**request, **protected)
        waiter = client.get_waiter("stack_create_complete")
    except client.exceptions.AlreadyExistsException:
        client.update_termination_protection(StackName=name, **protected)
        try:
            client.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return
        waiter = client.get_waiter("stack_update_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
    except WaiterError as error:
        events = client.describe_stack_events(StackName=name)["StackEvents"]
        failed = [each for each in events if each["ResourceStatus"].endswith("FAILED")]
        reasons = [each.get("ResourceStatusReason", "") for each in failed]
        raise DeploymentFailed("\n".join([str(error), *reasons])) from error


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
