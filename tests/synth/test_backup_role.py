"""The role AWS Backup works under: it can back up, copy and restore, for this account only."""

from __future__ import annotations

from tests.synth.synthesis import Json, Stack, Synthesized


def backup_role(stack: Stack) -> tuple[str, Json]:
    """The role named cabal-backup-role with its logical id."""
    (found,) = (
        (logical_id, role)
        for logical_id, role in stack.all("AWS::IAM::Role").items()
        if role["Properties"].get("RoleName") == "cabal-backup-role"
    )
    return found


def test_it_is_there_once_per_environment(prod: Synthesized) -> None:
    """IAM is global: a second one in the DR stack would collide with it."""
    backup_role(prod.primary)
    names = [role["Properties"].get("RoleName") for role in prod.dr.all("AWS::IAM::Role").values()]
    assert names == [None]


def test_only_aws_backup_acting_for_this_account_may_assume_it(prod: Synthesized) -> None:
    _, role = backup_role(prod.primary)
    assert prod.primary.in_account(role["Properties"]["AssumeRolePolicyDocument"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "backup.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
            }
        ],
    }


def test_it_can_back_up_and_restore_in_every_partition(
    partitioned: tuple[str, Synthesized],
) -> None:
    partition, stage = partitioned
    _, role = backup_role(stage.primary)
    assert stage.primary.in_account(role["Properties"]["ManagedPolicyArns"]) == [
        f"arn:{partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
        f"arn:{partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
    ]


def test_it_copies_into_the_vaults_of_the_environment_only(
    partitioned: tuple[str, Synthesized],
) -> None:
    partition, stage = partitioned
    logical_id, _ = backup_role(stage.primary)
    policy = stage.primary.only("AWS::IAM::Policy")
    assert policy["Properties"]["Roles"] == [{"Ref": logical_id}]
    document = policy["Properties"]["PolicyDocument"]
    (statement,) = stage.primary.in_account(document)["Statement"]
    primary = {"Fn::GetAtt": [stage.primary.id_of("AWS::Backup::BackupVault"), "BackupVaultArn"]}
    assert statement == {
        "Sid": "OnlyIntoTheseVaults",
        "Effect": "Deny",
        "Action": "backup:CopyFromBackupVault",
        "Resource": "*",
        "Condition": {
            "ForAnyValue:ArnNotLike": {
                "backup:CopyTargets": [
                    primary,
                    f"arn:{partition}:backup:{stage.dr.region}:123456789012:"
                    "backup-vault:cabal-backup-dr",
                ]
            }
        },
    }
    assert policy["DeletionPolicy"] == "RetainExceptOnCreate"


def test_it_can_do_nothing_beyond_that(prod: Synthesized) -> None:
    logical_id, role = backup_role(prod.primary)
    assert "Policies" not in role["Properties"]
    for policy in prod.primary.all("AWS::IAM::ManagedPolicy").values():
        assert {"Ref": logical_id} not in policy["Properties"]["Roles"]


def test_it_is_retained_when_its_stack_is_deleted(prod: Synthesized) -> None:
    """Without it AWS Backup cannot remove what has expired."""
    _, role = backup_role(prod.primary)
    assert role["DeletionPolicy"] == "RetainExceptOnCreate"
    assert role["UpdateReplacePolicy"] == "Retain"
