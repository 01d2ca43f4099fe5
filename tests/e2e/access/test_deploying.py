"""Deploying needs nothing of break-glass."""

from __future__ import annotations

from tests.e2e.access.commands import Role
from tests.e2e.access.conftest import REGIONS, Guarded
from tests.e2e.access.test_used import actions_in_the_policy

USED_THE_OTHER_WAY_ROUND = {
    "backup:PutBackupVaultLockConfiguration",
    "cloudformation:UpdateTerminationProtection",
}
"""Deploying puts the lock and the protection on, which a template says and reviewers see."""


def changing(actions: set[str]) -> set[str]:
    reading = ("Describe", "Get", "List")
    return {action for action in actions if not action.split(":")[1].startswith(reading)}


def test_the_roles_that_deploy_ask_for_nothing_of_break_glass(guarded: Guarded) -> None:
    """Everybody whom IAM was asked about meanwhile: CDK's roles, root as who assumes them,
    the handlers of the stacks.
    """
    asked = {each["action"] for each in guarded.deploying}
    assert {"cloudformation:ExecuteChangeSet", "s3:PutObject", "sts:AssumeRole"} <= asked
    held = changing(actions_in_the_policy(guarded, Role.BREAK_GLASS))
    assert asked & held == {"cloudformation:UpdateTerminationProtection"}


def test_cdk_works_through_the_roles_of_its_bootstrap(guarded: Guarded) -> None:
    """Root only assumed them, so that IAM really decided over the rest."""
    by_root = {each["action"] for each in guarded.deploying if each["principal"].endswith(":root")}
    assert by_root <= {"sts:AssumeRole", "sts:GetCallerIdentity"}


def test_cloudformation_deletes_nothing_either(guarded: Guarded) -> None:
    """Its own calls of AWS Backup, from CloudTrail."""
    sandbox = guarded.rewound().sandbox
    called = {
        f"backup:{event['EventName']}"
        for region in REGIONS
        for page in sandbox.client("cloudtrail", region)
        .get_paginator("lookup_events")
        .paginate(
            LookupAttributes=[
                {"AttributeKey": "EventSource", "AttributeValue": "backup.amazonaws.com"}
            ]
        )
        for event in page["Events"]
        if '"cloudformation.amazonaws.com"' in event["CloudTrailEvent"]
    }
    assert {"backup:CreateBackupVault", "backup:CreateBackupPlan"} <= called
    held = changing(actions_in_the_policy(guarded, Role.BREAK_GLASS))
    assert called & held == {"backup:PutBackupVaultLockConfiguration"}
    assert called & held <= USED_THE_OTHER_WAY_ROUND


def test_what_it_puts_on_is_on(guarded: Guarded) -> None:
    sandbox = guarded.rewound().sandbox
    for region, name in zip(REGIONS, ("cabal-backup", "cabal-backup-dr"), strict=True):
        vault = sandbox.client("backup", region).describe_backup_vault(BackupVaultName=name)
        (stack,) = sandbox.client("cloudformation", region).describe_stacks(StackName=name)[
            "Stacks"
        ]
        assert vault["Locked"]
        assert stack["EnableTerminationProtection"]
