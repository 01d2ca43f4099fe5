"""A first deployment that fails can be repeated: docs/runbooks/failed-deployment.md.

Whatever resource fails, the rollback of its stack leaves nothing behind that would stop the next
attempt. All settings are the defaults.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_aws.client import ACCOUNT, PRIMARY_REGION, Sandbox

from tests.e2e.assembly import synthesize_here
from tests.e2e.prepared import prepare
from tests.e2e.shell import make_checkout, sections, type_in
from tests.long import LONG
from tests.sandbox import cabal
from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import DR_REGION, Deployment, DeploymentFailed

RUNBOOK = "docs/runbooks/failed-deployment.md"
STACKS = {"cabal-backup-dr": DR_REGION, "cabal-backup": PRIMARY_REGION}
REASON = "The service is not available (HandlerErrorCode: ServiceInternalError)"
POLL_SECONDS = 0.1


@pytest.fixture(scope="module")
def first_failure(running_sandbox: Sandbox, bootstrapped_account: str) -> tuple[Deployment, str]:
    """A deployment whose primary vault failed, by the real CDK CLI, and the checkpoint after it."""

    def fail() -> Cabal:
        running_sandbox.rollback(bootstrapped_account)
        filled = cabal.fill(running_sandbox, addresses=30, users=1, messages_per_user=1)
        deployment = Deployment(running_sandbox, filled, synthesize=synthesize_here, whole=True)
        break_resource(running_sandbox, "cabal-backup", vault_of(deployment, "cabal-backup"))
        with pytest.raises(DeploymentFailed, match="ServiceInternalError"):
            deployment.deploy()
        return filled

    filled, checkpoint = prepare(running_sandbox, "failed", fail)
    running_sandbox.rollback(checkpoint)
    found = filled.found_in(running_sandbox)
    return Deployment(running_sandbox, found, synthesize=synthesize_here, whole=True), checkpoint


@pytest.fixture
def failed(first_failure: tuple[Deployment, str]) -> Deployment:
    deployment, checkpoint = first_failure
    deployment.sandbox.rollback(checkpoint)
    return deployment


def test_the_rolled_back_stack_stops_the_next_attempt(failed: Deployment) -> None:
    """What the runbook is for: the CDK CLI has switched termination protection on."""
    assert status(failed.sandbox, "cabal-backup") == "ROLLBACK_COMPLETE"
    with pytest.raises(DeploymentFailed, match="TerminationProtection is enabled"):
        failed.deploy()


def test_the_runbook(failed: Deployment, tmp_path: Path) -> None:
    parts = sections(RUNBOOK)
    steps = ("Find the reason", "Delete the rolled-back stack", "")
    typed = [block for step in steps for block in parts[step]]
    said = type_in(typed, make_checkout(tmp_path, failed, synthesized=()), failed)
    assert REASON in said
    assert status(failed.sandbox, "cabal-backup") == "CREATE_COMPLETE"
    assert "(no changes)" in failed.deploy()


def test_a_vault_that_exists_is_reported_with_what_to_read(
    failed: Deployment, tmp_path: Path
) -> None:
    sandbox = failed.sandbox
    remove(sandbox, "cabal-backup")
    sandbox.client("backup").create_backup_vault(BackupVaultName="cabal-backup")
    said = type_in(
        ['make deploy ENVIRONMENT=development && exit 9 || echo "exit code $?"'],
        make_checkout(tmp_path, failed, synthesized=()),
        failed,
    )
    assert "exit code 2" in said
    assert "AlreadyExists" in said
    for document in ("docs/adopt.md", RUNBOOK):
        assert document in said[said.index("The deployment failed.") :]


def test_stranded_names_are_adopted(failed: Deployment, tmp_path: Path) -> None:
    """A vault and the role that an earlier version's failed stack retained."""
    sandbox = failed.sandbox
    remove(sandbox, "cabal-backup")
    sandbox.client("backup").create_backup_vault(BackupVaultName="cabal-backup")
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "backup.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    iam = sandbox.client("iam")
    iam.create_role(RoleName="cabal-backup-role", AssumeRolePolicyDocument=json.dumps(trust))
    for policy in ("Backup", "Restores"):
        iam.attach_role_policy(
            RoleName="cabal-backup-role",
            PolicyArn=f"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor{policy}",
        )
    with pytest.raises(DeploymentFailed, match=r"(?i)already ?exists"):
        failed.deploy()
    remove(sandbox, "cabal-backup")

    (adopt,) = sections(RUNBOOK)['"Already exists"']
    type_in([adopt], make_checkout(tmp_path, failed, synthesized=()), failed)

    assert status(sandbox, "cabal-backup") in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_may_fail(failed: Deployment, stack: str) -> None:
    """All of them in `make test-long`, otherwise one of each type."""
    sandbox, region = failed.sandbox, STACKS[stack]
    for name in STACKS:
        remove(sandbox, name)
    # It was created whole, so it is retained.
    backup = sandbox.client("backup", DR_REGION)
    backup.delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup-dr")
    backup.delete_backup_vault(BackupVaultName="cabal-backup-dr")
    if stack == "cabal-backup":
        create(failed, "cabal-backup-dr")
        assert ended(sandbox, "cabal-backup-dr") == "CREATE_COMPLETE"
    before = remains(sandbox, region)
    resources = template(failed, stack)["Resources"]
    of_each_type = {resource["Type"]: logical_id for logical_id, resource in resources.items()}
    assert len(of_each_type) > 5
    for logical_id in resources if LONG else of_each_type.values():
        break_resource(sandbox, stack, logical_id)
        create(failed, stack)
        assert ended(sandbox, stack) == "ROLLBACK_COMPLETE", logical_id
        assert failures(sandbox, stack) == {logical_id: REASON}
        remove(sandbox, stack)
        left = {
            kind: set(found) - set(before[kind]) for kind, found in remains(sandbox, region).items()
        }
        assert not any(left.values()), (logical_id, left)

    sandbox.faults.clear()
    create(failed, stack)
    assert ended(sandbox, stack) == "CREATE_COMPLETE", failures(sandbox, stack)


def break_resource(sandbox: Sandbox, stack: str, logical_id: str) -> None:
    """Let the creation of one resource fail, from now on."""
    sandbox.faults.services(
        {"service": "cloudformation", "operation": f"{stack}/{logical_id}", "message": REASON}
    )


def template(deployment: Deployment, stack: str) -> dict[str, Any]:
    context = {"environment": deployment.environment, **deployment.context}
    (path,) = synthesize_here(context).rglob(f"*{_id(stack)}.template.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _id(stack: str) -> str:
    """The end of a template's file name: the stage's name and id, without dashes, and a digest."""
    return f"{stack.replace('-', '')}" + "????????"


def vault_of(deployment: Deployment, stack: str) -> str:
    (logical_id,) = (
        logical_id
        for logical_id, resource in template(deployment, stack)["Resources"].items()
        if resource["Type"] == "AWS::Backup::BackupVault"
    )
    return str(logical_id)


def create(deployment: Deployment, stack: str) -> None:
    """As the CDK CLI does it, with termination protection from the start."""
    sandbox, region = deployment.sandbox, STACKS[stack]
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{region}"
    sandbox.client("s3", region).put_object(
        Bucket=bucket, Key=stack, Body=json.dumps(template(deployment, stack)).encode()
    )
    sandbox.client("cloudformation", region).create_stack(
        StackName=stack,
        TemplateURL=f"{sandbox.endpoint}/{bucket}/{stack}",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        EnableTerminationProtection=True,
    )


def remove(sandbox: Sandbox, stack: str) -> None:
    """As the runbook does it; nothing if the stack does not exist."""
    cloudformation = sandbox.client("cloudformation", STACKS[stack])
    if status(sandbox, stack) == "DELETE_COMPLETE":
        return
    cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName=stack)
    assert ended(sandbox, stack) == "DELETE_COMPLETE"


def ended(sandbox: Sandbox, stack: str) -> str:
    """The stack's status once it is final."""
    while (found := status(sandbox, stack)).endswith("_IN_PROGRESS"):
        time.sleep(POLL_SECONDS)
    return found


def status(sandbox: Sandbox, stack: str) -> str:
    try:
        (found,) = sandbox.client("cloudformation", STACKS[stack]).describe_stacks(StackName=stack)[
            "Stacks"
        ]
    except ClientError:
        return "DELETE_COMPLETE"
    return str(found["StackStatus"])


def failures(sandbox: Sandbox, stack: str) -> dict[str, str]:
    """Why resources failed, by logical id; not those that were only cancelled."""
    client = sandbox.client("cloudformation", STACKS[stack])
    pages = client.get_paginator("describe_stack_events").paginate(StackName=stack)
    return {
        event["LogicalResourceId"]: event["ResourceStatusReason"]
        for page in pages
        for event in page["StackEvents"]
        if event["ResourceStatus"] == "CREATE_FAILED"
        and "cancelled" not in event["ResourceStatusReason"]
    }


LISTED = (
    ("backup", "list_backup_vaults", "BackupVaultList", "BackupVaultName"),
    ("backup", "list_backup_plans", "BackupPlansList", "BackupPlanName"),
    ("backup", "list_restore_testing_plans", "RestoreTestingPlans", "RestoreTestingPlanName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("events", "list_rules", "Rules", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
)
"""Service, operation, member and name of everything that the stacks create."""


def remains(sandbox: Sandbox, region: str) -> dict[str, list[str]]:
    """The names of what exists in a region, by operation."""
    found = {
        operation: sorted(
            str(entry[name])
            for page in _pages(sandbox.client(service, region), operation)
            for entry in page[member]
        )
        for service, operation, member, name in LISTED
    }
    found["queues"] = sandbox.client("sqs", region).list_queues().get("QueueUrls", [])
    policies = sandbox.client("iam").list_policies(Scope="Local")["Policies"]
    found["policies"] = sorted(policy["PolicyName"] for policy in policies)
    return found


def _pages(client: Any, operation: str) -> Any:
    if client.can_paginate(operation):
        return client.get_paginator(operation).paginate()
    return itertools.repeat(getattr(client, operation)(), 1)
