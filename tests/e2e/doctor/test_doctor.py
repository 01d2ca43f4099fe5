"""`cabal-backup doctor`: before the first deployment, afterwards, and with what goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.assembly import synthesize_here
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.test_formats import problems
from tests.sandbox import cabal
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import Deployment

BEFORE = {"bootstrap": "fail", "service-linked-role": "off", "trail": "off", "air-gapped": "off"}
"""What is not ok in an account where Cabal is, and nothing else."""


@pytest.fixture
def undeployed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    """The operator of a Cabal without a backup, in an account that was not bootstrapped."""
    small = cabal.fill(sandbox, addresses=10, users=1, messages_per_user=1)
    deployment = Deployment(sandbox, small, synthesize=synthesize_here)
    return Operator(deployment, monkeypatch, capsys)


@pytest.fixture
def bootstrapped(undeployed: Operator) -> Operator:
    for region in ("us-west-1", "us-west-2"):
        bootstrap(undeployed.sandbox, region)
    return undeployed


def bootstrap(sandbox: Sandbox, region: str, version: str = "21") -> None:
    """What `cdk bootstrap` leaves for an application to look at."""
    sandbox.client("ssm", region).put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value=version, Type="String", Overwrite=True
    )


def findings(operator: Operator, **settings: Any) -> dict[str, Any]:
    document = operator.run("doctor", "--json", **settings).json
    assert problems("doctor", document) == []
    return {each["check"]: each for each in document["findings"]}


def not_ok(operator: Operator, **settings: Any) -> dict[str, str]:
    found = findings(operator, **settings)
    return {name: each["status"] for name, each in found.items() if each["status"] != "ok"}


def test_before_the_first_deployment(undeployed: Operator) -> None:
    said = undeployed.run("doctor")

    assert said.code == 1
    assert not_ok(undeployed) == BEFORE
    assert (
        'make cdk ARGS="bootstrap aws://123456789012/us-west-1 aws://123456789012/us-west-2"'
        in (said.out)
    )
    assert said.out.endswith("\n✘ development: 13 checks, 1 failed.\n")


def test_all_is_there_for_the_first_deployment(bootstrapped: Operator) -> None:
    said = bootstrapped.run("doctor")

    assert said.code == 0
    assert (
        "Nothing is deployed, and no name is taken. Next: make deploy ENVIRONMENT=development"
        in (said.text)
    )
    assert said.out.endswith("\n✔ development: 13 checks, nothing is missing.\n")


def test_after_the_deployment(operator: Operator) -> None:
    found = findings(operator)

    assert found["stacks"]["status"] == "ok"
    assert "cabal-backup in us-west-1: CREATE_COMPLETE" in found["stacks"]["evidence"]
    assert not_ok(operator).keys() <= {"service-linked-role", "trail", "air-gapped"}
    said = operator.run("doctor")
    assert "more (--json shows all)" in said.text
    assert "--verbose" not in said.text


def test_an_old_bootstrap_and_another_qualifier(bootstrapped: Operator) -> None:
    bootstrap(bootstrapped.sandbox, "us-west-2", version="5")

    old = findings(bootstrapped)["bootstrap"]
    said = bootstrapped.run("doctor", "-c", "@aws-cdk/core:bootstrapQualifier=cabal")

    assert (old["status"], old["details"]) == ("fail", ["us-west-2: version 5"])
    assert (
        'make cdk ARGS="bootstrap --qualifier=cabal aws://123456789012/us-west-1 '
        'aws://123456789012/us-west-2"' in said.out
    )


def test_a_region_that_is_not_enabled(bootstrapped: Operator) -> None:
    rule = {
        "service": "sts",
        "region": "us-west-2",
        "error": "InvalidClientTokenId",
        "status": 403,
    }
    bootstrapped.sandbox.faults.services(rule)

    found = findings(bootstrapped)["regions"]

    assert (found["status"], found["evidence"]) == (
        "fail",
        "us-west-2 not enabled for account 123456789012.",
    )
    assert "aws account enable-region --region-name=us-west-2" in found["hint"]


def test_a_table_and_a_file_system_that_do_not_exist(bootstrapped: Operator) -> None:
    hand.delete_file_system(bootstrapped.deployment)
    delete_table(bootstrapped.sandbox, "cabal-counter")
    hand.pitr(bootstrapped.sandbox, "cabal-addresses", enabled=False)

    assert not_ok(bootstrapped) == {
        **{name: status for name, status in BEFORE.items() if name != "bootstrap"},
        "resources": "fail",
        "tables": "fail",
        "pitr": "fail",
    }


@pytest.mark.parametrize("region", ["us-west-1", "us-west-2"])
def test_names_that_are_taken_are_to_be_adopted(bootstrapped: Operator, region: str) -> None:
    name = "cabal-backup" if region == "us-west-1" else "cabal-backup-dr"
    bootstrapped.sandbox.client("backup", region).create_backup_vault(BackupVaultName=name)

    found = findings(bootstrapped)["stacks"]

    assert found["status"] == "fail"
    assert f"its names are taken: vault {name} in {region}." in found["evidence"]
    assert "docs/adopt.md" in found["hint"]


def test_the_role_of_another_environment(bootstrapped: Operator) -> None:
    bootstrapped.sandbox.client("iam").create_role(
        RoleName="cabal-backup-role",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
        Tags=[{"Key": "environment", "Value": "stage"}],
    )

    found = findings(bootstrapped)["stacks"]

    assert "the backup of the environment stage" in found["evidence"]


def test_one_stack_is_missing(operator: Operator) -> None:
    client = operator.sandbox.client("cloudformation", "us-west-2")
    client.update_termination_protection(
        StackName="cabal-backup-dr", EnableTerminationProtection=False
    )
    client.delete_stack(StackName="cabal-backup-dr")
    client.get_waiter("stack_delete_complete").wait(
        StackName="cabal-backup-dr", WaiterConfig={"Delay": 1}
    )

    found = findings(operator)["stacks"]

    assert (found["status"], found["evidence"]) == ("fail", "One of the two stacks is missing.")
    assert "cabal-backup-dr in us-west-2: does not exist" in found["details"]


def test_a_creation_that_failed_has_a_runbook(bootstrapped: Operator) -> None:
    template = {
        "Resources": {
            "Vault": {
                "Type": "AWS::Backup::BackupVault",
                "Properties": {"BackupVaultName": "not a name!"},
            }
        }
    }
    bootstrapped.sandbox.client("cloudformation").create_stack(
        StackName="cabal-backup", TemplateBody=json.dumps(template)
    )

    found = findings(bootstrapped)["stacks"]

    assert found["details"][0] == "cabal-backup in us-west-1: ROLLBACK_COMPLETE"
    assert "docs/runbooks/failed-deployment.md" in found["hint"]


def test_backup_off_is_a_warning(bootstrapped: Operator) -> None:
    found = findings(bootstrapped, backup="false")["settings"]

    assert found["status"] == "warn"
    assert '"development.backup": true' in found["hint"]


def test_the_service_linked_role(operator: Operator) -> None:
    iam = operator.sandbox.client("iam")
    before = findings(operator)["service-linked-role"]

    iam.create_service_linked_role(AWSServiceName="backup.amazonaws.com")

    assert before["status"] == "warn"
    assert "aws iam create-service-linked-role" in before["hint"]
    assert findings(operator)["service-linked-role"]["status"] == "ok"


def test_quotas_that_are_too_low(operator: Operator) -> None:
    """Of each service one; the default of AWS applies to all others."""
    sandbox = operator.sandbox
    enough = findings(operator)["quotas"]
    tables = len(sandbox.client("dynamodb").list_tables()["TableNames"])
    mounted = sandbox.client("efs").describe_mount_targets(
        FileSystemId=operator.deployment.cabal.file_system_id
    )["MountTargets"]
    sandbox.apply_quota("dynamodb", "L-F98FE922", tables + 4)
    sandbox.apply_quota("backup", "L-514878B6", 731, region="us-west-2")
    sandbox.apply_quota("elasticfilesystem", "L-848C634D", 1)
    sandbox.apply_quota("elasticfilesystem", "L-7391004C", 0)
    sandbox.apply_quota("lambda", "L-B99A9384", 5, region="us-west-2")
    # High enough to the last one.
    sandbox.apply_quota("backup", "L-7705D2CB", 1)
    sandbox.apply_quota("backup", "L-BD69F607", 1)

    low = findings(operator)["quotas"]

    assert (enough["status"], enough["evidence"]) == (
        "ok",
        "17 quotas in both regions are high enough.",
    )
    assert (
        "us-west-2: concurrent copy jobs into the region, as documented: 100, needed 2 "
        "(one of each of 2 resources)" in enough["details"]
    )
    assert (low["status"], low["evidence"]) == (
        "fail",
        "Too low for development: 5 quotas.",
    )
    assert low["details"] == [
        f"us-west-1: tables: {tables + 4}, needed {tables + 5} ({tables} exist, 5 may be restored "
        "beside them)",
        "us-west-1: file systems: 1, needed 2 (1 exist, one may be restored beside them)",
        f"us-west-1: mount targets per VPC: 0, needed 4 (2 exist in {mounted[0]['VpcId']}, a "
        "restored file system gets 2)",
        "us-west-2: recovery points per backup vault: 731, needed 732 (366 nights of 2 resources)",
        "us-west-2: concurrent executions: 5, needed 10 (without the account's other functions)",
    ]
    increase = "aws service-quotas request-service-quota-increase --region="
    assert low["hint"].split("; ") == [
        f"{increase}us-west-1 --service-code=dynamodb --quota-code=L-F98FE922 "
        f"--desired-value={tables + 5}",
        f"{increase}us-west-1 --service-code=elasticfilesystem --quota-code=L-848C634D "
        "--desired-value=2",
        "AWS does not raise the quota of mount targets per VPC: delete what is not needed in "
        "us-west-1",
        f"{increase}us-west-2 --service-code=backup --quota-code=L-514878B6 --desired-value=732",
        f"{increase}us-west-2 --service-code=lambda --quota-code=L-B99A9384 --desired-value=10",
    ]


def test_room_for_what_a_first_deployment_creates(bootstrapped: Operator) -> None:
    """One quota counts the vaults of both kinds: another air-gapped one, and the third copy's."""
    bootstrapped.sandbox.client("backup").create_logically_air_gapped_backup_vault(
        BackupVaultName="elsewhere", MinRetentionDays=7, MaxRetentionDays=30
    )
    for region in ("us-west-1", "us-west-2"):
        bootstrapped.sandbox.apply_quota("backup", "L-7705D2CB", 0, region=region)
    bootstrapped.sandbox.apply_quota("backup", "L-BD69F607", 0)

    found = findings(bootstrapped, air_gapped="true")["quotas"]

    assert found["details"] == [
        "us-west-1: backup vaults, with logically air-gapped ones: 0, needed 2 (1 exist)",
        "us-west-1: backup plans: 0, needed 1 (0 exist)",
        "us-west-2: backup vaults, with logically air-gapped ones: 0, needed 2 (0 exist)",
    ]


def test_quotas_that_cannot_be_read_are_unknown(bootstrapped: Operator) -> None:
    bootstrapped.sandbox.faults.services(
        {"service": "servicequotas", "region": "us-west-2", "error": "TooManyRequestsException"}
    )

    found = findings(bootstrapped)["quotas"]

    assert found["status"] == "unknown"
    assert "TooManyRequestsException" in found["evidence"]


def test_what_may_not_be_looked_at_is_unknown(bootstrapped: Operator) -> None:
    bootstrapped.sandbox.faults.services(
        {"service": "ssm", "error": "AccessDeniedException", "status": 400}
    )

    said = bootstrapped.run("doctor")

    assert said.code == 2
    assert said.out.endswith("\n? development: 13 checks, 1 unknown.\n")


def test_a_name_that_may_not_be_looked_at_is_not_free(bootstrapped: Operator) -> None:
    bootstrapped.sandbox.faults.services(
        {"service": "iam", "error": "AccessDenied", "status": 403, "operation": "GetRole"}
    )

    found = findings(bootstrapped)["stacks"]

    assert found["status"] == "unknown"
    assert "whether the names are taken" in found["evidence"]
