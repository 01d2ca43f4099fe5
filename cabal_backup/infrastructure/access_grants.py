"""The statements of the access policies: which action, and on what.

Each action is one that a command of the operator's tool uses; tests/e2e/access records
what the commands ask for and compares. `grant.py` says why a resource is not named. Actions and
the resources they know are those of the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cabal_backup import names
from cabal_backup.infrastructure.grant import Grant, announce, pass_role

_EVERYTHING = ("*",)


class Places:
    """The ARNs of one environment."""

    SETTINGS = frozenset(
        {
            *("region", "dr_region", "addresses_table", "pitr_tables"),
            *("mailstore_file_system_id", "air_gapped", "air_gapped_region"),
        }
    )
    """The settings that they are made of."""

    def __init__(self, settings: Mapping[str, Any], *, partition: str, account: str) -> None:
        self._partition, self._account = partition, account
        self._region, self._dr_region = settings["region"], settings["dr_region"]
        self.vaults = (
            self.arn("backup", f"backup-vault:{names.VAULT}"),
            self.arn_in_dr("backup", f"backup-vault:{names.DR_VAULT}"),
        )
        arn = self.arn if settings["air_gapped_region"] == "primary" else self.arn_in_dr
        third = arn("backup", f"backup-vault:{names.AIR_GAPPED_VAULT}")
        self.air_gapped_vault = (third,) if settings["air_gapped"] else ()
        self.role = self.arn("iam", f"role/{names.ROLE}", "")
        self.points = self.both("backup", "recovery-point:*")
        # Recovery points of the addresses from before the opt-in bear the table's name.
        addresses: str = settings["addresses_table"]
        old_points = self.arn("dynamodb", f"table/{addresses}/backup/*")
        self.all_points = (*self.points, old_points)
        self.legal_holds = self.both("backup", "legal-hold:*")
        self.trails = (f"arn:{partition}:cloudtrail:*:*:trail/*",)
        # Cabal has more tables than a policy has room for, each named three times.
        self._tables = tuple(
            dict.fromkeys(
                f"{names.TABLES}*" if name.startswith(names.TABLES) else name
                for name in (addresses, *settings["pitr_tables"])
            )
        )
        mailstore = settings["mailstore_file_system_id"]
        self.mailstore = (self.arn("elasticfilesystem", f"file-system/{mailstore}"),)
        # AWS Backup restores into either region, and access points are made in the primary one.
        self.file_systems = (
            *self.both("elasticfilesystem", "file-system/*"),
            self.arn("elasticfilesystem", "access-point/*"),
        )

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        """`region` is the primary one unless another is given; "" for a global service."""
        where = self._region if region is None else region
        return f"arn:{self._partition}:{service}:{where}:{self._account}:{resource}"

    def arn_in_dr(self, service: str, resource: str) -> str:
        """The ARN of a resource in the DR region."""
        return self.arn(service, resource, self._dr_region)

    def both(self, service: str, *resources: str) -> tuple[str, ...]:
        """The ARNs of resources that have the same names in both regions."""
        return tuple(
            self.arn(service, resource, region)
            for region in (self._region, self._dr_region)
            for resource in resources
        )

    def stacks(self, *in_dr_region: str) -> tuple[str, ...]:
        """The ARNs of the primary stack and of these."""
        return (
            self.arn("cloudformation", f"stack/{names.STACK}/*"),
            *(self.arn_in_dr("cloudformation", f"stack/{name}/*") for name in in_dr_region),
        )

    def tables(self, *, ending: str = "*") -> tuple[str, ...]:
        """The live tables, and what else begins with their names.

        In the DR region, where copies are restored, of all tables the addresses only.
        """
        patterns = [f"table/{begin}{ending}".replace("**", "*") for begin in self._tables]
        return (
            *(self.arn("dynamodb", pattern) for pattern in patterns),
            self.arn_in_dr("dynamodb", patterns[0]),
        )


def watch_grants(at: Places) -> tuple[Grant, ...]:
    """What the checks of `status` look at, which the watch makes too."""
    return (
        Grant(
            "List",
            # All file systems of the region: another one may have the mailstore's tag.
            "backup: DescribeRegionSettings ListBackupJobs ListBackupPlans ListBackupVaults "
            "ListCopyJobs ListLegalHolds ListRestoreJobs "
            "cloudtrail: DescribeTrails LookupEvents "
            "cloudwatch: DescribeAlarms "
            "dynamodb: ListTables "
            "elasticfilesystem: DescribeFileSystems "
            "events: ListRules "
            "lambda: ListEventSourceMappings "
            "sns: GetSubscriptionAttributes",
            _EVERYTHING,
        ),
        Grant(
            "Vaults",
            "backup: GetBackupVaultAccessPolicy ListRecoveryPointsByBackupVault",
            (*at.vaults, *at.air_gapped_vault),
        ),
        Grant(
            "Shares",
            "ram: GetResourceShareAssociations",
            _EVERYTHING if at.air_gapped_vault else (),
        ),
        Grant("LegalHolds", "backup: ListRecoveryPointsByLegalHold", at.legal_holds),
        # Of a vault: its environment. Of what brings a cold recovery point back: its night.
        Grant("Tags", "backup: ListTags", (*at.points, *at.vaults)),
        Grant(
            "Plans",
            "backup: GetBackupPlan GetBackupSelection ListBackupPlanVersions ListBackupSelections",
            [at.arn("backup", "backup-plan:*")],
        ),
        Grant(
            "Role",
            "iam: GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies "
            "SimulatePrincipalPolicy",
            [at.role],
        ),
        Grant("Tables", "dynamodb: DescribeContinuousBackups DescribeTable", at.tables()),
        Grant(
            "RestoreTesting",
            "backup: GetRestoreTestingPlan GetRestoreTestingSelection ListRestoreTestingSelections",
            (
                at.arn("backup", f"restore-testing-plan:{names.RESTORE_TESTING_PLAN}-*"),
                # Both plans of the copies: a policy has room for 6,144 characters.
                at.arn_in_dr("backup", "restore-testing-plan:cabal_backup_dr_*"),
            ),
        ),
        Grant("Keys", "kms: DescribeKey", at.both("kms", "key/*")),
        Grant(
            "AlertRules", "events: ListTargetsByRule", at.both("events", f"rule/{names.STACK}-*")
        ),
        Grant(
            "AlertFunctions",
            "lambda: GetFunctionConcurrency GetFunctionConfiguration",
            at.both("lambda", f"function:{names.NOTIFY}", f"function:{names.WATCH}"),
        ),
        Grant("WatchRecord", "ssm: GetParameter", at.both("ssm", f"parameter{names.WATCH_RECORD}")),
        Grant(
            "AlertTopic",
            "sns: GetTopicAttributes ListSubscriptionsByTopic",
            at.both("sns", names.TOPIC),
        ),
        Grant(
            "AlertQueues",
            "sqs: GetQueueAttributes GetQueueUrl",
            at.both("sqs", names.QUEUE, names.DEAD_LETTERS),
        ),
        Grant("Trails", "cloudtrail: GetEventSelectors GetTrailStatus", at.trails),
    )


def auditor_grants(at: Places) -> tuple[Grant, ...]:
    """What `status`, `points`, `jobs` and `doctor` look at."""
    # Without its path, too: GetRole takes a name only, and the role may not exist.
    paths = ("aws-service-role/backup.amazonaws.com/", "")
    return (
        *watch_grants(at),
        Grant(
            "Bootstrap", "ssm: GetParameter", at.both("ssm", "parameter/cdk-bootstrap/*/version")
        ),
        Grant("Stacks", "cloudformation: DescribeStacks", at.stacks(names.DR_STACK)),
        Grant(
            "ServiceLinkedRole",
            "iam: GetRole",
            [at.arn("iam", f"role/{path}{names.SERVICE_LINKED_ROLE}", "") for path in paths],
        ),
        Grant(
            "Quotas", "servicequotas: ListAWSDefaultServiceQuotas ListServiceQuotas", _EVERYTHING
        ),
        Grant(
            "MountTargets",
            "elasticfilesystem: DescribeMountTargets",
            at.both("elasticfilesystem", "file-system/*"),
        ),
    )


def operator_grants(at: Places) -> tuple[Grant, ...]:
    """What restoring, comparing, cutting over and copying back need beside the auditor's.

    A restored file system is set up and deleted, and never the mailstore itself: AWS Backup
    restores a file system without tags, and the tool gives it the mailstore's.
    """
    setting_up = (
        "elasticfilesystem: CreateAccessPoint CreateMountTarget DeleteFileSystem "
        "ModifyMountTargetSecurityGroups PutBackupPolicy PutFileSystemPolicy "
        "PutLifecycleConfiguration TagResource UpdateFileSystem"
    )
    return (
        Grant(
            "Follow",
            # DescribeMountTargetSecurityGroups needs DescribeNetworkInterfaceAttribute.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
            "backup: DescribeBackupJob DescribeCopyJob DescribeRestoreJob GetRestoreJobMetadata "
            "dynamodb: ListBackups "
            "ec2: DescribeNetworkInterfaceAttribute DescribeNetworkInterfaces DescribeSubnets",
            _EVERYTHING,
        ),
        Grant("RunWatch", "lambda: InvokeFunction", at.both("lambda", f"function:{names.WATCH}")),
        announce("TestAlerts", *at.both("events", "event-bus/default")),
        Grant(
            "Restore",
            "backup: GetRecoveryPointRestoreMetadata StartCopyJob StartRestoreJob",
            at.all_points,
        ),
        Grant("Hold", "backup: CreateLegalHold", at.legal_holds),
        Grant("BackUp", "backup: StartBackupJob", at.vaults),
        pass_role(at.role),
        Grant(
            "Tables",
            # Restoring takes reading and writing of the new table as well, and one table is read
            # and the other written, in either direction.
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
            "dynamodb: BatchGetItem BatchWriteItem DeleteItem DescribeBackup GetItem "
            "ListTagsOfResource PutItem Query RestoreTableFromBackup RestoreTableToPointInTime "
            "Scan UpdateItem",
            at.tables(),
        ),
        Grant(
            "SettingsWithoutTags",
            # A restored table has no tags yet. The live one has Terraform's tag: its recovery, its
            # protection and its tags stay as they are.
            "dynamodb: DescribeTimeToLive TagResource UpdateContinuousBackups UpdateTable "
            "UpdateTimeToLive",
            at.tables(),
            conditions={"Null": {f"aws:ResourceTag/{names.TERRAFORM_TAG}": "true"}},
        ),
        Grant(
            "ScratchTables",
            "dynamodb: CreateTable DeleteTable UntagResource",
            at.tables(ending=names.SCRATCH_TABLE),
        ),
        Grant(
            "FileSystems",
            "elasticfilesystem: DescribeAccessPoints DescribeBackupPolicy "
            "DescribeFileSystemPolicy DescribeLifecycleConfiguration "
            "DescribeMountTargetSecurityGroups",
            at.file_systems,
        ),
        Grant(
            "RestoredFileSystem",
            setting_up,
            at.file_systems,
            conditions={"StringEqualsIfExists": {"aws:ResourceTag/Name": names.MAILSTORE}},
        ),
        Grant("NeverTheMailstore", setting_up, at.mailstore, deny=True),
        Grant(
            "MountTargets",
            # What EFS requires to make a mount target or to change its groups.
            # https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
            # https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html
            "ec2: CreateNetworkInterface ModifyNetworkInterfaceAttribute",
            at.both("ec2", "network-interface/*", "security-group/*", "subnet/*"),
        ),
        Grant("Publish", "sns: Publish", [at.arn("sns", names.ADDRESS_CHANGED_TOPIC)]),
        Grant(
            "RollServices",
            "ecs: UpdateService",
            [at.arn("ecs", f"service/{names.CLUSTER}/{service}") for service in names.SERVICES],
        ),
    )


def break_glass_grants(at: Places) -> tuple[Grant, ...]:
    """What `unlock`, `relock` and `teardown` need.

    No condition on MFA: a session of an assumed role never carries it. The trust policy of the
    role demands it (docs/access.md).

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    """
    return (
        Grant(
            "Look",
            "backup: ListBackupPlans ListBackupVaults ListLegalHolds "
            "iam: ListRoles lambda: ListFunctions logs: DescribeLogGroups",
            _EVERYTHING,
        ),
        Grant(
            "LocksAndVaults",
            "backup: DeleteBackupVault DeleteBackupVaultLockConfiguration ListTags "
            "PutBackupVaultLockConfiguration",
            at.vaults,
        ),
        Grant("AirGappedVault", "backup: DeleteBackupVault ListTags", at.air_gapped_vault),
        Grant(
            "WhatElseNeedsTheRole",
            "backup: ListRecoveryPointsByBackupVault",
            at.both("backup", "backup-vault:*"),
        ),
        Grant(
            "NeverComplianceMode",
            # This key asks for compliance mode, which cannot be undone.
            # https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
            "backup: PutBackupVaultLockConfiguration",
            _EVERYTHING,
            conditions={"Null": {"backup:ChangeableForDays": "false"}},
            deny=True,
        ),
        # A vault's own lock refuses it until it is taken off.
        Grant("RecoveryPoints", "backup: DeleteRecoveryPoint", at.all_points),
        Grant("Tags", "backup: ListTags", at.points),
        Grant(
            "LegalHolds", "backup: CancelLegalHold ListRecoveryPointsByLegalHold", at.legal_holds
        ),
        Grant(
            "Stacks",
            "cloudformation: DeleteStack DescribeStackEvents DescribeStacks "
            "UpdateTerminationProtection",
            at.stacks(names.DR_STACK, names.ACCESS_STACK),
        ),
        Grant(
            "Role",
            "iam: DeleteRole DeleteRolePolicy DetachRolePolicy GetRole ListAttachedRolePolicies "
            "ListRolePolicies",
            [at.role],
        ),
        Grant(
            "ThePoliciesThemselves",
            # Only while they are attached to no one: IAM deletes no attached policy.
            "iam: DeletePolicy DeletePolicyVersion GetPolicy ListPolicyVersions",
            [at.arn("iam", f"policy/{name}", "") for name in names.ACCESS_POLICIES],
        ),
    )
