"""One environment as a stage: two stacks, where they go, and what holds for both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builders import CORE, OTHER_ACCOUNT, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Synthesized

TAGGED = {
    "AWS::Backup::RestoreTestingPlan": "Tags",
    "AWS::CloudWatch::Alarm": "Tags",
    "AWS::Backup::BackupVault": "BackupVaultTags",
    "AWS::Backup::BackupPlan": "BackupPlanTags",
    "AWS::IAM::Role": "Tags",
    "AWS::Lambda::Function": "Tags",
    "AWS::Logs::LogGroup": "Tags",
    "AWS::SNS::Topic": "Tags",
    "AWS::Events::Rule": "Tags",
    "AWS::SQS::Queue": "Tags",
    "AWS::SSM::Parameter": "Tags",
}
NOT_TAGGABLE = {
    "AWS::Backup::BackupSelection",
    "AWS::Backup::RestoreTestingSelection",
    "AWS::Lambda::EventSourceMapping",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::AdvancedDynamoDBBackup",
    "Custom::BackupRoleCheck",
}


def test_stacks_are_shown_below_their_environment(prod: Synthesized) -> None:
    """So `cdk deploy 'prod/*'` means this environment."""
    assert prod.primary.artifact["displayName"] == "prod/cabal-backup"
    assert prod.dr.artifact["displayName"] == "prod/cabal-backup-dr"


def test_stacks_go_to_their_regions(prod: Synthesized) -> None:
    assert prod.primary.artifact["environment"] == "aws://123456789012/us-west-1"
    assert prod.dr.artifact["environment"] == "aws://123456789012/us-west-2"


def test_stacks_go_to_the_account_and_the_regions_that_are_set(synthesized: Synthesize) -> None:
    stage = synthesized(
        an_environment(account=OTHER_ACCOUNT, region="eu-west-1", dr_region="eu-central-1", **CORE)
    )
    assert stage.primary.artifact["environment"] == "aws://000000000000/eu-west-1"
    assert stage.dr.artifact["environment"] == "aws://000000000000/eu-central-1"


def test_the_primary_stack_is_deployed_after_the_dr_stack(prod: Synthesized) -> None:
    """Its plan copies into the DR vault from the first night on."""
    assert prod.dr.artifact_id in prod.primary.artifact["dependencies"]
    assert prod.primary.artifact_id not in prod.dr.artifact["dependencies"]


def test_both_stacks_are_protected_against_deletion(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert stack.artifact["properties"]["terminationProtection"] is True


@pytest.mark.parametrize("name", ["prod", "stage", "development"])
def test_every_taggable_resource_tells_environment_and_origin(
    synthesized: Synthesize, name: str
) -> None:
    for stack in synthesized(an_environment(name)).stacks:
        assert stack.types.keys() <= TAGGED.keys() | NOT_TAGGABLE
        for type_, property_ in TAGGED.items():
            for resource in stack.all(type_).values():
                tags = resource["Properties"][property_]
                if isinstance(tags, list):
                    tags = {tag["Key"]: tag["Value"] for tag in tags}
                account = tags.get("account")
                origin = {each: tags[each] for each in tags if each != "account"}
                assert origin == {"environment": name, "managed_by": "cabal_backup"}
                compared = type_ == "AWS::Backup::BackupVault" or (
                    resource["Properties"].get("RoleName") == "cabal-backup-role"
                )
                assert account == ("123456789012" if compared else None)


def test_nothing_is_exported_from_one_stack_to_another(
    partitioned: tuple[str, Synthesized],
) -> None:
    _, stage = partitioned
    for stack in stage.stacks:
        template = json.dumps(stack.json)
        for trace in ("CrossRegionExport", "ExportReader", "ExportsReader", "Fn::ImportValue"):
            assert trace not in template
        assert not any("Export" in output for output in stack.json["Outputs"].values())


def test_arns_are_never_of_another_partition(partitioned: tuple[str, Synthesized]) -> None:
    partition, stage = partitioned
    for stack in stage.stacks:
        for text in json.dumps(stack.in_account(stack.json)).split('"'):
            if text.startswith("arn:"):
                assert text.startswith(f"arn:{partition}:")


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("p", {"mailstore_file_system_id": "fs-01234567", "pitr_tables": []}),
    ("prod", {}),
    (
        "p" + "q" * 31,
        {
            "addresses_table": "a" * 255,
            "lock_min_days": 1,
            "lock_max_days": 36500,
            "delete_after_days": 36500,
        },
    ),
    ("prod", {"lock_min_days": 364, "cold_after_days": 275, "dr_cold_after_days": 275}),
    ("prod", {"lock_min_days": 1, "cold_after_days": 1, "delete_after_days": 91}),
    ("prod", {"lock_max_days": 36500, "cold_after_days": 36410, "delete_after_days": 36500}),
    (
        "prod",
        {
            "lock_min_days": 1,
            "cold_after_days": "never",
            "delete_after_days": 1,
            "dr_cold_after_days": "never",
            "dr_delete_after_days": 1,
        },
    ),
]
"""Environments at the limits of what the configuration accepts: the name and the settings."""


@pytest.mark.parametrize(("name", "settings"), ACCEPTED)
def test_whatever_the_configuration_accepts_can_be_synthesized(
    synthesized: Synthesize, name: str, settings: dict[str, Any]
) -> None:
    stage = synthesized(an_environment(name, **settings))
    assert [s.artifact["displayName"] for s in stage.stacks] == [
        f"{name}/cabal-backup",
        f"{name}/cabal-backup-dr",
    ]
