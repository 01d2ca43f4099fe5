"""`restore … --in dr`: a recovery point of the DR vault, warm or cold, where it is; S24."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.audit import changes_since
from tests.e2e.operator import Operator, Said
from tests.e2e.recovery.disaster import mail
from tests.sandbox.cabal import let_tables_settle
from tests.sandbox.deployment import PROJECT, aws_cli

DR = "us-west-2"
TABLE = "cabal-addresses"
LOST = ("--assume-region-lost", "us-west-1")


@pytest.fixture
def salvor(operator: Operator) -> Operator:
    """36 nights, of which the first six are cold; then the primary region does not answer."""
    operator.sandbox.faults.lose_regions("us-west-1")
    return operator


def type_in(operator: Operator, *arguments: str) -> Said:
    """`cabal-backup ARGUMENTS -e development`."""
    deployment = operator.deployment
    environment = ("--project", str(PROJECT), "-e", deployment.environment)
    return operator.type(*arguments, *environment, *deployment.context_arguments())


def items(sandbox: Sandbox, table: str, region: str = "us-west-1") -> list[dict[str, Any]]:
    pages = sandbox.client("dynamodb", region).get_paginator("scan").paginate(TableName=table)
    return sorted(
        (item for page in pages for item in page["Items"]), key=lambda item: item["address"]["S"]
    )


def night(operator: Operator, ago: int) -> str:
    return f"{operator.sandbox.now() - timedelta(days=ago):%Y-%m-%d}"


def a_subnet(sandbox: Sandbox) -> str:
    """A network in the DR region."""
    ec2 = sandbox.client("ec2", DR)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-west-2a")[
        "Subnet"
    ]
    return str(subnet["SubnetId"])


def only_file_system(sandbox: Sandbox) -> dict[str, Any]:
    (found,) = sandbox.client("efs", DR).describe_file_systems()["FileSystems"]
    return dict(found)


def test_s24_cold_addresses_are_restored_where_they_are(salvor: Operator) -> None:
    sandbox, command = salvor.sandbox, ("restore", "addresses", "--in", "dr", *LOST)
    which = ("--night", night(salvor, 35))
    refused = type_in(salvor, *command, *which, "--yes")
    assert (refused.code, "To restore this one, add --cold" in refused.err) == (4, True)
    plan = type_in(salvor, *command, *which, "--cold", "--dry-run")
    assert plan.code == 0, plan
    assert "in us-west-2: this salvages data. Running Cabal there is the migration" in plan.out
    assert "in cold storage: about four hours" in plan.out
    began = sandbox.now()

    made = type_in(salvor, *command, *which, "--cold", "--yes")

    assert made.code == 0, made
    assert sandbox.now() - began > timedelta(hours=4)
    name = made.out.strip()
    on = f"{salvor.options} --from-region {DR}"
    assert f"cutover {name} {TABLE} {on}" in made.err
    again = type_in(salvor, *command, *which, "--cold")
    assert (again.code, again.out.strip()) == (0, name)
    assert "has done this already: nothing is restored again" in again.err
    sandbox.faults.lose_regions()
    assert items(sandbox, name, DR) == items(sandbox, TABLE)
    assert type_in(salvor, "jobs", "watch", name).out.strip() == name


def test_a_table_in_the_dr_region(salvor: Operator) -> None:
    at = f"{salvor.sandbox.now() - timedelta(days=2):%Y-%m-%dT%H:%M}"
    command = ("restore", "table", TABLE, "--in", "dr", *LOST)
    for arguments, code, words in (
        (("--latest", "--to", TABLE, "--yes"), 64, "is kept free in us-west-2"),
        (("--backup", "arn:x", "--yes"), 64, "--backup: not with --in dr"),
        (("--at", "2025-01-01T00:00", "--yes"), 8, "in cabal-backup-dr from before"),
    ):
        refused = type_in(salvor, *command, *arguments)
        assert (refused.code, words in refused.err) == (code, True), refused
    other = type_in(salvor, "restore", "table", "cabal-counter", "--in", "dr", "--latest", *LOST)
    assert (other.code, "of cabal-counter in cabal-backup-dr" in other.err) == (8, True)
    made = type_in(salvor, *command, "--at", at, "--to", "cabal-addresses-salvaged", "--yes")
    assert (made.code, made.out.strip()) == (0, "cabal-addresses-salvaged")
    cold = type_in(salvor, "restore", "table", TABLE, "--latest", "--cold")
    assert (cold.code, "--cold: only with --in dr" in cold.err) == (64, True)


def test_the_mailstore_in_the_dr_region(salvor: Operator) -> None:
    sandbox, root = salvor.sandbox, salvor.deployment.cabal.file_system_root
    command = ("restore", "mailstore", "--in", "dr", *LOST)
    which = ("--night", night(salvor, 35), "--cold")
    wrong = type_in(salvor, *command, "--set-environment", "--yes")
    assert (wrong.code, "--set-environment: not with --in dr" in wrong.err) == (64, True)

    made = type_in(salvor, *command, *which, "--yes")

    assert made.code == 0, made
    identity = made.out.strip()
    found = only_file_system(sandbox)
    assert (found["FileSystemId"], found["Encrypted"]) == (identity, True)
    (directory,) = sandbox.efs_directory(identity, region=DR).glob("aws-backup-restore_*")
    assert mail(directory) == mail(root)
    efs = sandbox.client("efs", DR)
    assert len(efs.describe_access_points(FileSystemId=identity)["AccessPoints"]) == 2
    subnet = a_subnet(sandbox)
    again = type_in(salvor, *command, *which, "--subnet", subnet)
    assert (again.code, again.out.strip()) == (0, identity)
    assert "restored already" in again.err
    targets = efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]
    assert [target["SubnetId"] for target in targets] == [subnet]


def test_one_mailbox_in_the_dr_region(salvor: Operator) -> None:
    sandbox, root = salvor.sandbox, salvor.deployment.cabal.file_system_root
    command = ("restore", "mailbox", "alice", "--in", "dr", *LOST)
    which = ("--night", night(salvor, 35), "--cold", "--subnet", a_subnet(sandbox))
    for arguments in (("--in", "dr", "--again"), ("--subnet", "subnet-1")):
        wrong = type_in(salvor, "restore", "mailbox", "alice", *arguments, "--yes")
        assert (wrong.code, "with --in dr" in wrong.err) == (64, True)
    sandbox.faults.fail_next("restore", message="Not today.")
    failed = type_in(salvor, *command, *which, "--yes")
    assert failed.code == 3
    assert "at the root of a new file system in us-west-2." in failed.err

    made = type_in(salvor, *command, *which, "--yes")

    assert made.code == 0, made
    found = only_file_system(sandbox)
    assert found["FileSystemId"] in made.err
    directory = sandbox.efs_directory(found["FileSystemId"], region=DR)
    (restored,) = directory.glob("aws-backup-restore_*")
    assert [path.name for path in restored.iterdir()] == ["alice"]
    assert mail(restored / "alice") == mail(root / "alice")
    assert found["NumberOfMountTargets"] == 1
    sandbox.faults.lose_regions()
    began = sandbox.advance(seconds=2)
    again = type_in(salvor, *command, *which)
    assert (again.code, again.out) == (0, made.out)
    assert changes_since(sandbox, began) == []


def test_a_mailbox_whose_restore_job_is_no_longer_listed(operator: Operator) -> None:
    """It is not known to be whole, so nothing is done until it is deleted, as the message says."""
    sandbox = operator.sandbox
    command = ("restore", "mailbox", "alice", "--in", "dr", "--night", night(operator, 35))
    options = ("--cold", "--yes", "--subnet", a_subnet(sandbox))
    assert type_in(operator, *command, *options).code == 0
    left = only_file_system(sandbox)["FileSystemId"]
    sandbox.advance(days=31)
    began = sandbox.advance(seconds=2)

    refused = type_in(operator, *command, *options)

    assert refused.code == 4, refused
    assert f"made {left}, and it is not known to be whole" in refused.err
    assert changes_since(sandbox, began) == []
    for line in (each for each in refused.err.splitlines() if each.startswith("  aws ")):
        typed = subprocess.run(
            ["bash", "-ec", line.replace("aws ", f"{aws_cli()} ")],
            env={**os.environ, **sandbox.environ()},
            capture_output=True,
            text=True,
        )
        assert typed.returncode == 0, (line, typed)
        sandbox.advance(minutes=5)
    again = type_in(operator, *command, *options)
    assert again.code == 0, again
    assert only_file_system(sandbox)["FileSystemId"] != left


def test_addresses_reach_the_live_table_from_the_other_region(operator: Operator) -> None:
    sandbox = operator.sandbox
    before = items(sandbox, TABLE)
    made = type_in(
        operator,
        *["restore", "addresses", "--in", "dr", "--night", night(operator, 35), "--cold", "--yes"],
    )
    for item in before[::3]:
        key = {"address": item["address"]}
        sandbox.client("dynamodb").delete_item(TableName=TABLE, Key=key)
    later = {"address": {"S": "zz-later@mail.example.com"}, "user": {"S": "alice"}}
    sandbox.client("dynamodb").put_item(TableName=TABLE, Item=later)
    tables = (made.out.strip(), TABLE, "--from-region", DR)
    assert type_in(operator, "compare", *tables).code == 5
    wrong = type_in(operator, "compare", *tables[:2], "--from-region", "eu-west-1")
    assert (wrong.code, "its regions are us-west-1 and us-west-2" in wrong.err) == (64, True)

    lost = items(sandbox, TABLE)

    said = type_in(operator, "cutover", *tables, "--yes")

    assert said.code == 0, said
    assert "Verified: the live table holds what it should" in said.out
    assert items(sandbox, TABLE) == [*before, later]
    undo = next(line for line in said.out.splitlines() if "cabal-backup cutover undo" in line)
    assert undo.endswith(f" {operator.options} --from-region {DR}")
    sandbox.advance(minutes=10)
    undone = type_in(operator, "cutover", "undo", *tables, "--yes", "--delete-restored")
    assert undone.code == 0, undone
    assert items(sandbox, TABLE) == lost
    again = type_in(operator, "cutover", *tables, "--yes", "--delete-restored")
    assert again.code == 0, again
    assert items(sandbox, TABLE) == [*before, later]
    let_tables_settle(sandbox)
    assert sandbox.client("dynamodb", DR).list_tables()["TableNames"] == []
    # Its hint, to undo that, names the table that was deleted.
    assert operator.run("points", "--list").code == 0


def test_a_cutover_into_the_other_region_has_no_way_back(operator: Operator) -> None:
    made = type_in(operator, "restore", "addresses", "--in", "dr", "--yes")
    target = type_in(operator, "restore", "addresses", "--to", "restored", "--yes")
    tables = (target.out.strip(), made.out.strip(), "--to-region", DR, "--not-a-restore")
    refused = type_in(operator, "cutover", *tables, "--yes")
    assert (refused.code, "A cutover to us-west-2 cannot be undone" in refused.err) == (4, True)
    said = type_in(operator, "cutover", *tables, "--yes", "--no-undo", "--missing-only")
    assert said.code == 0, said
    assert "do not notify the mail tiers" in said.err
