"""An operator who restores mail, and the mail host."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.operator import Operator, Said, SandboxClock
from tests.sandbox.deployment import PROJECT, Deployment


class Postmaster:
    """Types the commands about mail; runs on the mail host what is to be run there."""

    def __init__(self, operator: Operator, scratch: Path) -> None:
        self.operator = operator
        self.sandbox = operator.sandbox
        self.cabal = operator.deployment.cabal
        self._scratch = scratch

    @property
    def mount(self) -> Path:
        """Where the mail host has the mailstore."""
        return self.cabal.file_system_root

    def let_owners_in(self) -> None:
        """Let the users get to their mail: tests keep their files from everybody else."""
        for above in [self.mount, *self.mount.parents]:
            if above.is_relative_to(self.sandbox.data):
                above.chmod(above.stat().st_mode | 0o011)

    def run(self, command: str, *arguments: str, **settings: object) -> Said:
        """`cabal-backup COMMAND ARGUMENTS`, with the options of the environment at the end."""
        return self.operator.type(*command.split(), *arguments, *self.environment(**settings))

    def environment(self, **settings: object) -> list[str]:
        deployment = self.operator.deployment
        named = ["--project", str(PROJECT), "-e", deployment.environment]
        return [*named, *deployment.context_arguments(**settings)]

    def on_the_host(self, command: str, mount: Path) -> subprocess.CompletedProcess[str]:
        """A command with the file that `mailbox script` prints, and a terminal that confirms it."""
        script = self._scratch / "mail_host.py"
        printed = self.operator.type("mailbox", "script")
        assert printed.code == 0
        script.write_text(printed.out)
        return subprocess.run(
            [sys.executable, "-I", str(script), *command.split(), "--mount", str(mount)],
            cwd=self._scratch,
            input="yes\n",
            capture_output=True,
            text=True,
            check=False,
        )

    def changes(self) -> list[str]:
        """Every call so far that was to change something, from CloudTrail."""
        pages = (
            self.sandbox.client("cloudtrail")
            .get_paginator("lookup_events")
            .paginate(LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}])
        )
        return [event["EventName"] for page in pages for event in page["Events"]]

    def restore_jobs(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.sandbox.client("backup").list_restore_jobs()[
            "RestoreJobs"
        ]
        return listed

    @contextmanager
    def nothing_changes(self) -> Iterator[None]:
        """Not a single call that changes anything is made meanwhile."""
        before = self.changes(), sorted(self.mount.iterdir())
        yield
        assert (self.changes(), sorted(self.mount.iterdir())) == before


class Interrupting(SandboxClock):
    """Ctrl-C at the first wait."""

    def sleep(self, seconds: float) -> None:  # noqa: ARG002 (as the clock has it)
        raise KeyboardInterrupt


@pytest.fixture(scope="session")
def first_night(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """The deployment after its first night, and the checkpoint right after."""
    deployment, checkpoint = first_deployment
    deployment.sandbox.rollback(checkpoint)
    deployment.sandbox.run_nights(1)
    return deployment, deployment.sandbox.checkpoint()


@pytest.fixture
def postmaster(
    first_night: tuple[Deployment, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Postmaster:
    """In front of a deployment that is one night old."""
    deployment, checkpoint = first_night
    deployment.sandbox.rollback(checkpoint)
    return Postmaster(Operator(deployment, monkeypatch, capsys), tmp_path)


def newest_mailstore_point(sandbox: Sandbox) -> str:
    points = sandbox.client("backup").list_recovery_points_by_backup_vault(
        BackupVaultName="cabal-backup", ByResourceType="EFS"
    )["RecoveryPoints"]
    return str(max(points, key=lambda point: point["CreationDate"])["RecoveryPointArn"])
