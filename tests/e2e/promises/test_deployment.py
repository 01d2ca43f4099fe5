"""The stacks as CloudFormation makes them: S06, S07, S08, and deploying twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from local_aws.client import PRIMARY_REGION

from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.status.aws_by_hand import delete_role
from tests.sandbox.deployment import DR_REGION, Deployment

PREFERENCES = ("ResourceTypeOptInPreference", "ResourceTypeManagementPreference")


def test_a_second_deployment_changes_nothing(deployed: Deployment) -> None:
    said = deployed.deploy()
    assert said.count("(no changes)") == 2
    assert "Number of stacks with differences: 0" in deployed.diff()


def test_a_changed_setting_shows_in_the_diff_and_only_there(deployed: Deployment) -> None:
    said = deployed.diff(delete_after_days=364)
    assert "DeleteAfterDays" in said
    assert "Number of stacks with differences: 1" in said


def test_another_mailstore_replaces_the_selection_and_nothing_else(deployed: Deployment) -> None:
    """S22 ends with it: the new file system takes the place of the old one in the plan."""
    client = backup(deployed)
    before = _selection(client)
    # As often as wanted, and back again: AWS may refuse two selections of one name.
    deployed.deploy(mailstore_file_system_id="fs-89abcdef")
    deployed.deploy(mailstore_file_system_id="fs-0123456789abcdef0")
    selected = _selection(client)
    assert selected["SelectionName"] != before["SelectionName"]
    assert set(selected["Resources"]) == {
        deployed.cabal.addresses_table_arn,
        "arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/fs-0123456789abcdef0",
    }


def _selection(client: Any) -> Mapping[str, Any]:
    """The one selection of the one plan."""
    (plan,) = client.list_backup_plans()["BackupPlansList"]
    listed = client.list_backup_selections(BackupPlanId=plan["BackupPlanId"])
    (selection,) = listed["BackupSelectionsList"]
    found: Mapping[str, Any] = client.get_backup_selection(
        BackupPlanId=plan["BackupPlanId"], SelectionId=selection["SelectionId"]
    )["BackupSelection"]
    return found


@pytest.mark.parametrize(("region", "vault"), VAULTS)
def test_s04_both_vaults_are_locked_in_governance_mode(
    deployed: Deployment, region: str, vault: str
) -> None:
    seen = backup(deployed, region).describe_backup_vault(BackupVaultName=vault)
    assert (seen["Locked"], seen["MinRetentionDays"], seen["MaxRetentionDays"]) == (True, 30, 365)
    assert "LockDate" not in seen


def test_s06_s07_exactly_the_table_and_the_mailstore_are_protected(deployed: Deployment) -> None:
    deployed.sandbox.run_nights(1)
    protected = backup(deployed).list_protected_resources()["Results"]
    assert {resource["ResourceArn"] for resource in protected} == {
        deployed.cabal.addresses_table_arn,
        deployed.cabal.file_system_arn,
    }


@pytest.mark.parametrize("region", [PRIMARY_REGION, DR_REGION])
def test_s08_the_opt_in_is_on_in_both_regions(deployed: Deployment, region: str) -> None:
    settings = backup(deployed, region).describe_region_settings()
    assert [settings[preference]["DynamoDB"] for preference in PREFERENCES] == [True, True]


def test_s08_no_other_resource_type_changes_and_deletion_reverts_nothing(
    deployed: Deployment,
) -> None:
    client = backup(deployed)
    # Half of the opt-in is undone, and other types are not set as by default.
    client.update_region_settings(
        ResourceTypeOptInPreference={"DynamoDB": False, "S3": False, "VirtualMachine": True},
        ResourceTypeManagementPreference={"DynamoDB": False, "EFS": True},
    )
    before = client.describe_region_settings()
    _delete_stacks(deployed)
    _remove_what_stays(deployed)
    assert client.describe_region_settings() | {"ResponseMetadata": None} == before | {
        "ResponseMetadata": None
    }
    deployed.deploy()
    after = client.describe_region_settings()
    for preference in PREFERENCES:
        assert after[preference] == {**before[preference], "DynamoDB": True}
    _delete_stacks(deployed)
    left = client.describe_region_settings()
    assert [left[preference] for preference in PREFERENCES] == [
        after[preference] for preference in PREFERENCES
    ]


def _delete_stacks(deployed: Deployment) -> None:
    for region, stack in VAULTS:
        cloudformation = deployed.sandbox.client("cloudformation", region)
        cloudformation.update_termination_protection(
            StackName=stack, EnableTerminationProtection=False
        )
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1}
        )


def _remove_what_stays(deployed: Deployment) -> None:
    """The vaults, still empty, and the role: a new deployment would find their names taken."""
    for region, vault in VAULTS:
        backup(deployed, region).delete_backup_vault(BackupVaultName=vault)
    delete_role(deployed.sandbox)
