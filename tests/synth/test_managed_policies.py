"""The managed policies: who may do what, written as narrowly as IAM can say it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack

from cabal_backup.config.constraints import Conflict
from cabal_backup.config.environment import SETTINGS
from cabal_backup.infrastructure.grant import Grant, managed_policy
from cabal_backup.infrastructure.managed_policies import too_long
from tests.builders import CORE, an_environment, settings
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized
from tests.synth.test_sensitivity import changes

POLICY = "AWS::IAM::ManagedPolicy"
AUDITOR, OPERATOR, BREAK_GLASS = (
    "cabal-backup-auditor",
    "cabal-backup-operator",
    "cabal-backup-break-glass",
)
POLICIES = (AUDITOR, OPERATOR, BREAK_GLASS)
LIVE_TABLES = (
    "cabal-addresses",
    "cabal-counter",
    "cabal-user-preferences",
    "cabal-user-domain-access",
    "cabal-dmarc-reports",
)
TABLE = "arn:aws:dynamodb:us-west-1:123456789012:table/"
MAILSTORE = "arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/fs-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/cabal-backup-role"

TAKES_PROTECTION_AWAY = {
    "backup:DeleteBackupVault",
    "backup:DeleteBackupVaultLockConfiguration",
    "backup:DeleteRecoveryPoint",
    "cloudformation:DeleteStack",
    "cloudformation:UpdateTerminationProtection",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
}


@pytest.fixture(scope="session")
def guarded(synthesized: Synthesize) -> Synthesized:
    return synthesized(an_environment(**{**CORE, "access_policies": True}))


def stack(stage: Synthesized) -> Stack:
    """The stack of the access policies."""
    assert stage.access is not None
    return stage.access


def policies(stage: Synthesized) -> dict[str, Json]:
    """The three, by name, as IAM gets them."""
    return {
        policy["Properties"]["ManagedPolicyName"]: stack(stage).in_account(policy["Properties"])
        for policy in stack(stage).all(POLICY).values()
    }


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def services_of(statement: Json) -> set[str]:
    return {action.split(":")[0] for action in listed(statement["Action"])}


def statements(stage: Synthesized, name: str) -> list[Json]:
    found: list[Json] = policies(stage)[name]["PolicyDocument"]["Statement"]
    return found


def allowed(stage: Synthesized, name: str) -> Iterator[tuple[str, str, Json]]:
    """Each action with each resource it is allowed on, and the statement."""
    for statement in statements(stage, name):
        if statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield action, resource, statement


def test_switched_off_there_are_none(prod: Synthesized) -> None:
    assert prod.access is None


def test_switched_on_there_are_three_policies_and_their_outputs_and_nothing_else(
    prod: Synthesized, guarded: Synthesized
) -> None:
    assert sorted(policies(guarded)) == sorted(POLICIES)
    assert stack(guarded).types == {POLICY: 3}
    assert stack(guarded).json["Outputs"].keys() == {
        "AuditorPolicyArn",
        "OperatorPolicyArn",
        "BreakGlassPolicyArn",
    }
    assert changes(prod.primary, guarded.primary) == {}
    assert changes(prod.dr, guarded.dr) == {}


def test_they_are_off_unless_switched_on(whole: Synthesized) -> None:
    assert whole.access is None


def test_their_stack_outlasts_the_primary_region(guarded: Synthesized) -> None:
    assert stack(guarded).region == guarded.dr.region
    assert stack(guarded).artifact.get("dependencies", []) == [
        f"{stack(guarded).artifact_id}.assets"
    ]


def test_the_outputs_are_their_arns(guarded: Synthesized) -> None:
    ids = {
        policy["Properties"]["ManagedPolicyName"]: logical_id
        for logical_id, policy in stack(guarded).all(POLICY).items()
    }
    outputs = stack(guarded).json["Outputs"]
    assert outputs["AuditorPolicyArn"]["Value"] == {"Ref": ids[AUDITOR]}
    assert outputs["OperatorPolicyArn"]["Value"] == {"Ref": ids[OPERATOR]}
    assert outputs["BreakGlassPolicyArn"]["Value"] == {"Ref": ids[BREAK_GLASS]}


@pytest.mark.parametrize("name", POLICIES)
def test_attached_to_no_one(guarded: Synthesized, name: str) -> None:
    assert policies(guarded)[name].keys() & {"Roles", "Users", "Groups"} == set()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(("aws", "us-west-1", "us-west-2"), id="aws"),
        pytest.param(("aws", "ap-southeast-1", "ap-southeast-2"), id="longest-region"),
        pytest.param(("aws-cn", "cn-north-1", "cn-northwest-1"), id="aws-cn"),
        pytest.param(("aws-us-gov", "us-gov-west-1", "us-gov-east-1"), id="aws-us-gov"),
    ],
)
def somewhere(request: pytest.FixtureRequest, synthesized: Synthesize) -> tuple[str, Synthesized]:
    partition, region, dr_region = request.param
    wanted = {**CORE, "access_policies": True, "region": region, "dr_region": dr_region}
    return partition, synthesized(an_environment(**wanted))


@pytest.mark.parametrize("name", POLICIES)
def test_short_enough_for_iam(somewhere: tuple[str, Synthesized], name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    _, stage = somewhere
    assert length(stage, name) <= 6144 - ROOM


ROOM = 600
"""Characters of a further statement, with two resources in each region."""


def length(stage: Synthesized, name: str) -> int:
    """Without white space, as IAM counts."""
    return len(re.sub(r"\s", "", json.dumps(policies(stage)[name]["PolicyDocument"])))


@pytest.mark.parametrize("name", POLICIES)
def test_every_arn_is_of_the_partition_and_the_account(
    somewhere: tuple[str, Synthesized], name: str
) -> None:
    partition, stage = somewhere
    for _, resource, statement in allowed(stage, name):
        if resource == "*":
            continue
        _, of, service, region, account, _ = resource.split(":", 5)
        if service == "cloudtrail":  # a trail may be the organization's, and live anywhere
            assert (of, region, account) == (partition, "*", "*")
            continue
        assert (of, account) == (partition, "123456789012")
        regions = {stage.primary.region, stage.dr.region}
        assert region in ({""} if service == "iam" else regions)
        # A recovery point from before the opt-in is a backup of DynamoDB's.
        of_dynamodb = resource.endswith("table/cabal-addresses/backup/*")
        services = {"dynamodb"} if of_dynamodb else services_of(statement)
        assert service in services


CABALS_TABLES = (
    *("counter", "user-preferences", "user-domain-access", "dmarc-reports", "caa-reports"),
    *("push-tokens", "rate-limits", "user-rules", "user-rules-audit"),
    *("rss-feeds", "rss-entries", "rss-subscriptions", "rss-entry-state", "rss-folders"),
)
"""Those of Cabal in October 2026, beside cabal-addresses."""


@pytest.mark.parametrize("name", POLICIES)
def test_all_tables_of_cabal_fit(synthesized: Synthesize, name: str) -> None:
    tables = [f"cabal-{table}" for table in CABALS_TABLES]
    wanted = {**CORE, "access_policies": True, "pitr_tables": tables}
    longest = {"region": "ap-southeast-1", "dr_region": "ap-southeast-2"}
    assert length(synthesized(an_environment(**wanted, **longest)), name) <= 6144


def test_a_table_with_another_name_is_named(synthesized: Synthesize) -> None:
    wanted = {**CORE, "access_policies": True, "pitr_tables": ["cabal-counter", "counters"]}
    stage = synthesized(an_environment(**wanted))
    reached = {r for a, r, _ in allowed(stage, OPERATOR) if a == "dynamodb:Scan"}
    elsewhere = TABLE.replace("us-west-1", "us-west-2")
    assert reached == {f"{TABLE}cabal-*", f"{TABLE}counters*", f"{elsewhere}cabal-*"}


MANY = [f"orders-{number:03d}-{'x' * 40}" for number in range(30)]


def conflicts(**wanted: object) -> list[Conflict]:
    return list(too_long({name: s.default for name, s in SETTINGS.items()} | settings(**wanted)))


def test_more_tables_than_a_policy_can_name_are_a_conflict_of_the_settings() -> None:
    auditor, conflict = conflicts(alerts=False, access_policies=True, pitr_tables=MANY)
    assert "cabal-backup-auditor would have" in auditor.rule
    assert conflict.setting == "pitr_tables"
    assert re.search(r"cabal-backup-operator would have [\d,]+ characters", conflict.rule)
    assert "6,144" in conflict.rule
    assert "access_policies to false" in conflict.remedy
    assert conflicts(access_policies=True, pitr_tables=MANY[:2]) == []
    assert conflicts(alerts=False, access_policies=False, pitr_tables=MANY) == []


def test_the_watch_has_the_auditors_policy_too() -> None:
    (conflict,) = conflicts(access_policies=False, pitr_tables=MANY)
    assert re.search(r"the watch's policy would have [67],\d{3} characters", conflict.rule)
    assert conflict.remedy == "list fewer of them, or set alerts to false"
    assert conflicts(access_policies=False, pitr_tables=MANY[:20]) == []


def test_the_length_is_that_of_the_policy(synthesized: Synthesize) -> None:
    """Synthesized without the check, which `app.py` makes."""
    wanted = {**CORE, "access_policies": True, "pitr_tables": MANY}
    stage = synthesized(an_environment(**wanted))
    for conflict, name in zip(conflicts(**wanted), (AUDITOR, OPERATOR), strict=True):
        assert f"would have {length(stage, name):,} characters" in conflict.rule


@pytest.mark.parametrize("name", POLICIES)
def test_every_action_is_named_in_full(guarded: Synthesized, name: str) -> None:
    for statement in statements(guarded, name):
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z]+", action)


def test_a_wildcard_without_a_reason_is_refused() -> None:
    grant = Grant("s3: GetObject", ["arn:aws:s3:::bucket/*"])
    with pytest.raises(ValueError, match=r"why arn:aws:s3:::bucket/\* is not named"):
        managed_policy(CdkStack(App(), "Stack"), "Policy", [grant], description="")


@pytest.mark.parametrize("name", POLICIES)
def test_on_everything_there_is_only_looking(guarded: Synthesized, name: str) -> None:
    for action, resource, _ in allowed(guarded, name):
        if resource == "*":
            assert action.split(":")[1].startswith(("List", "Describe", "Lookup", "Get"))


def test_the_auditor_changes_nothing_and_reads_no_item(guarded: Synthesized) -> None:
    for action, _, _ in allowed(guarded, AUDITOR):
        reading = ("List", "Describe", "Lookup", "Get", "Simulate")
        assert action.split(":")[1].startswith(reading)
        assert action not in ("dynamodb:GetItem", "s3:GetObject")


@pytest.mark.parametrize("name", [AUDITOR, OPERATOR])
def test_only_break_glass_takes_protection_away(guarded: Synthesized, name: str) -> None:
    held = {action for action, _, _ in allowed(guarded, name)}
    assert held & (TAKES_PROTECTION_AWAY | {"backup:PutBackupVaultLockConfiguration"}) == set()
    broken = {action for action, _, _ in allowed(guarded, BREAK_GLASS)}
    assert broken >= TAKES_PROTECTION_AWAY


def test_the_operator_hands_over_one_role_to_one_service(guarded: Synthesized) -> None:
    (passing,) = ((r, s) for a, r, s in allowed(guarded, OPERATOR) if a == "iam:PassRole")
    resource, statement = passing
    assert resource == ROLE
    assert statement["Action"] == "iam:PassRole"
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}
    }


@pytest.mark.parametrize("table", LIVE_TABLES)
def test_the_operator_deletes_tables_the_tool_made_and_no_live_one(
    guarded: Synthesized, table: str
) -> None:
    deletable = [r for a, r, _ in allowed(guarded, OPERATOR) if a == "dynamodb:DeleteTable"]

    def can_go(name: str) -> bool:
        return any(fnmatchcase(TABLE + name, pattern) for pattern in deletable)

    assert can_go(f"{table}-restored-20260101-003412")
    assert can_go(f"{table}-restored-20260101-latest")
    assert can_go(f"{table}-before-20261231-235959")
    assert can_go(f"{table}-drill-20261231-235959-cutover")
    assert not can_go(table)
    assert not can_go(f"{table}-archive")
    assert not can_go(f"{table}-20260101")
    assert not can_go("orders-restored-20260101-003412")


def test_the_settings_of_a_tagged_table_are_not_the_operators(guarded: Synthesized) -> None:
    """IAM cannot tell switching point-in-time recovery on from switching it off."""
    for action in ("TagResource", "UpdateContinuousBackups", "UpdateTable", "UpdateTimeToLive"):
        holding = [s for a, _, s in allowed(guarded, OPERATOR) if a == f"dynamodb:{action}"]
        assert holding
        for statement in holding:
            assert statement["Condition"] == {
                "Null": {"aws:ResourceTag/managed_by_terraform": "true"}
            }
            assert listed(statement["Resource"]) == [
                f"{TABLE}cabal-*",
                f"{TABLE.replace('us-west-1', 'us-west-2')}cabal-*",
            ]


def test_whatever_the_operator_may_change_about_file_systems_is_denied_on_the_mailstore(
    guarded: Synthesized,
) -> None:
    (denied,) = (s for s in statements(guarded, OPERATOR) if s["Effect"] == "Deny")
    changing = {
        action
        for action, _, _ in allowed(guarded, OPERATOR)
        if action.startswith("elasticfilesystem:") and ":Describe" not in action
    }
    assert changing
    assert set(denied["Action"]) == changing
    assert denied["Resource"] == MAILSTORE
    assert "Condition" not in denied


def test_a_file_system_with_another_name_is_not_the_operators(guarded: Synthesized) -> None:
    for action, _, statement in allowed(guarded, OPERATOR):
        if action.startswith("elasticfilesystem:") and ":Describe" not in action:
            assert statement["Condition"] == {
                "StringEqualsIfExists": {"aws:ResourceTag/Name": "cabal-efs"}
            }


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_asks_for_mfa(guarded: Synthesized, name: str) -> None:
    """The session of a role never carries it: such a policy would grant nothing.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    """
    assert "MultiFactorAuth" not in json.dumps(statements(guarded, name))


def test_the_operator_restores_in_both_regions(guarded: Synthesized) -> None:
    reached = {r for a, r, _ in allowed(guarded, OPERATOR) if a == "backup:StartRestoreJob"}
    assert reached >= {
        f"arn:aws:backup:{region}:123456789012:recovery-point:*"
        for region in ("us-west-1", "us-west-2")
    }


def test_break_glass_cannot_set_a_lock_in_compliance_mode(guarded: Synthesized) -> None:
    denied = [s for s in statements(guarded, BREAK_GLASS) if s["Effect"] == "Deny"]
    assert denied == [
        {
            "Effect": "Deny",
            "Action": "backup:PutBackupVaultLockConfiguration",
            "Resource": "*",
            "Condition": {"Null": {"backup:ChangeableForDays": "false"}},
        }
    ]


def test_break_glass_reaches_only_what_this_application_made(guarded: Synthesized) -> None:
    reached: dict[str, set[str]] = {}
    for action, resource, _ in allowed(guarded, BREAK_GLASS):
        if action in TAKES_PROTECTION_AWAY | {"backup:PutBackupVaultLockConfiguration"}:
            reached.setdefault(action, set()).add(resource)
    backup = "arn:aws:backup:{}:123456789012:{}"
    vaults = {
        backup.format("us-west-1", "backup-vault:cabal-backup"),
        backup.format("us-west-2", "backup-vault:cabal-backup-dr"),
    }
    stacks = {
        "arn:aws:cloudformation:us-west-1:123456789012:stack/cabal-backup/*",
        "arn:aws:cloudformation:us-west-2:123456789012:stack/cabal-backup-dr/*",
        "arn:aws:cloudformation:us-west-2:123456789012:stack/cabal-backup-access/*",
    }
    policies_themselves = {f"arn:aws:iam::123456789012:policy/{name}" for name in POLICIES}
    assert reached == {
        "backup:DeleteBackupVault": vaults,
        "backup:DeleteBackupVaultLockConfiguration": vaults,
        "backup:PutBackupVaultLockConfiguration": vaults,
        "backup:DeleteRecoveryPoint": {
            backup.format("us-west-1", "recovery-point:*"),
            backup.format("us-west-2", "recovery-point:*"),
            f"{TABLE}cabal-addresses/backup/*",
        },
        "cloudformation:DeleteStack": stacks,
        "cloudformation:UpdateTerminationProtection": stacks,
        "iam:DeleteRole": {ROLE},
        "iam:DeleteRolePolicy": {ROLE},
        "iam:DetachRolePolicy": {ROLE},
        "iam:DeletePolicy": policies_themselves,
        "iam:DeletePolicyVersion": policies_themselves,
    }


def test_they_are_retained_when_their_stack_is_deleted(guarded: Synthesized) -> None:
    """IAM deletes no policy that is attached, and break-glass ends a teardown."""
    for policy in stack(guarded).all(POLICY).values():
        assert policy["DeletionPolicy"] == "RetainExceptOnCreate"
        assert policy["UpdateReplacePolicy"] == "Retain"
