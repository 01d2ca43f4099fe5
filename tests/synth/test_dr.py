"""The stack in the DR region as a whole."""

from __future__ import annotations

from tests.synth.synthesis import Synthesized


def test_it_holds_these_resources_and_no_others(prod: Synthesized) -> None:
    assert prod.dr.types == {
        "AWS::Backup::BackupVault": 1,
        "AWS::IAM::Role": 1,
        "AWS::IAM::ManagedPolicy": 1,
        "AWS::Lambda::Function": 1,
        "AWS::Logs::LogGroup": 1,
        "Custom::AdvancedDynamoDBBackup": 1,
    }


def test_its_outputs_are_what_an_operator_needs(prod: Synthesized) -> None:
    vault = prod.dr.id_of("AWS::Backup::BackupVault")
    opt_in = prod.dr.id_of("Custom::AdvancedDynamoDBBackup")
    outputs = {name: output["Value"] for name, output in prod.dr.json["Outputs"].items()}
    assert outputs == {
        "VaultName": {"Fn::GetAtt": [vault, "BackupVaultName"]},
        "VaultArn": {"Fn::GetAtt": [vault, "BackupVaultArn"]},
        "DynamoDBServiceOptIn": {"Fn::GetAtt": [opt_in, "ServiceAfter"]},
        "DynamoDBFullManagement": {"Fn::GetAtt": [opt_in, "ManagementAfter"]},
    }
