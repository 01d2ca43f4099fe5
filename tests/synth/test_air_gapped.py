"""The air-gapped vault: off by default, in either region, shared where accounts are named."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from cabal_backup.config.constraints import WITHOUT_AIR_GAP
from tests.builders import CORE, THIRD_ACCOUNT, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Stack, Synthesized

VAULT, SHARE = "AWS::Backup::LogicallyAirGappedBackupVault", "AWS::RAM::ResourceShare"
ARN = "arn:aws:backup:{region}:123456789012:backup-vault:cabal-backup-air-gapped"


SHARED = {**CORE, "air_gapped": True, "air_gapped_share_with": [THIRD_ACCOUNT]}


def placed(stage: Synthesized, region: str) -> tuple[Stack, Stack]:
    """The stack that has the vault, and the other one."""
    return (stage.primary, stage.dr) if region == "primary" else (stage.dr, stage.primary)


def test_there_is_none_by_default(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert not stack.all(VAULT)
        assert "air" not in json.dumps(stack.json).lower().replace("pair", "")


@pytest.mark.parametrize("region", ["primary", "dr"])
def test_it_is_created_in_one_region_and_each_night_is_copied_to_it(
    synthesized: Synthesize, region: str
) -> None:
    wanted = {**CORE, "air_gapped": True, "air_gapped_region": region}
    stage = synthesized(an_environment(**wanted))
    stack, other = placed(stage, region)
    vault = stack.only(VAULT)
    assert {key: vault["Properties"][key] for key in vault["Properties"] if "Tags" not in key} == {
        "BackupVaultName": "cabal-backup-air-gapped",
        "MinRetentionDays": 7,
        "MaxRetentionDays": 30,
    }
    assert vault["Properties"]["BackupVaultTags"]["environment"] == "prod"
    assert (vault["DeletionPolicy"], vault["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )
    assert not other.all(VAULT)
    (rule,) = stage.primary.only("AWS::Backup::BackupPlan")["Properties"]["BackupPlan"][
        "BackupPlanRule"
    ]
    dr, third = stage.primary.in_account(rule["CopyActions"])
    assert dr["DestinationBackupVaultArn"].endswith(":cabal-backup-dr")
    assert third == {
        "DestinationBackupVaultArn": ARN.format(region=stack.region),
        "Lifecycle": {"DeleteAfterDays": 14},
    }
    denied = stage.primary.in_account(stage.primary.only("AWS::IAM::Policy"))
    assert ARN.format(region=stack.region) in json.dumps(denied)
    if region == "primary":
        selection = stage.primary.id_of("AWS::Backup::BackupSelection")
        assert stack.id_of(VAULT) in stage.primary.needs(selection)


@pytest.mark.parametrize("region", ["primary", "dr"])
def test_it_is_shared_with_the_accounts_that_are_named(
    synthesized: Synthesize, region: str
) -> None:
    stage = synthesized(an_environment(**SHARED, air_gapped_region=region))
    stack, other = placed(stage, region)
    share = stack.only(SHARE)["Properties"]
    assert share["Principals"] == [THIRD_ACCOUNT]
    assert share["AllowExternalPrincipals"] is True
    assert share["ResourceArns"] == [{"Fn::GetAtt": [stack.id_of(VAULT), "BackupVaultArn"]}]
    assert not other.all(SHARE)


def test_what_cannot_be_undone_is_said_before_the_deployment(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment(**SHARED))
    texts = [
        entry["data"]
        for path in Path(stage.directory).glob("*metadata.json")
        for entries in json.loads(path.read_text()).values()
        for entry in entries
        if entry["type"] == "aws:cdk:warning"
    ] + [
        entry["data"]
        for entries in stage.dr.artifact.get("metadata", {}).values()
        for entry in entries
        if entry["type"] == "aws:cdk:warning"
    ]
    (warning,) = texts
    assert "cannot be undone" in warning
    assert "after 14 days" in warning
    assert "7 to 30 days, never change" in warning
    assert THIRD_ACCOUNT in warning


def test_the_regions_without_such_vaults_are_those_of_cloudformation() -> None:
    cfnlint = find_spec("cfnlint")
    assert cfnlint is not None
    schemas = Path(str(cfnlint.origin)).parent / "data" / "schemas" / "providers"
    without = {
        path.stem
        for path in schemas.glob("*.json")
        if path.stem != "sam" and VAULT not in json.loads(path.read_text(encoding="utf-8"))
    }
    partitions = {region for region in without if region.startswith(("cn-", "us-gov-"))}
    assert without - partitions == WITHOUT_AIR_GAP
