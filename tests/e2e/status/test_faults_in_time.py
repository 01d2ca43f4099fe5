"""Something goes wrong at night, or AWS cannot be asked, and exactly its checks turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY
from tests.sandbox.deployment import Deployment

Fault = Callable[[Deployment], object]
NotOk = Mapping[str, str]


def a_night(deployment: Deployment) -> None:
    """To the same hour of the next day."""
    deployment.sandbox.advance(days=1)


def missed(deployment: Deployment) -> None:
    """Nothing is selected for a night, and everything again after it."""
    backup, plan = deployment.sandbox.client("backup"), hand.plan_id(deployment.sandbox)
    (listed,) = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    selection = backup.get_backup_selection(BackupPlanId=plan, SelectionId=listed["SelectionId"])[
        "BackupSelection"
    ]
    hand.delete_selections(deployment.sandbox)
    a_night(deployment)
    hand.select(deployment.sandbox, "cabal-backup", Resources=selection["Resources"])


def earlier_missed(deployment: Deployment) -> None:
    missed(deployment)
    a_night(deployment)


def ends_next(kind: str, resource_type: str, state: str) -> Fault:
    """The next job ends in this state, and the night goes by."""

    def inject(deployment: Deployment) -> None:
        deployment.sandbox.faults.fail_next(
            kind, resource_type=resource_type, message="Something broke.", state=state
        )
        a_night(deployment)

    return inject


def fails_next(kind: str, resource_type: str) -> Fault:
    return ends_next(kind, resource_type, "FAILED")


def long_copy(deployment: Deployment) -> None:
    """The mailstore's copy of one night takes 36 hours: the next night expires meanwhile."""
    deployment.sandbox.settings(efs_copy=36 * 3600)
    a_night(deployment)
    a_night(deployment)


def backup_failed_earlier(deployment: Deployment) -> None:
    fails_next("backup", "EFS")(deployment)
    a_night(deployment)


def copy_made_up_for(deployment: Deployment) -> None:
    fails_next("copy", "EFS")(deployment)
    newest = [p for p in hand.points(deployment.sandbox, PRIMARY) if p["ResourceType"] == "EFS"][-1]
    hand.copy_again(deployment.sandbox, newest["RecoveryPointArn"])


def foreign_copy(deployment: Deployment) -> None:
    """With the role of the environment, which is denied it."""
    backup = deployment.sandbox.client("backup", "us-west-2")
    vault = backup.create_backup_vault(BackupVaultName="mine")["BackupVaultArn"]
    backup.start_copy_job(
        RecoveryPointArn=hand.points(deployment.sandbox, DR)[-1]["RecoveryPointArn"],
        SourceBackupVaultName="cabal-backup-dr",
        DestinationBackupVaultArn=vault,
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
    )
    deployment.sandbox.advance(hours=1)


def copy_deleted(deployment: Deployment) -> None:
    with hand.unlocked(deployment.sandbox, DR):
        hand.delete_points(deployment.sandbox, DR, hand.points(deployment.sandbox, DR)[-1:])


def copy_deleted_and_another_made_twice(deployment: Deployment) -> None:
    """As many copies as recovery points, but one is missing."""
    tables = [
        p for p in hand.points(deployment.sandbox, PRIMARY) if p["ResourceType"] == "DynamoDB"
    ]
    copies = [p for p in hand.points(deployment.sandbox, DR) if p["ResourceType"] == "DynamoDB"]
    hand.copy_again(deployment.sandbox, tables[-1]["RecoveryPointArn"])
    with hand.unlocked(deployment.sandbox, DR):
        hand.delete_points(deployment.sandbox, DR, copies[-2:-1])


def changed_before_a_night(change: Fault) -> Fault:
    def inject(deployment: Deployment) -> None:
        change(deployment)
        a_night(deployment)

    return inject


def held(kind: str) -> Fault:
    def inject(deployment: Deployment) -> None:
        deployment.sandbox.faults.apply(hold=[kind])
        a_night(deployment)

    return inject


def kept_forever(deployment: Deployment) -> None:
    with hand.unlocked(deployment.sandbox, PRIMARY):
        hand.back_up(deployment)


def expired(deployment: Deployment) -> None:
    """The role may not delete the oldest point, which stays behind as EXPIRED."""
    iam = deployment.sandbox.client("iam")
    with hand.unlocked(deployment.sandbox, PRIMARY):
        hand.strip(deployment.sandbox, hand.FOR_BACKUP)
        oldest = hand.points(deployment.sandbox, PRIMARY)[:1]
        hand.delete_points(deployment.sandbox, PRIMARY, oldest)
        iam.attach_role_policy(RoleName=hand.ROLE, PolicyArn=hand.FOR_BACKUP)


def without_service_linked_role(deployment: Deployment) -> None:
    with hand.unlocked(deployment.sandbox, PRIMARY):
        deployment.sandbox.faults.apply(service_linked_role=False)
        oldest = hand.points(deployment.sandbox, PRIMARY)[:1]
        hand.delete_points(deployment.sandbox, PRIMARY, oldest)


def idle_for(days: int) -> Fault:
    def inject(deployment: Deployment) -> None:
        hand.delete_selections(deployment.sandbox)
        deployment.sandbox.advance(days=days)

    return inject


NIGHTS: Mapping[str, tuple[Fault, NotOk]] = {
    "last night was missed": (missed, {"last-night": "fail"}),
    "an earlier night was missed": (earlier_missed, {"nights": "warn"}),
    "last night's backup failed": (
        fails_next("backup", "EFS"),
        {"last-night": "fail", "backup-jobs": "fail"},
    ),
    "an earlier backup failed": (
        backup_failed_earlier,
        {"nights": "warn", "backup-jobs": "warn"},
    ),
    "a long copy kept the next night waiting": (
        long_copy,
        {"last-night": "fail", "backup-jobs": "fail"},
    ),
    "last night's backup is partial": (
        ends_next("backup", "EFS", "PARTIAL"),
        {"last-night": "fail", "backup-jobs": "fail", "primary-points": "warn"},
    ),
    "last night's copy is partial": (
        ends_next("copy", "EFS", "PARTIAL"),
        {"dr-copies": "fail", "copy-jobs": "fail", "dr-points": "warn"},
    ),
    "a recovery point could not be removed without the service-linked role": (
        without_service_linked_role,
        {"primary-points": "warn", "primary-lock": "warn", "nights": "fail"},
    ),
    "last night's backup still runs": (held("backup"), {"last-night": "warn"}),
    "last night's copy failed": (
        fails_next("copy", "DynamoDB"),
        {"dr-copies": "fail", "copy-jobs": "fail"},
    ),
    "a failed copy was made up for": (copy_made_up_for, {"copy-jobs": "warn"}),
    "a copy went to another vault": (foreign_copy, {"foreign-copies": "warn"}),
    "a copy was deleted": (
        copy_deleted,
        {"dr-copies": "fail", "dr-lock": "warn", "dr-points": "warn"},
    ),
    "a copy was deleted, and another one made twice": (
        copy_deleted_and_another_made_twice,
        {"dr-copies": "fail", "dr-lock": "warn", "dr-points": "warn"},
    ),
    "the mailstore was replaced before the night": (
        changed_before_a_night(hand.delete_file_system),
        {"resources": "fail", "last-night": "fail", "backup-jobs": "fail"},
    ),
    "the role could not back up at night": (
        changed_before_a_night(lambda d: hand.strip(d.sandbox, hand.FOR_BACKUP)),
        {"role": "fail", "last-night": "fail", "backup-jobs": "fail"},
    ),
    "the lock refused the night": (
        changed_before_a_night(lambda d: hand.lock(d.sandbox, PRIMARY, most=364)),
        {"primary-lock": "fail", "last-night": "fail", "backup-jobs": "fail"},
    ),
    "the lock of the DR vault refused the copies": (
        changed_before_a_night(lambda d: hand.lock(d.sandbox, DR, most=364)),
        {"dr-lock": "fail", "dr-copies": "fail", "copy-jobs": "fail"},
    ),
    "the night went by without the opt-in": (
        changed_before_a_night(lambda d: hand.opt_in(d.sandbox, "us-west-1", managed=False)),
        {"primary-opt-in": "fail", "dr-copies": "fail", "copy-jobs": "fail"},
    ),
    "the night went into another lifecycle": (
        changed_before_a_night(
            lambda d: hand.edit_rule(d.sandbox, Lifecycle={"DeleteAfterDays": 365})
        ),
        {"plan": "fail", "primary-points": "warn"},
    ),
    "the recovery points of the night expire too early": (
        changed_before_a_night(
            lambda d: hand.edit_rule(d.sandbox, Lifecycle={"DeleteAfterDays": 40})
        ),
        {"plan": "fail", "primary-points": "fail"},
    ),
    "the copies of the night expire too early": (
        changed_before_a_night(
            lambda d: hand.edit_rule(
                d.sandbox,
                CopyActions=[
                    {
                        "DestinationBackupVaultArn": hand.DR_VAULT_ARN,
                        "Lifecycle": {"DeleteAfterDays": 90},
                    }
                ],
            )
        ),
        {"plan": "fail", "dr-points": "fail"},
    ),
    "a recovery point never expires": (
        kept_forever,
        {"primary-points": "warn", "primary-lock": "warn"},
    ),
    "a recovery point could not be removed": (
        expired,
        {"primary-points": "warn", "primary-lock": "warn", "nights": "fail"},
    ),
    "all copies are cold": (
        idle_for(31),
        {"selection": "fail", "last-night": "fail", "nights": "fail", "copy-back": "warn"},
    ),
}


@pytest.mark.parametrize("fault", NIGHTS)
def test_exactly_the_expected_checks_change(operator: Operator, fault: str) -> None:
    inject, expected = NIGHTS[fault]

    inject(operator.deployment)

    assert operator.not_ok() == expected


def test_a_night_that_a_long_copy_delays_is_late_and_complete(operator: Operator) -> None:
    """One backup or copy job runs for a resource: the backup starts when the copy has ended."""
    sandbox = operator.sandbox
    sandbox.settings(efs_copy=30 * 3600)
    sandbox.advance(days=1)
    sandbox.settings(efs_copy=900)
    midnight = sandbox.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    sandbox.advance_to(midnight + timedelta(hours=6))
    (job,) = sandbox.client("backup").list_backup_jobs(
        ByResourceType="EFS", ByCreatedAfter=midnight
    )["BackupJobs"]
    assert (job["State"], job["CreationDate"] - midnight) == ("CREATED", timedelta(minutes=15))
    assert operator.not_ok() == {}

    sandbox.advance(hours=7)

    assert operator.not_ok() == {}
    assert "mailstore" in operator.run("status", "--only", "last-night").text


# --- AWS cannot be asked


def refused(service: str, operation: str, error: str = "AccessDeniedException") -> Fault:
    rule = {"service": service, "operation": operation, "error": error, "message": "No."}
    return lambda d: d.sandbox.faults.services(rule)


def denied(operation: str) -> Fault:
    return lambda d: d.sandbox.faults.deny(operation)


def throttled(operation: str) -> Fault:
    return lambda d: d.sandbox.faults.apply(
        throttle={"fraction": 1.0, "seed": 1, "operations": [operation]}
    )


def all_unknown(*checks: str) -> NotOk:
    return dict.fromkeys(checks, "unknown")


UNKNOWN: Mapping[str, tuple[Fault, NotOk]] = {
    "the DR region is down": (
        lambda d: d.sandbox.faults.lose_regions("us-west-2"),
        all_unknown(
            "dr-vault",
            "dr-lock",
            "dr-opt-in",
            "keys",
            "dr-copies",
            "foreign-copies",
            "copy-back",
            "dr-points",
            "legal-holds",
            "sizes",
        ),
    ),
    # What the DR region knows is still known. (IAM would be too: it is not of a region. But with
    # an endpoint URL botocore signs its calls for the region they are made from.)
    "the primary region is down": (
        lambda d: d.sandbox.faults.lose_regions("us-west-1"),
        all_unknown(
            "primary-vault",
            "primary-lock",
            "primary-opt-in",
            "keys",
            "plan",
            "selection",
            "resources",
            "role",
            "last-night",
            "nights",
            "backup-jobs",
            "dr-copies",
            "copy-jobs",
            "foreign-copies",
            "primary-points",
            "legal-holds",
            "sizes",
            "tables",
            "pitr",
            "deletion-protection",
            "restore-tests",
        ),
    ),
    "vaults may not be listed": (
        denied("ListBackupVaults"),
        all_unknown("primary-vault", "primary-lock", "dr-vault", "dr-lock", "keys"),
    ),
    "recovery points may not be listed": (
        denied("ListRecoveryPointsByBackupVault"),
        all_unknown(
            "last-night",
            "nights",
            "dr-copies",
            "copy-back",
            "primary-points",
            "dr-points",
            "legal-holds",
            "sizes",
        ),
    ),
    "vault policies may not be read": (
        denied("GetBackupVaultAccessPolicy"),
        all_unknown("primary-vault", "dr-vault"),
    ),
    "CloudTrail may not be asked": (
        refused("cloudtrail", "LookupEvents"),
        all_unknown("primary-lock", "dr-lock", "primary-points", "dr-points"),
    ),
    "the policy simulator may not be asked": (
        refused("iam", "SimulatePrincipalPolicy", "AccessDenied"),
        {},
    ),
    "the versions of the plan may not be listed": (
        denied("ListBackupPlanVersions"),
        all_unknown("plan", "selection"),
    ),
    "legal holds may not be listed": (denied("ListLegalHolds"), all_unknown("legal-holds")),
    "the plan may not be read": (denied("GetBackupPlan"), all_unknown("plan", "selection")),
    "backup jobs may not be listed": (denied("ListBackupJobs"), all_unknown("backup-jobs")),
    "copy jobs may not be listed": (
        denied("ListCopyJobs"),
        all_unknown("copy-jobs", "foreign-copies"),
    ),
    "restore jobs may not be listed": (denied("ListRestoreJobs"), {}),
    "the role may not be read": (
        refused("iam", "ListAttachedRolePolicies", "AccessDenied"),
        all_unknown("role"),
    ),
    "the mailstore may not be described": (
        refused("elasticfilesystem", "DescribeFileSystems"),
        all_unknown("keys", "resources"),
    ),
    "PITR may not be read": (
        refused("dynamodb", "DescribeContinuousBackups"),
        all_unknown("pitr"),
    ),
    "calls about tables are throttled out": (
        refused("dynamodb", "DescribeTable", "ThrottlingException"),
        all_unknown("keys", "resources", "tables", "deletion-protection"),
    ),
    "calls about settings are throttled out": (
        throttled("DescribeRegionSettings"),
        # AWS's time comes with the same answers.
        all_unknown("primary-opt-in", "dr-opt-in", "clock"),
    ),
    "a fifth of the calls is throttled, and tried again": (
        lambda d: d.sandbox.faults.throttle_backup(0.2, seed=1),
        {},
    ),
}


FAULTS = {**NIGHTS, **UNKNOWN}


@pytest.mark.parametrize("fault", UNKNOWN)
def test_what_cannot_be_asked_is_unknown(operator: Operator, fault: str) -> None:
    inject, expected = UNKNOWN[fault]

    inject(operator.deployment)

    assert operator.not_ok() == expected


def test_the_reason_is_aws_s_own_and_the_tries_are_counted(operator: Operator) -> None:
    throttled("DescribeRegionSettings")(operator.deployment)

    said = operator.run("status", "--only", "dr-opt-in")

    assert said.code == 2
    assert "DescribeRegionSettings: ThrottlingException (tried 5 times): Rate exceeded" in said.text


def test_a_removed_lock_fails_without_access_to_cloudtrail(operator: Operator) -> None:
    hand.unlock(operator.sandbox, PRIMARY)
    refused("cloudtrail", "LookupEvents")(operator.deployment)

    said = operator.run("status")

    assert said.code == 1
    assert "Who removed it is not known: LookupEvents: AccessDeniedException" in said.text
