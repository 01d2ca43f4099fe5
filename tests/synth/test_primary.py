"""The stack in the primary region as a whole."""

from __future__ import annotations

from tests.synth.synthesis import Synthesized


def test_it_holds_these_resources_and_no_others(prod: Synthesized) -> None:
    """In particular no exports, readers or roles that a cross-region reference would add."""
    assert prod.primary.types == {
        "AWS::Backup::BackupVault": 1,
        "AWS::Backup::BackupPlan": 1,
        "AWS::Backup::BackupSelection": 1,
        "AWS::IAM::Role": 3,
        "AWS::IAM::ManagedPolicy": 2,
        "AWS::IAM::Policy": 1,
        "AWS::Lambda::Function": 2,
        "AWS::Logs::LogGroup": 2,
        "Custom::AdvancedDynamoDBBackup": 1,
        "Custom::BackupRoleCheck": 1,
    }


def test_its_outputs_are_what_an_operator_needs(partitioned: tuple[str, Synthesized]) -> None:
    partition, stage = partitioned
    stack = stage.primary
    vault = stack.id_of("AWS::Backup::BackupVault")
    plan = stack.id_of("AWS::Backup::BackupPlan")
    selection = stack.id_of("AWS::Backup::BackupSelection")
    opt_in = stack.id_of("Custom::AdvancedDynamoDBBackup")
    here = f"{stack.region}:123456789012"
    outputs = {name: output["Value"] for name, output in stack.json["Outputs"].items()}
    role_id = outputs.pop("RoleArn")["Fn::GetAtt"][0]
    assert stack.json["Resources"][role_id]["Properties"]["RoleName"] == "cabal-backup-role"
    assert stack.in_account(outputs) == {
        "VaultName": {"Fn::GetAtt": [vault, "BackupVaultName"]},
        "VaultArn": {"Fn::GetAtt": [vault, "BackupVaultArn"]},
        "DrVaultArn": f"arn:{partition}:backup:{stage.dr.region}:123456789012:"
        "backup-vault:cabal-backup-dr",
        "PlanId": {"Fn::GetAtt": [plan, "BackupPlanId"]},
        "SelectionId": {"Fn::GetAtt": [selection, "SelectionId"]},
        "AddressesTableArn": f"arn:{partition}:dynamodb:{here}:table/cabal-addresses",
        "MailstoreArn": f"arn:{partition}:elasticfilesystem:{here}:"
        "file-system/fs-0123456789abcdef0",
        "DynamoDBServiceOptIn": {"Fn::GetAtt": [opt_in, "ServiceAfter"]},
        "DynamoDBFullManagement": {"Fn::GetAtt": [opt_in, "ManagementAfter"]},
    }
