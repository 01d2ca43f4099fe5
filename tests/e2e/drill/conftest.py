"""An operator who drills, and everything a drill may leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.exercise import catch_up
from tests.e2e.mail.test_restore_mailbox import files
from tests.e2e.operator import Operator, Said
from tests.e2e.prepared import prepare
from tests.e2e.tables.tables import ADDRESSES, items
from tests.sandbox.deployment import PROJECT, Deployment

USER = "alice"


class Driller:
    """Types the command; reads the reports; looks for what is left."""

    def __init__(self, operator: Operator, folder: Path) -> None:
        self.operator = operator
        self.sandbox = operator.sandbox
        self.folder = folder
        self.mount = operator.deployment.cabal.file_system_root

    def drill(self, which: str, *arguments: str, **settings: object) -> Said:
        """`cabal-backup drill WHICH --yes …`."""
        return self.operator.type(*self.command(which, *arguments, "--yes", **settings))

    def command(self, which: str, *arguments: str, **settings: object) -> list[str]:
        """What is typed after `cabal-backup`."""
        deployment = self.operator.deployment
        return [
            "drill",
            *(which, "--project", str(PROJECT), "-e", deployment.environment),
            *("--report-dir", str(self.folder)),
            *deployment.context_arguments(**settings),
            *arguments,
        ]

    def drill_mailbox(self, *arguments: str, user: str = USER) -> Said:
        """`cabal-backup drill mailbox --user alice …`."""
        return self.drill("mailbox", "--user", user, *arguments)

    def drill_on_the_host(self, *arguments: str, user: str = USER) -> Said:
        """The same where the mailstore is mounted."""
        return self.drill_mailbox("--mount", str(self.mount), *arguments, user=user)

    @property
    def reports(self) -> list[Any]:
        """What the JSON reports say, in the order of their names."""
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob("*.json"))]

    @property
    def report(self) -> Any:
        """What the only report says."""
        (only,) = self.reports
        return only

    def data(self) -> Any:
        """Everything Cabal lives from: the addresses, and every file of its mailstore."""
        mail = {
            name: seen
            for name, seen in files(self.mount).items()
            if not name.startswith(("aws-backup-", "cabal-drill-"))
        }
        return items(self.sandbox, ADDRESSES), mail

    @contextmanager
    def live_data_stays(self) -> Iterator[None]:
        before = self.data()
        yield
        assert self.data() == before


def left(sandbox: Sandbox) -> list[str]:
    """Everything of a drill that is there, and every restore that is still making something."""
    tables = sandbox.client("dynamodb").list_tables()["TableNames"]
    systems = sandbox.client("efs").describe_file_systems()["FileSystems"]
    jobs = sandbox.client("backup").list_restore_jobs()["RestoreJobs"]
    return [
        *(name for name in tables if "drill" in name),
        *(fs["CreationToken"] for fs in systems if "drill" in fs["CreationToken"]),
        *(path.name for fs in systems for path in _strange(sandbox, fs["FileSystemId"])),
        *(job["RestoreJobId"] for job in jobs if job["Status"] in ("PENDING", "RUNNING")),
    ]


def _strange(sandbox: Sandbox, file_system_id: str) -> list[Path]:
    """Directories at the root of a file system that are no user's home."""
    entries = sandbox.efs_directory(file_system_id).iterdir()
    return sorted(path for path in entries if path.name.startswith(("aws-backup-", "cabal-")))


QUICK = {
    "dynamodb_copy": 2,
    "dynamodb_restore": 2,
    "efs_restore": 2,
    "copy_start_delay": 0,
    "restore_start_delay": 0,
}
"""Settings of the sandbox, in seconds: for processes of their own, on the machine's time."""


@pytest.fixture(scope="session")
def first_present(first_protection: tuple[Deployment, str]) -> str:
    """The checkpoint of `protected` on the machine's time."""
    deployment, checkpoint = first_protection

    def live() -> None:
        deployment.sandbox.rollback(checkpoint)
        catch_up(deployment.sandbox)

    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return prepare(deployment.sandbox, "present", live, deployment.cabal.file_system_id, today)[1]


@pytest.fixture
def driller(operator: Operator, tmp_path: Path) -> Driller:
    """In front of a deployment that is 36 nights old."""
    return Driller(operator, tmp_path / "drills")
