"""A name alone does not make something a drill's: what an operator named so stays."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.e2e.drill.conftest import USER, Driller, left
from tests.e2e.exercise import newest_point
from tests.e2e.operator import Said, SandboxClock
from tests.e2e.tables.tables import ADDRESSES
from tests.sandbox.cabal import let_tables_settle

DRILL = "20260101-000000"
TABLE, TOKEN = f"{ADDRESSES}-drill-{DRILL}", f"cabal-drill-{DRILL}"
ROLE = "arn:aws:iam::123456789012:role/cabal-backup-role"


def make_table(driller: Driller, name: str) -> None:
    driller.sandbox.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
    )
    let_tables_settle(driller.sandbox)


def restore_table(driller: Driller, name: str) -> None:
    driller.sandbox.client("backup").start_restore_job(
        RecoveryPointArn=newest_point(driller.sandbox, "DynamoDB"),
        IamRoleArn=ROLE,
        ResourceType="DynamoDB",
        Metadata={"targetTableName": name, "encryptionType": "Default"},
    )
    driller.sandbox.advance(hours=1)


def typed(driller: Driller, *command: str) -> Said:
    operator = driller.operator
    project = driller.command("addresses")[2:6]
    return operator.type(*command, *project, *operator.deployment.context_arguments())


@pytest.mark.parametrize("name", [TABLE, f"{TABLE}-cutover"])
@pytest.mark.parametrize("make", [make_table, restore_table])
def test_a_table_stays(driller: Driller, name: str, make: Any) -> None:
    make(driller, name)
    said = driller.drill("addresses")
    assert said.code == 0, said
    assert f"The table {name} has a drill's name, but it is not proven that" in said.err
    assert left(driller.sandbox) == [name]
    assert driller.report["cleared"] == []


def test_a_file_system_stays(driller: Driller) -> None:
    driller.sandbox.client("efs").create_file_system(CreationToken=TOKEN, Encrypted=True)
    said = driller.drill_mailbox()
    assert said.code == 0, said
    assert f"The file system {TOKEN} has a drill's name" in said.err
    assert left(driller.sandbox) == [TOKEN]


@pytest.mark.parametrize("content", ["", "precious"])
def test_a_directory_stays(driller: Driller, content: str) -> None:
    directory = driller.mount / TOKEN
    directory.mkdir()
    if content:
        (directory / "file").write_text(content)
    said = driller.drill_on_the_host()
    assert f"The directory {TOKEN} has a drill's name" in said.err
    assert directory.is_dir()
    assert [path.read_text() for path in directory.iterdir()] == ([content] if content else [])


def test_a_directory_of_the_drills_own_name_stays(driller: Driller) -> None:
    """It is there before the drill makes its own, which fails."""
    began = driller.sandbox.now()
    moments = [began + timedelta(seconds=second) for second in range(60)]
    for moment in moments:
        directory = driller.mount / f"cabal-drill-{moment:%Y%m%d-%H%M%S}"
        directory.mkdir()
        (directory / "file").write_text("precious")
    said = driller.drill_on_the_host()
    assert (said.code, "File exists" in said.out) == (6, True), said
    kept = [path.read_text() for path in driller.mount.glob("cabal-drill-*/file")]
    assert kept == ["precious"] * len(moments)


class Rival(SandboxClock):
    """While the drill waits for the first time, another restore of its mailbox begins."""

    def __init__(self, driller: Driller) -> None:
        super().__init__(driller.sandbox)
        self._mailstore = driller.operator.deployment.cabal.file_system_id

    def sleep(self, seconds: float) -> None:
        if not self.slept:
            self._sandbox.client("backup").start_restore_job(
                RecoveryPointArn=newest_point(self._sandbox, "EFS"),
                IamRoleArn=ROLE,
                ResourceType="EFS",
                Metadata={
                    "file-system-id": self._mailstore,
                    "newFileSystem": "false",
                    "Encrypted": "true",
                    "PerformanceMode": "generalPurpose",
                    "CreationToken": "by-hand",
                    "ItemsToRestore": json.dumps([f"/{USER}"]),
                },
            )
        super().sleep(seconds)


def test_a_directory_that_another_job_may_have_made_is_not_taken(driller: Driller) -> None:
    """Two restores of one mailbox at the same time, with only one directory in sight."""
    driller.operator.clock = Rival(driller)
    said = driller.drill_on_the_host()
    assert said.code == 6, said
    assert "which one is the drill's is not known. None was used." in said.out
    driller.sandbox.advance(hours=1)
    assert len(left(driller.sandbox)) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("restore", "addresses", "--to", TABLE, "--yes"),
        ("restore", "table", "cabal-counter", "--latest", "--to", f"cabal-counter-drill-{DRILL}"),
        ("restore", "mailbox", TOKEN, "--yes"),
        ("cutover", TABLE, ADDRESSES, "--yes"),
    ],
)
def test_other_commands_refuse_the_names(driller: Driller, command: tuple[str, ...]) -> None:
    said = typed(driller, *command)
    assert (said.code, "is a name for what a drill makes and deletes again" in said.err) == (
        64,
        True,
    )
