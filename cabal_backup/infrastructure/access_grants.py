"""The statements of the access policies: which action, on what, and why no narrower.

Each action is one that a command of the operator's tool uses; tests/e2e/access records
what the commands ask for and compares. Actions and the resources they know are those of
the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cabal_backup import names
from cabal_backup.infrastructure.grant import Grant


@dataclass(frozen=True, kw_only=True)
class Places:
    """The ARNs of one environment."""

    partition: str
    account: str
    region: str
    dr_region: str
    addresses_table: str
    pitr_tables: Sequence[str]
    mailstore_file_system_id: str
    air_gapped: bool
    air_gapped_region: str

    @classmethod
    def needed(cls) -> set[str]:
        """The settings that the ARNs are made of."""
        return {each.name for each in fields(cls)} - {"partition", "account"}

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, partition: str, account: str) -> Places:
        """The places of an environment in one account."""
        named = {name: settings[name] for name in cls.needed()}
        return cls(partition=partition, account=account, **named)

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        """`region` is the primary one unless another is given; "" for a global service."""
        where = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{where}:{self.account}:{resource}"

    def both(self, service: str, *resources: str) -> tuple[str, ...]:
        """The ARNs of resources that have the same names in both regions."""
        return tuple(
            self.arn(service, resource, region)
            for region in (self.region, self.dr_region)
            for resource in resources
        )

    def stacks(self, *in_dr_region: str) -> tuple[str, ...]:
        """The ARNs of the primary stack and of these."""
        return (
            self.arn("cloudformation", f"stack/{names.STACK}/*"),
            *(self.arn("cloudformation", f"stack/{s}/*", self.dr_region) for s in in_dr_region),
        )

    def table_arns(self, *, ending: str = "*") -> tuple[str, ...]:
        """The live tables and what else begins with their names.

        Those whose names begin with `cabal-` share one pattern: Cabal has more tables than a
        policy has room for, each named three times.
        """
        tables = (self.addresses_table, *self.pitr_tables)
        patterns = dict.fromkeys(_begins(name, ending) for name in tables)
        return tuple(self.arn("dynamodb", f"table/{pattern}") for pattern in patterns)

    def dr_table_arns(self, *, ending: str = "*") -> tuple[str, ...]:
        """What is restored from the DR vault where it is: of all tables the addresses only."""
        pattern = _begins(self.addresses_table, ending)
        return (self.arn("dynamodb", f"table/{pattern}", self.dr_region),)

    @property
    def vaults(self) -> tuple[str, str]:
        """The ARNs of both vaults."""
        return (
            self.arn("backup", f"backup-vault:{names.VAULT}"),
            self.arn("backup", f"backup-vault:{names.DR_VAULT}", self.dr_region),
        )

    @property
    def air_gapped_vault(self) -> tuple[str, ...]:
        """The ARN of the air-gapped vault, if there is to be one."""
        region = self.region if self.air_gapped_region == "primary" else self.dr_region
        arn = self.arn("backup", f"backup-vault:{names.AIR_GAPPED_VAULT}", region)
        return (arn,) if self.air_gapped else ()

    @property
    def role(self) -> str:
        """The ARN of the role that AWS Backup works under."""
        return self.arn("iam", f"role/{names.ROLE}", "")

    @property
    def points(self) -> tuple[str, ...]:
        """The ARNs of all recovery points of AWS Backup."""
        return self.both("backup", "recovery-point:*")

    @property
    def table_points(self) -> tuple[str, ...]:
        """Recovery points of the addresses from before the opt-in bear the table's name."""
        return (self.arn("dynamodb", f"table/{self.addresses_table}/backup/*"),)


def _begins(table: str, ending: str) -> str:
    begin = f"{names.TABLES}*" if table.startswith(names.TABLES) else table
    return f"{begin}{ending}".replace("**", "*")


_ONLY_ALL = (
    "The actions on * list or describe what has no ARN of its own: the Service Authorization "
    "Reference knows no resource for them. They only read."
)
_POINTS = (
    "A recovery point's ARN is made up by AWS Backup and names neither its vault nor what it is "
    "of, and there is no condition key for either."
)
_HOLDS = "AWS Backup makes up the ids of legal holds, also of those that others place."
_STACKS = (
    "CloudFormation ends a stack's ARN with an id that it makes up; the names are those of the "
    "environment's stacks."
)
_TABLES = (
    "Cabal's tables begin with cabal-, and the name of a restored table begins with the live "
    "table's name."
)
_FILE_SYSTEMS = (
    "EFS makes up the ids of a restored file system and of its access points; a drill "
    "deletes the one it restored."
)


def watch_grants(at: Places) -> tuple[Grant, ...]:
    """What the checks of `status` look at, which the watch makes too."""
    return (
        Grant(
            "List",
            # All file systems of the region: another one may have the mailstore's tag.
            """
            backup: DescribeRegionSettings ListBackupJobs ListBackupPlans ListBackupVaults
                ListCopyJobs ListLegalHolds ListRestoreJobs
            cloudtrail: DescribeTrails LookupEvents
            cloudwatch: DescribeAlarms
            dynamodb: ListTables
            elasticfilesystem: DescribeFileSystems
            events: ListRules
            lambda: ListEventSourceMappings
            sns: GetSubscriptionAttributes
            """,
            ("*",),
            why=_ONLY_ALL,
        ),
        Grant(
            "Vaults",
            "backup: GetBackupVaultAccessPolicy ListRecoveryPointsByBackupVault",
            (*at.vaults, *at.air_gapped_vault),
        ),
        *(
            Grant("Shares", "ram: GetResourceShareAssociations", ("*",), why=_ONLY_ALL)
            for _ in at.air_gapped_vault
        ),
        Grant(
            "LegalHolds",
            "backup: ListRecoveryPointsByLegalHold",
            at.both("backup", "legal-hold:*"),
            why=_HOLDS,
        ),
        Grant(
            "Tags",
            # Of a vault: its environment. Of what brings a cold recovery point back: its night.
            "backup: ListTags",
            (*at.points, *at.vaults),
            why=f"{_POINTS} The action only reads tags.",
        ),
        Grant(
            "Plans",
            "backup: GetBackupPlan GetBackupSelection ListBackupPlanVersions ListBackupSelections",
            (at.arn("backup", "backup-plan:*"),),
            why="A plan's ARN ends with an id that AWS Backup makes up and that a new "
            "plan would change. The actions only read plans and what they select.",
        ),
        Grant(
            "Role",
            """
            iam: GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies
                SimulatePrincipalPolicy
            """,
            (at.role,),
        ),
        Grant(
            "Tables",
            "dynamodb: DescribeContinuousBackups DescribeTable",
            (*at.table_arns(), *at.dr_table_arns()),
            why=f"{_TABLES} The actions describe a table and read no item.",
        ),
        Grant(
            "RestoreTesting",
            """
            backup: GetRestoreTestingPlan GetRestoreTestingSelection ListRestoreTestingSelections
            """,
            (
                at.arn("backup", f"restore-testing-plan:{names.RESTORE_TESTING_PLAN}-*"),
                # Both plans of the copies: a policy has room for 6,144 characters.
                at.arn("backup", "restore-testing-plan:cabal_backup_dr_*", at.dr_region),
            ),
            why="AWS Backup ends the ARN of a restore testing plan with an id that it "
            "makes up. The actions only read the plan and what it tests.",
        ),
        Grant(
            "Keys",
            "kms: DescribeKey",
            at.both("kms", "key/*"),
            why="KMS makes up the ids of keys, and a vault or a table may have another "
            "one tomorrow: that is what is looked for. The action reads a key's state and "
            "decrypts nothing.",
        ),
        Grant(
            "AlertRules",
            "events: ListTargetsByRule",
            at.both("events", f"rule/{names.STACK}-*"),
            why="The rules of the alerts have fixed names that begin like this. The "
            "action reads where a rule leads.",
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
        Grant(
            "Trails",
            "cloudtrail: GetEventSelectors GetTrailStatus",
            (f"arn:{at.partition}:cloudtrail:*:*:trail/*",),
            why="The account decides which trail logs the events of a region: it may be in another "
            "region, under any name, or belong to the organization's management account. The "
            "actions read what it logs, not what it has logged.",
        ),
    )


def auditor_grants(at: Places) -> tuple[Grant, ...]:
    """What `status`, `points`, `jobs` and `doctor` look at."""
    return (
        *watch_grants(at),
        Grant(
            "Bootstrap",
            "ssm: GetParameter",
            at.both("ssm", "parameter/cdk-bootstrap/*/version"),
            why="An account may have CDK's bootstrap under another qualifier. The "
            "parameter is the number of its version.",
        ),
        Grant("Stacks", "cloudformation: DescribeStacks", at.stacks(names.DR_STACK), why=_STACKS),
        Grant(
            "ServiceLinkedRole",
            "iam: GetRole",
            # Without its path, too: GetRole takes a name only, and the role may not exist.
            tuple(
                at.arn("iam", f"role/{path}{names.SERVICE_LINKED_ROLE}", "")
                for path in ("aws-service-role/backup.amazonaws.com/", "")
            ),
        ),
        Grant(
            "Quotas",
            "servicequotas: ListAWSDefaultServiceQuotas ListServiceQuotas",
            ("*",),
            why=_ONLY_ALL,
        ),
        Grant(
            "MountTargets",
            "elasticfilesystem: DescribeMountTargets",
            at.both("elasticfilesystem", "file-system/*"),
            why=f"{_FILE_SYSTEMS} The action only reads where a file system is mounted.",
        ),
    )


def operator_grants(at: Places) -> tuple[Grant, ...]:
    """What restoring, comparing, cutting over and copying back need beside the auditor's."""
    return (
        Grant(
            "Follow",
            # DescribeMountTargetSecurityGroups needs DescribeNetworkInterfaceAttribute.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
            """
            backup: DescribeBackupJob DescribeCopyJob DescribeRestoreJob GetRestoreJobMetadata
            dynamodb: ListBackups
            ec2: DescribeNetworkInterfaceAttribute DescribeNetworkInterfaces DescribeSubnets
            """,
            ("*",),
            why=_ONLY_ALL,
        ),
        Grant("RunWatch", "lambda: InvokeFunction", at.both("lambda", f"function:{names.WATCH}")),
        Grant(
            "TestAlerts",
            "events: PutEvents",
            at.both("events", "event-bus/default"),
            conditions={"StringEquals": {"events:source": names.EVENT_SOURCE}},
        ),
        Grant(
            "Restore",
            "backup: GetRecoveryPointRestoreMetadata StartCopyJob StartRestoreJob",
            (*at.points, *at.table_points),
            why=f"{_POINTS} A copy in cold storage can be restored in the DR region only.",
        ),
        Grant(
            "Hold",
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_backup.html
            "backup: CreateLegalHold",
            at.both("backup", "legal-hold:*"),
            why=_HOLDS,
        ),
        Grant("BackUp", "backup: StartBackupJob", at.vaults),
        Grant(
            "PassRole",
            "iam: PassRole",
            (at.role,),
            conditions={"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        ),
        *_tables(at),
        *_file_systems(at),
        Grant("Publish", "sns: Publish", (at.arn("sns", names.ADDRESS_CHANGED_TOPIC),)),
        Grant(
            "RollServices",
            "ecs: UpdateService",
            tuple(
                at.arn("ecs", f"service/{names.CLUSTER}/{service}") for service in names.SERVICES
            ),
        ),
    )


def _tables(at: Places) -> tuple[Grant, ...]:
    return (
        Grant(
            "Tables",
            # Restoring takes reading and writing of the new table as well.
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
            """
            dynamodb: BatchGetItem BatchWriteItem DeleteItem DescribeBackup GetItem
                ListTagsOfResource PutItem Query RestoreTableFromBackup RestoreTableToPointInTime
                Scan UpdateItem
            """,
            (*at.table_arns(), *at.dr_table_arns()),
            why=f"{_TABLES} DynamoDB creates the names of its own backups below the "
            "table's name. One table is read and the other written, in either direction.",
        ),
        Grant(
            "SettingsWithoutTags",
            # A restored table has no tags yet. The live one has Terraform's tag: its recovery, its
            # protection and its tags stay as they are.
            """
            dynamodb: DescribeTimeToLive TagResource UpdateContinuousBackups UpdateTable
                UpdateTimeToLive
            """,
            (*at.table_arns(), *at.dr_table_arns()),
            why=_TABLES,
            conditions={"Null": {f"aws:ResourceTag/{names.TERRAFORM_TAG}": "true"}},
        ),
        Grant(
            "ScratchTables",
            "dynamodb: CreateTable DeleteTable UntagResource",
            (
                *at.table_arns(ending=names.SCRATCH_TABLE),
                *at.dr_table_arns(ending=names.SCRATCH_TABLE),
            ),
            why="The tool names a table it makes after the live one, with a word and the "
            "moment, as in NAME-restored-20260101-000000. No live table has such a name.",
        ),
    )


def _file_systems(at: Places) -> tuple[Grant, ...]:
    """What a restored file system is set up with, and never the mailstore itself."""
    restored = (
        *at.both("elasticfilesystem", "file-system/*"),
        at.arn("elasticfilesystem", "access-point/*"),
    )
    changing = """
        elasticfilesystem: CreateAccessPoint CreateMountTarget DeleteFileSystem
            ModifyMountTargetSecurityGroups PutBackupPolicy PutFileSystemPolicy
            PutLifecycleConfiguration TagResource UpdateFileSystem
        """
    return (
        Grant(
            "FileSystems",
            """
            elasticfilesystem: DescribeAccessPoints DescribeBackupPolicy DescribeFileSystemPolicy
                DescribeLifecycleConfiguration DescribeMountTargetSecurityGroups
            """,
            restored,
            why=_FILE_SYSTEMS,
        ),
        Grant(
            "RestoredFileSystem",
            # AWS Backup restores a file system without tags; the tool gives it the mailstore's.
            changing,
            restored,
            why=f"{_FILE_SYSTEMS} What bears another Name than the mailstore's, and the "
            "mailstore itself, cannot be changed.",
            conditions={"StringEqualsIfExists": {"aws:ResourceTag/Name": names.MAILSTORE}},
        ),
        Grant(
            "NeverTheMailstore",
            changing,
            (at.arn("elasticfilesystem", f"file-system/{at.mailstore_file_system_id}"),),
            deny=True,
        ),
        Grant(
            "MountTargets",
            # What EFS requires to make a mount target or to change its groups.
            # https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
            # https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html
            "ec2: CreateNetworkInterface ModifyNetworkInterfaceAttribute",
            at.both("ec2", "network-interface/*", "security-group/*", "subnet/*"),
            why="A mount target is a network interface that EFS makes in the subnets of "
            "the one before, or of a network in the DR region, whose ids are not known here.",
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
            """
            backup: ListBackupPlans ListBackupVaults ListLegalHolds
            iam: ListRoles
            lambda: ListFunctions
            logs: DescribeLogGroups
            """,
            ("*",),
            why=_ONLY_ALL,
        ),
        Grant(
            "LocksAndVaults",
            """
            backup: DeleteBackupVault DeleteBackupVaultLockConfiguration ListTags
                PutBackupVaultLockConfiguration
            """,
            at.vaults,
        ),
        *(
            Grant("AirGappedVault", "backup: DeleteBackupVault ListTags", (vault,))
            for vault in at.air_gapped_vault
        ),
        Grant(
            "WhatElseNeedsTheRole",
            "backup: ListRecoveryPointsByBackupVault",
            at.both("backup", "backup-vault:*"),
            why="The role is deleted only when no vault holds a recovery point that AWS "
            "Backup could not expire without it. The action only lists.",
        ),
        Grant(
            "NeverComplianceMode",
            # This key asks for compliance mode, which cannot be undone.
            # https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
            "backup: PutBackupVaultLockConfiguration",
            ("*",),
            conditions={"Null": {"backup:ChangeableForDays": "false"}},
            deny=True,
        ),
        Grant(
            "RecoveryPoints",
            "backup: DeleteRecoveryPoint",
            (*at.points, *at.table_points),
            why=f"{_POINTS} A vault's own lock refuses it until it is taken off.",
        ),
        Grant("Tags", "backup: ListTags", at.points, why=f"{_POINTS} The action only reads tags."),
        Grant(
            "LegalHolds",
            "backup: CancelLegalHold ListRecoveryPointsByLegalHold",
            at.both("backup", "legal-hold:*"),
            why=_HOLDS,
        ),
        Grant(
            "Stacks",
            """
            cloudformation: DeleteStack DescribeStackEvents DescribeStacks
                UpdateTerminationProtection
            """,
            at.stacks(names.DR_STACK, names.ACCESS_STACK),
            why=_STACKS,
        ),
        Grant(
            "Role",
            """
            iam: DeleteRole DeleteRolePolicy DetachRolePolicy GetRole ListAttachedRolePolicies
                ListRolePolicies
            """,
            (at.role,),
        ),
        Grant(
            "ThePoliciesThemselves",
            # Only while they are attached to no one: IAM deletes no attached policy.
            "iam: DeletePolicy DeletePolicyVersion GetPolicy ListPolicyVersions",
            tuple(at.arn("iam", f"policy/{name}", "") for name in names.ACCESS_POLICIES),
        ),
    )
