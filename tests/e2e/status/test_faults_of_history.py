"""The history, the role, a vault or the time is not what it seems, and its checks turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.exercise import write_reports
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY, Vault
from tests.sandbox.deployment import Deployment

Fault = Callable[[Deployment], object]
NotOk = Mapping[str, str]


def wiped(*vaults: Vault, nights_later: int = 0, kept: int = 4) -> Fault:
    """All recovery points but the newest are deleted, and the locks put back."""

    def inject(deployment: Deployment) -> None:
        for vault in vaults:
            with hand.unlocked(deployment.sandbox, vault):
                old = hand.points(deployment.sandbox, vault)[:-kept]
                hand.delete_points(deployment.sandbox, vault, old)
        if nights_later:
            deployment.sandbox.advance(days=nights_later)

    return inject


def being_deleted(vault: Vault) -> Fault:
    def inject(deployment: Deployment) -> None:
        deployment.sandbox.settings(deletion_duration=10 * 86_400)
        wiped(vault)(deployment)

    return inject


def in_order(*faults: Fault) -> Fault:
    def inject(deployment: Deployment) -> None:
        for fault in faults:
            fault(deployment)

    return inject


def a_night(deployment: Deployment) -> None:
    """To the same hour of the next day."""
    deployment.sandbox.advance(days=1)


def unlocked_for_a_while(deployment: Deployment) -> None:
    with ExitStack() as open_vaults:
        for vault in (PRIMARY, DR):
            open_vaults.enter_context(hand.unlocked(deployment.sandbox, vault))


def plan_made_anew(deployment: Deployment) -> None:
    """The same plan under a new id, and a night by it."""
    backup = deployment.sandbox.client("backup")
    plan_id = hand.plan_id(deployment.sandbox)
    plan = backup.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]
    for rule in plan["Rules"]:
        del rule["RuleId"]
    (listed,) = backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]
    selection = backup.get_backup_selection(
        BackupPlanId=plan_id, SelectionId=listed["SelectionId"]
    )["BackupSelection"]
    hand.delete_plan(deployment.sandbox)
    made = backup.create_backup_plan(BackupPlan=plan)["BackupPlanId"]
    backup.create_backup_selection(BackupPlanId=made, BackupSelection=selection)
    a_night(deployment)


BOTH = {"nights": "fail", "primary-lock": "warn", "primary-points": "warn"} | {
    "dr-lock": "warn",
    "dr-points": "warn",
}

HISTORY: Mapping[str, tuple[Fault, NotOk]] = {
    "both vaults were wiped but for the newest": (wiped(PRIMARY, DR), BOTH),
    "both vaults were wiped, five nights ago": (wiped(PRIMARY, DR, nights_later=5), BOTH),
    "both vaults were wiped, and no job is left of it": (
        wiped(PRIMARY, DR, nights_later=35),
        {
            "nights": "fail",
            "primary-points": "warn",
            "dr-points": "warn",
        },
    ),
    "the primary vault was wiped": (
        wiped(PRIMARY),
        {"nights": "fail", "primary-lock": "warn", "primary-points": "warn"},
    ),
    "the older copies were deleted": (
        wiped(DR),
        {"dr-copies": "fail", "dr-lock": "warn", "dr-points": "warn"},
    ),
    "older recovery points are being deleted": (
        being_deleted(PRIMARY),
        {"nights": "fail", "primary-lock": "warn", "primary-points": "fail"},
    ),
    "older copies are being deleted": (
        being_deleted(DR),
        {"dr-copies": "fail", "dr-lock": "warn", "dr-points": "fail"},
    ),
    "both vaults were wiped and the plan made anew": (
        in_order(wiped(PRIMARY, DR), plan_made_anew),
        BOTH,
    ),
    "the primary vault was emptied, deleted and made anew": (
        in_order(
            lambda d: hand.delete_vault(d.sandbox, PRIMARY),
            lambda d: d.sandbox.client("backup").create_backup_vault(
                BackupVaultName="cabal-backup"
            ),
            lambda d: hand.lock(d.sandbox, PRIMARY),
            a_night,
        ),
        {"nights": "fail"},
    ),
    "the locks were off for a while": (
        unlocked_for_a_while,
        {"primary-lock": "warn", "dr-lock": "warn"},
    ),
}


def inline(effect: str, *actions: str, **more: Any) -> Fault:
    """An inline policy of the role."""

    def inject(deployment: Deployment) -> None:
        statement = {"Effect": effect, "Action": list(actions), "Resource": "*", **more}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        deployment.sandbox.client("iam").put_role_policy(
            RoleName=hand.ROLE, PolicyName="more", PolicyDocument=json.dumps(document)
        )

    return inject


def attached(name: str, effect: str, *actions: str) -> Fault:
    """A policy of the account, attached to the role."""

    def inject(deployment: Deployment) -> None:
        iam = deployment.sandbox.client("iam")
        statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        made = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
        iam.attach_role_policy(RoleName=hand.ROLE, PolicyArn=made["Policy"]["Arn"])

    return inject


def trusting(*statements: Mapping[str, Any]) -> Fault:
    """Statements beside the one that was deployed."""

    def inject(deployment: Deployment) -> None:
        iam = deployment.sandbox.client("iam")
        trust = iam.get_role(RoleName=hand.ROLE)["Role"]["AssumeRolePolicyDocument"]
        whole = [{"Action": "sts:AssumeRole", **one} for one in statements]
        iam.update_assume_role_policy(
            RoleName=hand.ROLE,
            PolicyDocument=json.dumps({**trust, "Statement": [*trust["Statement"], *whole]}),
        )

    return inject


OTHER_ACCOUNT = {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}

ROLE: Mapping[str, tuple[Fault, NotOk]] = {
    "the role is denied backing up": (
        in_order(inline("Deny", "dynamodb:StartAwsBackupJob"), a_night),
        {"role": "fail", "last-night": "fail", "backup-jobs": "fail"},
    ),
    "an attached policy denies the role copying": (
        in_order(attached("deny", "Deny", "backup:CopyIntoBackupVault"), a_night),
        {"role": "fail", "dr-copies": "fail", "copy-jobs": "fail"},
    ),
    "a policy of the account has the name of AWS's": (
        in_order(
            lambda d: hand.strip(d.sandbox, hand.FOR_BACKUP),
            attached("AWSBackupServiceRolePolicyForBackup", "Allow", "s3:ListBucket"),
        ),
        {"role": "fail"},
    ),
    "the role may do more": (inline("Allow", "s3:GetObject"), {"role": "warn"}),
    "the role is denied what is of other accounts": (
        inline("Deny", "dynamodb:*", Condition=OTHER_ACCOUNT),
        {"role": "warn"},
    ),
    "the trust policy denies everyone": (
        in_order(trusting({"Effect": "Deny", "Principal": "*"}), a_night),
        {"role": "fail", "last-night": "fail", "backup-jobs": "fail"},
    ),
    "the trust policy lets in anyone": (
        trusting({"Effect": "Allow", "Principal": {"AWS": "*"}}),
        {"role": "fail"},
    ),
    "the trust policy lets in another role": (
        trusting({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}),
        {"role": "warn"},
    ),
}


def vault_policy(vault: Vault, *actions: str, effect: str = "Deny") -> Fault:
    def inject(deployment: Deployment) -> None:
        region, name = vault
        statement = {
            "Effect": effect,
            "Principal": {"AWS": "*"},
            "Action": list(actions),
            "Resource": "*",
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        deployment.sandbox.client("backup", region).put_backup_vault_access_policy(
            BackupVaultName=name, Policy=json.dumps(document)
        )

    return inject


VAULTS: Mapping[str, tuple[Fault, NotOk]] = {
    "the access policy of the primary vault denies backing up": (
        in_order(vault_policy(PRIMARY, "backup:StartBackupJob"), a_night),
        {"primary-vault": "warn", "last-night": "fail", "backup-jobs": "fail"},
    ),
    "the access policy of the DR vault denies copying": (
        in_order(vault_policy(DR, "backup:CopyIntoBackupVault"), a_night),
        {"dr-vault": "warn", "dr-copies": "fail", "copy-jobs": "fail"},
    ),
    "the access policy of the primary vault denies copying": (
        in_order(vault_policy(PRIMARY, "backup:CopyFromBackupVault"), a_night),
        {"primary-vault": "warn", "dr-copies": "fail", "copy-jobs": "fail"},
    ),
    "the access policy of the primary vault denies restoring": (
        vault_policy(PRIMARY, "backup:StartRestoreJob"),
        {"primary-vault": "warn"},
    ),
    "the DR vault is open to everyone": (
        vault_policy(DR, "backup:CopyIntoBackupVault", effect="Allow"),
        {"dr-vault": "warn"},
    ),
    "a vault is FAILED": (
        in_order(
            lambda d: d.sandbox.faults.apply(vault_states={"cabal-backup": "FAILED"}), a_night
        ),
        {"primary-vault": "fail", "last-night": "fail", "backup-jobs": "fail"},
    ),
}


def completes_with_issues(kind: str) -> Fault:
    def inject(deployment: Deployment) -> None:
        deployment.sandbox.faults.fail_next(
            kind, resource_type="EFS", message="Some files were left out.", state="COMPLETED"
        )
        a_night(deployment)

    return inject


def covered_on_demand(deployment: Deployment) -> None:
    """The night of the table is missed, and made up for by hand at noon."""
    deployment.sandbox.faults.fail_next("backup", resource_type="DynamoDB", message="No.")
    a_night(deployment)
    hand.back_up(deployment, Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365})


def every_second_night_fails(deployment: Deployment) -> None:
    for _ in range(10):
        deployment.sandbox.faults.fail_next("backup", resource_type="EFS", message="No.")
        deployment.sandbox.advance(days=2)


def made_under_another_role(deployment: Deployment) -> None:
    iam = deployment.sandbox.client("iam")
    trust = iam.get_role(RoleName=hand.ROLE)["Role"]["AssumeRolePolicyDocument"]
    made = iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.attach_role_policy(RoleName="other", PolicyArn=hand.FOR_BACKUP)
    deployment.sandbox.client("backup").start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=deployment.cabal.addresses_table_arn,
        IamRoleArn=made["Arn"],
        Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
    )
    deployment.sandbox.advance(hours=1)
    iam.detach_role_policy(RoleName="other", PolicyArn=hand.FOR_BACKUP)
    iam.delete_role(RoleName="other")


def never_deleted(deployment: Deployment) -> None:
    """Beyond the end of the first recovery points, which stay."""
    deployment.sandbox.faults.apply(hold=["expiry"])
    deployment.sandbox.advance(days=335)


def drilled_in_the_future(deployment: Deployment) -> None:
    sandbox = deployment.sandbox
    when = sandbox.now() + timedelta(days=10)
    write_reports(sandbox.data / "drills", deployment.environment, when)


TIME: Mapping[str, tuple[Fault, NotOk]] = {
    "a backup completed with issues": (completes_with_issues("backup"), {"backup-jobs": "warn"}),
    "a copy completed with issues": (completes_with_issues("copy"), {"copy-jobs": "warn"}),
    "a missed night was made up for on demand": (
        covered_on_demand,
        {"last-night": "warn", "backup-jobs": "warn"},
    ),
    "every second night fails": (
        every_second_night_fails,
        {"nights": "fail", "backup-jobs": "warn"},
    ),
    "a recovery point was made under a role that is no longer there": (
        made_under_another_role,
        {"primary-points": "warn"},
    ),
    "recovery points are not deleted at their end": (
        never_deleted,
        {"primary-points": "warn", "dr-points": "warn"},
    ),
    "drills are dated in the future": (drilled_in_the_future, {"drill": "warn"}),
}

FAULTS = {**HISTORY, **ROLE, **VAULTS, **TIME}


@pytest.mark.parametrize("fault", FAULTS)
def test_exactly_the_expected_checks_change(operator: Operator, fault: str) -> None:
    inject, expected = FAULTS[fault]

    inject(operator.deployment)

    assert operator.not_ok() == expected


# --- trails, which matter where alerts are wanted


def a_trail(
    home: str = "us-west-1", *, bucket: bool = True, refuses: bool = False, **selectors: Any
) -> Fault:
    """A trail for all regions; without selectors it logs every management event."""

    def inject(deployment: Deployment) -> None:
        sandbox = deployment.sandbox
        sandbox.client("s3").create_bucket(
            Bucket="audit-logs", CreateBucketConfiguration={"LocationConstraint": "us-west-1"}
        )
        cloudtrail = sandbox.client("cloudtrail", home)
        cloudtrail.create_trail(Name="audit", S3BucketName="audit-logs", IsMultiRegionTrail=True)
        cloudtrail.start_logging(Name="audit")
        if selectors:
            cloudtrail.put_event_selectors(TrailName="audit", **selectors)
        if not bucket:
            sandbox.client("s3").delete_bucket(Bucket="audit-logs")
        if refuses:
            rule = {"service": "cloudtrail", "operation": "GetEventSelectors"}
            sandbox.faults.services({**rule, "error": "TrailNotFoundException", "message": "No."})

    return inject


TRAILS: Mapping[str, tuple[Fault, NotOk]] = {
    "there is a trail": (a_trail(), {}),
    "the trail can be stopped in a third region": (a_trail("eu-west-1"), {"trail": "warn"}),
    "the trail's bucket was deleted": (a_trail(bucket=False), {"trail": "warn"}),
    "the organization's trail is the only one, and refuses to be looked at": (
        a_trail(refuses=True),
        {"trail": "unknown"},
    ),
    "the trail logs only what reads": (
        a_trail(EventSelectors=[{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]),
        {"trail": "warn"},
    ),
    "the trail logs only what reads, by a field": (
        a_trail(
            AdvancedEventSelectors=[
                {
                    "FieldSelectors": [
                        {"Field": "eventCategory", "Equals": ["Management"]},
                        {"Field": "readOnly", "Equals": ["true"]},
                    ]
                }
            ]
        ),
        {"trail": "warn"},
    ),
}


@pytest.mark.parametrize("trail", TRAILS)
def test_what_a_trail_must_log(operator: Operator, trail: str) -> None:
    inject, expected = TRAILS[trail]
    inject(operator.deployment)

    findings = operator.run("status", "--json", "--only", "trail", alerts="true").json["findings"]

    assert {each["check"]: each["status"] for each in findings if each["status"] != "ok"} == (
        expected
    )


# --- no faults


def copied_again_when_cold(deployment: Deployment) -> None:
    oldest = hand.points(deployment.sandbox, PRIMARY)[0]
    hand.copy_again(deployment.sandbox, oldest["RecoveryPointArn"])


def mistyped(deployment: Deployment) -> None:
    deployment.sandbox.client("backup").start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=deployment.cabal.addresses_table_arn.replace("addresses", "adresses"),
        IamRoleArn=hand.ROLE_ARN,
    )
    deployment.sandbox.advance(hours=1)


def another_table(deployment: Deployment) -> None:
    deployment.sandbox.client("backup").start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-counter",
        IamRoleArn=hand.ROLE_ARN,
        Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
    )
    deployment.sandbox.advance(days=1)


def on_demand(deployment: Deployment) -> None:
    hand.back_up(deployment, Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365})
    a_night(deployment)


def updating(deployment: Deployment) -> None:
    efs = deployment.sandbox.client("efs")
    efs.update_file_system(FileSystemId=deployment.cabal.file_system_id, ThroughputMode="elastic")
    (mailstore,) = efs.describe_file_systems()["FileSystems"]
    assert mailstore["LifeCycleState"] == "updating"


HARMLESS: Mapping[str, tuple[Fault, NotOk]] = {
    "an old recovery point is copied again, in vain": (
        copied_again_when_cold,
        {"copy-jobs": "warn"},
    ),
    "a backup on demand of a mistyped ARN": (mistyped, {}),
    "a backup on demand of another table": (another_table, {}),
    "a backup on demand": (on_demand, {}),
    "the trust policy denies other accounts": (
        trusting(
            {
                "Effect": "Deny",
                "Principal": {"Service": "backup.amazonaws.com"},
                "Condition": {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}},
            }
        ),
        {},
    ),
    "the plan was made anew": (plan_made_anew, {}),
    "the mailstore is updating": (updating, {}),
}


@pytest.mark.parametrize("event", HARMLESS)
def test_what_is_harmless_does_not_fail(operator: Operator, event: str) -> None:
    happen, expected = HARMLESS[event]

    happen(operator.deployment)

    assert operator.not_ok() == expected


def test_a_fresh_deployment_is_not_unprotected(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(deployed, monkeypatch, capsys)

    assert operator.not_ok() == {
        "last-night": "warn",
        "copy-back": "warn",
        "restore-tests": "warn",
    }


def test_a_restore_of_another_table_is_no_exercise(
    deployed: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(deployed, monkeypatch, capsys)
    another_table(deployed)
    backup = deployed.sandbox.client("backup")
    points = backup.list_recovery_points_by_backup_vault(BackupVaultName="cabal-backup")
    other = next(p for p in points["RecoveryPoints"] if "cabal-counter" in p["ResourceArn"])

    def restore(point: str, table: str) -> None:
        backup.start_restore_job(
            RecoveryPointArn=point,
            IamRoleArn=hand.ROLE_ARN,
            ResourceType="DynamoDB",
            Metadata={"targetTableName": table},
        )
        deployed.sandbox.advance(hours=1)

    def found() -> str:
        return operator.run("status", "--only", "restore-tests").text

    restore(other["RecoveryPointArn"], "cabal-counter-restored")
    assert "No restore of the table nor the mailstore within a year" in found()
    mine = next(p for p in points["RecoveryPoints"] if "cabal-addresses" in p["ResourceArn"])
    restore(mine["RecoveryPointArn"], "cabal-addresses-restored")
    assert "No restore of the mailstore within a year" in found()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (timedelta(minutes=2), {}),
        (timedelta(minutes=-2), {}),
        (timedelta(minutes=4), {"clock": "unknown"}),
        (timedelta(minutes=-4), {"clock": "unknown"}),
    ],
)
def test_the_clock_of_the_machine(operator: Operator, wrong: timedelta, expected: NotOk) -> None:
    assert operator.not_ok(at=operator.clock.now() + wrong) == expected


def test_a_clock_that_is_a_day_slow(operator: Operator) -> None:
    """The clock is a day slow: to it, last night's recovery points are of the future."""
    seen = operator.not_ok(at=operator.clock.now() - timedelta(days=1))

    assert seen["clock"] == "unknown"
    assert seen["primary-points"] == seen["drill"] == "warn"


def test_an_environment_without_other_tables_warns(operator: Operator) -> None:
    findings = operator.run("status", "--json", pitr_tables="").json["findings"]

    (tables,) = (each for each in findings if each["check"] == "tables")
    assert tables["status"] == "warn"
