"""One setting changed: exactly the intended places of the two templates change with it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cabal_backup.config.environment import SETTINGS
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized, leaves, plain

ABSENT = "absent"
VAULT = "Resources.Vault.Properties.LockConfiguration"
RULE = "Resources.NightlyPlan.Properties.BackupPlan.BackupPlanRule.0"
COPY = f"{RULE}.CopyActions.0"
SELECTED = "Resources.NightlySelection.Properties.BackupSelection.Resources"
ASSETS = "Resources.AdvancedDynamoDBHandlerFunction.Properties.Code.S3Bucket"
TAG = re.compile(r"\.Tags\.[01]\.Value$")
COPY_TARGET = (
    "Resources.RoleCopyTargets.Properties.PolicyDocument.Statement.0.Condition."
    "ForAnyValue:ArnNotLike.backup:CopyTargets.1"
)
SELECTION_NAME = "Resources.NightlySelection.Properties.BackupSelection.SelectionName"
CHECK_ASSETS = "Resources.NightlyRoleCheckHandlerFunction.Properties.Code.S3Bucket"
CHECKED = "Resources.NightlyRoleCheck.Properties.ResourceArn"
ME = "123456789012"

Changes = dict[str, Json]

# Setting: its new value, then what becomes of the primary and of the DR template.
CASES: dict[str, tuple[Any, Changes, Changes]] = {
    "account": (
        "210987654321",
        {
            f"{SELECTED}.0": "arn:aws:dynamodb:us-west-1:210987654321:table/cabal-addresses",
            f"{SELECTED}.1": "arn:aws:elasticfilesystem:us-west-1:210987654321:"
            "file-system/fs-0123456789abcdef0",
            f"{COPY}.DestinationBackupVaultArn": "arn:aws:backup:us-west-2:210987654321:"
            "backup-vault:cabal-backup-dr",
            "Outputs.AddressesTableArn.Value": "arn:aws:dynamodb:us-west-1:210987654321:"
            "table/cabal-addresses",
            "Outputs.MailstoreArn.Value": "arn:aws:elasticfilesystem:us-west-1:210987654321:"
            "file-system/fs-0123456789abcdef0",
            "Outputs.DrVaultArn.Value": "arn:aws:backup:us-west-2:210987654321:"
            "backup-vault:cabal-backup-dr",
            COPY_TARGET: "arn:aws:backup:us-west-2:210987654321:backup-vault:cabal-backup-dr",
            ASSETS: "cdk-hnb659fds-assets-210987654321-us-west-1",
            CHECK_ASSETS: "cdk-hnb659fds-assets-210987654321-us-west-1",
            CHECKED: "arn:aws:dynamodb:us-west-1:210987654321:table/cabal-backup-role-check",
            SELECTION_NAME: "cabal-backup-56948ad0",
            "Resources.Role.Properties.Tags.0.Value": "210987654321",
            "Resources.Vault.Properties.BackupVaultTags.account": "210987654321",
        },
        {
            ASSETS: "cdk-hnb659fds-assets-210987654321-us-west-2",
            "Resources.Vault.Properties.BackupVaultTags.account": "210987654321",
        },
    ),
    "region": (
        "us-east-2",
        {
            f"{SELECTED}.0": f"arn:aws:dynamodb:us-east-2:{ME}:table/cabal-addresses",
            f"{SELECTED}.1": f"arn:aws:elasticfilesystem:us-east-2:{ME}:"
            "file-system/fs-0123456789abcdef0",
            "Outputs.AddressesTableArn.Value": f"arn:aws:dynamodb:us-east-2:{ME}:"
            "table/cabal-addresses",
            "Outputs.MailstoreArn.Value": f"arn:aws:elasticfilesystem:us-east-2:{ME}:"
            "file-system/fs-0123456789abcdef0",
            ASSETS: f"cdk-hnb659fds-assets-{ME}-us-east-2",
            CHECK_ASSETS: f"cdk-hnb659fds-assets-{ME}-us-east-2",
            CHECKED: f"arn:aws:dynamodb:us-east-2:{ME}:table/cabal-backup-role-check",
            SELECTION_NAME: "cabal-backup-9b76f6ec",
        },
        {},
    ),
    "dr_region": (
        "eu-west-1",
        {
            f"{COPY}.DestinationBackupVaultArn": f"arn:aws:backup:eu-west-1:{ME}:"
            "backup-vault:cabal-backup-dr",
            "Outputs.DrVaultArn.Value": f"arn:aws:backup:eu-west-1:{ME}:"
            "backup-vault:cabal-backup-dr",
            COPY_TARGET: f"arn:aws:backup:eu-west-1:{ME}:backup-vault:cabal-backup-dr",
        },
        {ASSETS: f"cdk-hnb659fds-assets-{ME}-eu-west-1"},
    ),
    "addresses_table": (
        "addresses-2",
        {
            f"{SELECTED}.0": f"arn:aws:dynamodb:us-west-1:{ME}:table/addresses-2",
            SELECTION_NAME: "cabal-backup-00612174",
            "Outputs.AddressesTableArn.Value": f"arn:aws:dynamodb:us-west-1:{ME}:table/addresses-2",
        },
        {},
    ),
    "mailstore_file_system_id": (
        "fs-89abcdef",
        {
            f"{SELECTED}.1": f"arn:aws:elasticfilesystem:us-west-1:{ME}:file-system/fs-89abcdef",
            SELECTION_NAME: "cabal-backup-b4e9230b",
            "Outputs.MailstoreArn.Value": f"arn:aws:elasticfilesystem:us-west-1:{ME}:"
            "file-system/fs-89abcdef",
        },
        {},
    ),
    "pitr_tables": (["cabal-push-tokens"], {}, {}),
    "profile": ("cabal-prod", {}, {}),
    "cold_after_days": (31, {f"{RULE}.Lifecycle.MoveToColdStorageAfterDays": 31}, {}),
    "delete_after_days": (364, {f"{RULE}.Lifecycle.DeleteAfterDays": 364}, {}),
    "dr_cold_after_days": (31, {f"{COPY}.Lifecycle.MoveToColdStorageAfterDays": 31}, {}),
    "dr_delete_after_days": (364, {f"{COPY}.Lifecycle.DeleteAfterDays": 364}, {}),
    "lock_min_days": (31, {f"{VAULT}.MinRetentionDays": 31}, {f"{VAULT}.MinRetentionDays": 31}),
    "lock_max_days": (366, {f"{VAULT}.MaxRetentionDays": 366}, {f"{VAULT}.MaxRetentionDays": 366}),
}


def changes(before: Stack, after: Stack) -> Changes:
    """What the template of `after` says differently, by path."""
    old, new = dict(leaves(plain(before.json))), dict(leaves(plain(after.json)))
    return {
        path: new.get(path, ABSENT)
        for path in old.keys() | new.keys()
        if old.get(path, ABSENT) != new.get(path, ABSENT)
    }


ELSEWHERE = {
    "backup": "test_app.py",
    **dict.fromkeys(
        (
            "air_gapped",
            "air_gapped_region",
            "air_gapped_min_days",
            "air_gapped_max_days",
            "air_gapped_delete_after_days",
            "air_gapped_share_with",
        ),
        "test_air_gapped.py",
    ),
    "alerts": "test_alert_channel.py",
    "alert_emails": "test_alert_channel.py",
    "alert_urls": "test_alert_channel.py",
    "alert_on_tampering": "test_alert_channel.py",
    "watch_schedule": "test_daily_watch.py",
    "heartbeat_parameter": "test_daily_watch.py",
    "report_bucket": "test_daily_watch.py",
    "restore_testing": "test_restore_test_plans.py",
    "restore_testing_schedule": "test_restore_test_plans.py",
    "restore_testing_tolerance_percent": "test_restore_test_plans.py",
    "dr_restore_testing_table_schedule": "test_restore_test_plans.py",
    "dr_restore_testing_mailstore_schedule": "test_restore_test_plans.py",
    "access_policies": "test_managed_policies.py",
}
"""Settings that decide whether something is there at all, and where they are tried."""


def test_every_setting_is_tried() -> None:
    assert CASES.keys() | ELSEWHERE.keys() == SETTINGS.keys()


@pytest.mark.parametrize("setting", CASES)
def test_a_setting_changes_what_it_is_about_and_nothing_else(
    synthesized: Synthesize, prod: Synthesized, setting: str
) -> None:
    value, primary, dr = CASES[setting]
    stage = synthesized(an_environment(**{**CORE, setting: value}))
    assert changes(prod.primary, stage.primary) == primary
    assert changes(prod.dr, stage.dr) == dr


@pytest.mark.parametrize(
    ("setting", "path"), [("cold_after_days", RULE), ("dr_cold_after_days", COPY)]
)
def test_no_cold_storage_takes_one_line_away(
    synthesized: Synthesize, prod: Synthesized, setting: str, path: str
) -> None:
    stage = synthesized(an_environment(**{**CORE, setting: "never"}))
    removed = {f"{path}.Lifecycle.MoveToColdStorageAfterDays": ABSENT}
    assert changes(prod.primary, stage.primary) == removed
    assert changes(prod.dr, stage.dr) == {}


def test_another_name_changes_the_tags_and_the_description(
    synthesized: Synthesize, prod: Synthesized
) -> None:
    stage = synthesized(an_environment("stage", **CORE))
    for before, after in zip(prod.stacks, stage.stacks, strict=True):
        changed = changes(before, after)
        description = changed.pop("Description")
        assert description.startswith("Cabal (stage): ")
        assert set(changed.values()) == {"stage"}
        tags = (".BackupVaultTags.environment", ".BackupPlanTags.environment")
        assert all(path.endswith(tags) or TAG.search(path) for path in changed)
