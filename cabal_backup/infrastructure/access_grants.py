"""The statements of the access policies: which action, on what, and why no narrower.

Each action is one that a command of the operator's tool uses; tests/e2e/access records
what the commands ask for and compares. Actions and the resources they know are those of
the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cabal_backup import names
from cabal_backup.config.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One statement."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why_wildcard: str = ""
    """Why a resource with a wildcard is not named; needed where there is one."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    deny: bool = False

    def __post_init__(self) -> None:
        if not self.deny and not self.why_wildcard and any("*" in one for one in self.resources):
            raise ValueError(f"{self.sid} has a wildcard resource and no why_wildcard")

    def statement(self) -> dict[str, Any]:
        """As a policy document has it."""
        return {
            "Sid": self.sid,
            "Effect": "Deny" if self.deny else "Allow",
            "Action": _alone(self.actions),
            "Resource": _alone(self.resources),
            **({"Condition": self.conditions} if self.conditions else {}),
        }


def _alone(values: Sequence[str]) -> str | list[str]:
    """A list of one without its brackets, as CDK writes it."""
    return values[0] if len(values) == 1 else list(values)


@dataclass(frozen=True, kw_only=True)
class Places:
    """The ARNs of one environment."""

    partition: str
    account: str
    region: str
    dr_region: str
    addresses_table: str
    pitr_tables: Sequence[str]
    mailstore: str

    @classmethod
    def of(cls, environment: Environment, *, partition: str, account: str) -> Places:
        """The places of an environment in one account."""
        return cls(
            partition=partition,
            account=account,
            region=environment.region,
            dr_region=environment.dr_region,
            addresses_table=environment.addresses_table,
            pitr_tables=environment.pitr_tables,
            mailstore=str(environment.mailstore_file_system_id),
        )

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        """`region` is the primary one unless another is given; "" for a global service."""
        where = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{where}:{self.account}:{resource}"

    def table_arns(self, *, ending: str = "*") -> tuple[str, ...]:
        """The live tables and what else begins with their names.

        Those whose names begin with `cabal-` share one pattern: Cabal has more tables than a
        policy has room for, each named three times.
        """
        tables = (self.addresses_table, *self.pitr_tables)
        return tuple(
            self.arn("dynamodb", f"table/{pattern}")
            for pattern in dict.fromkeys(_begins(name, ending) for name in tables)
        )

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
    def role(self) -> str:
        """The ARN of the role that AWS Backup works under."""
        return self.arn("iam", f"role/{names.ROLE}", "")

    @property
    def table_points(self) -> tuple[str, ...]:
        """Recovery points of the addresses from before the opt-in bear the table's name."""
        return (self.arn("dynamodb", f"table/{self.addresses_table}/backup/*"),)

    def points(self, *regions: str) -> tuple[str, ...]:
        """The ARNs of all recovery points of these regions."""
        return tuple(self.arn("backup", "recovery-point:*", region) for region in regions)


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
_PLANS = (
    "A plan's ARN ends with an id that AWS Backup makes up and that a new plan would change. The "
    "actions only read plans and what they select."
)
_STACKS = (
    "CloudFormation ends a stack's ARN with an id that it makes up; the names are those of the "
    "environment's stacks."
)

_TABLES = (
    "Cabal's tables begin with cabal-, and the name of a restored table begins with the live "
    "table's name."
)


def auditor_grants(places: Places) -> tuple[Grant, ...]:
    """What `status`, `points`, `jobs` and `doctor` look at."""
    return (*watch_grants(places), *_examining(places))


def watch_grants(places: Places) -> tuple[Grant, ...]:
    """What the checks of `status` look at, which the watch makes too."""
    return (
        Grant(
            sid="List",
            actions=(
                "backup:DescribeRegionSettings",
                "backup:ListBackupJobs",
                "backup:ListBackupPlans",
                "backup:ListBackupVaults",
                "backup:ListCopyJobs",
                "backup:ListRestoreJobs",
                "cloudtrail:DescribeTrails",
                "cloudtrail:LookupEvents",
                "cloudwatch:DescribeAlarms",
                "dynamodb:ListTables",
                # All of the region: another one may have the mailstore's tag.
                "elasticfilesystem:DescribeFileSystems",
                "events:ListRules",
                "lambda:ListEventSourceMappings",
                "sns:GetSubscriptionAttributes",
            ),
            resources=("*",),
            why_wildcard=_ONLY_ALL,
        ),
        Grant(
            sid="Vaults",
            actions=(
                "backup:GetBackupVaultAccessPolicy",
                "backup:ListRecoveryPointsByBackupVault",
            ),
            resources=places.vaults,
        ),
        Grant(
            sid="Plans",
            actions=(
                "backup:GetBackupPlan",
                "backup:GetBackupSelection",
                "backup:ListBackupPlanVersions",
                "backup:ListBackupSelections",
            ),
            resources=(places.arn("backup", "backup-plan:*"),),
            why_wildcard=_PLANS,
        ),
        Grant(
            sid="Role",
            actions=(
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:SimulatePrincipalPolicy",
            ),
            resources=(places.role,),
        ),
        Grant(
            sid="Tables",
            actions=("dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable"),
            resources=places.table_arns(),
            why_wildcard=f"{_TABLES} The actions describe a table and read no item.",
        ),
        Grant(
            sid="RestoreTesting",
            actions=(
                "backup:GetRestoreTestingPlan",
                "backup:GetRestoreTestingSelection",
                "backup:ListRestoreTestingSelections",
            ),
            resources=(
                places.arn("backup", f"restore-testing-plan:{names.RESTORE_TESTING_PLAN}-*"),
                # Both plans of the copies: a policy has room for 6,144 characters.
                places.arn("backup", "restore-testing-plan:cabal_backup_dr_*", places.dr_region),
            ),
            why_wildcard="AWS Backup ends the ARN of a restore testing plan with an id that it "
            "makes up. The actions only read the plan and what it tests.",
        ),
        Grant(
            sid="Keys",
            actions=("kms:DescribeKey",),
            resources=tuple(
                places.arn("kms", "key/*", region) for region in (places.region, places.dr_region)
            ),
            why_wildcard="KMS makes up the ids of keys, and a vault or a table may have another "
            "one tomorrow: that is what is looked for. The action reads a key's state and "
            "decrypts nothing.",
        ),
        *_looking_at_alerts(places),
        Grant(
            sid="Trails",
            actions=("cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"),
            resources=(f"arn:{places.partition}:cloudtrail:*:*:trail/*",),
            why_wildcard="Which trail hears a region is the account's affair: it may live in "
            "another region, under any name, or belong to the organization's management account. "
            "The actions read what it logs, not what it has logged.",
        ),
    )


def _looking_at_alerts(places: Places) -> Iterator[Grant]:
    """What the checks `alerts` and `watch` read of the way that messages take."""
    for sid, resources, actions in (
        ("AlertRules", (f"rule/{names.STACK}-*",), ("events:ListTargetsByRule",)),
        (
            "AlertFunctions",
            (f"function:{names.NOTIFY}", f"function:{names.WATCH}"),
            ("lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration"),
        ),
        ("WatchRecord", (f"parameter{names.WATCH_RECORD}",), ("ssm:GetParameter",)),
        (
            "AlertTopic",
            (names.TOPIC,),
            ("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"),
        ),
        (
            "AlertQueues",
            (names.QUEUE, names.DEAD_LETTERS),
            ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
        ),
    ):
        yield Grant(
            sid=sid,
            actions=actions,
            resources=tuple(
                places.arn(actions[0].split(":")[0], resource, region)
                for region in (places.region, places.dr_region)
                for resource in resources
            ),
            why_wildcard="The rules of the alerts have fixed names that begin like this. The "
            "action reads where a rule leads."
            if sid == "AlertRules"
            else "",
        )


def operator_grants(places: Places) -> tuple[Grant, ...]:
    """What restoring, comparing, cutting over and copying back need beside the auditor's."""
    return (
        *_following(),
        *_testing_alerts(places),
        *_restoring(places),
        *_tables(places),
        *_file_systems(places),
        *_mail_tiers(places),
    )


def _following() -> tuple[Grant, ...]:
    return (
        Grant(
            sid="Follow",
            actions=(
                "backup:DescribeBackupJob",
                "backup:DescribeCopyJob",
                "backup:DescribeRestoreJob",
                "backup:GetRestoreJobMetadata",
                "dynamodb:ListBackups",
                # Needed by DescribeMountTargetSecurityGroups; it has no resource type.
                # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
                "ec2:DescribeNetworkInterfaceAttribute",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
            ),
            resources=("*",),
            why_wildcard=_ONLY_ALL,
        ),
    )


def _examining(places: Places) -> tuple[Grant, ...]:
    """What `doctor` reads beside what `status` reads."""
    return (
        Grant(
            sid="Bootstrap",
            actions=("ssm:GetParameter",),
            resources=tuple(
                places.arn("ssm", "parameter/cdk-bootstrap/*/version", region)
                for region in (places.region, places.dr_region)
            ),
            why_wildcard="An account may have CDK's bootstrap under another qualifier. The "
            "parameter is the number of its version.",
        ),
        Grant(
            sid="Stacks",
            actions=("cloudformation:DescribeStacks",),
            resources=(
                places.arn("cloudformation", f"stack/{names.STACK}/*"),
                places.arn("cloudformation", f"stack/{names.DR_STACK}/*", places.dr_region),
            ),
            why_wildcard=_STACKS,
        ),
        Grant(
            sid="ServiceLinkedRole",
            actions=("iam:GetRole",),
            # Without its path, too: GetRole takes a name only, and the role may not exist.
            resources=tuple(
                places.arn("iam", f"role/{path}{names.SERVICE_LINKED_ROLE}", "")
                for path in ("aws-service-role/backup.amazonaws.com/", "")
            ),
        ),
    )


def _testing_alerts(places: Places) -> tuple[Grant, ...]:
    return (
        Grant(
            sid="RunWatch",
            actions=("lambda:InvokeFunction",),
            resources=tuple(
                places.arn("lambda", f"function:{names.WATCH}", region)
                for region in (places.region, places.dr_region)
            ),
        ),
        Grant(
            sid="TestAlerts",
            actions=("events:PutEvents",),
            resources=tuple(
                places.arn("events", "event-bus/default", region)
                for region in (places.region, places.dr_region)
            ),
            conditions={"StringEquals": {"events:source": names.EVENT_SOURCE}},
        ),
    )


def _restoring(places: Places) -> tuple[Grant, ...]:
    return (
        Grant(
            sid="Restore",
            actions=(
                "backup:GetRecoveryPointRestoreMetadata",
                # Of a vault too: they are compared with the environment before anything changes.
                "backup:ListTags",
                "backup:StartRestoreJob",
            ),
            resources=(
                *places.points(places.region, places.dr_region),
                *places.table_points,
                *places.vaults,
            ),
            why_wildcard=f"{_POINTS} A copy in cold storage can be restored in the DR region only. "
            "Of a vault, only the tags can be read with these actions.",
        ),
        Grant(
            sid="Copy",
            actions=("backup:StartCopyJob",),
            resources=places.points(places.region, places.dr_region),
            why_wildcard=_POINTS,
        ),
        Grant(
            sid="BackUp",
            actions=("backup:StartBackupJob",),
            resources=(places.arn("backup", f"backup-vault:{names.VAULT}"),),
        ),
        Grant(
            sid="PassRole",
            actions=("iam:PassRole",),
            resources=(places.role,),
            conditions={"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
        ),
    )


def _tables(places: Places) -> tuple[Grant, ...]:
    return (
        Grant(
            # Restoring takes reading and writing of the new table as well.
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
            sid="Tables",
            actions=(
                "dynamodb:BatchGetItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:DeleteItem",
                "dynamodb:DescribeBackup",
                "dynamodb:GetItem",
                "dynamodb:ListTagsOfResource",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:RestoreTableFromBackup",
                "dynamodb:RestoreTableToPointInTime",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
            ),
            resources=(*places.table_arns(), *places.dr_table_arns()),
            why_wildcard=f"{_TABLES} DynamoDB creates the names of its own backups below the "
            "table's name. One table is read and the other written, in either direction.",
        ),
        Grant(
            # A restored table has no tags yet. The live one has Terraform's tag: its recovery, its
            # protection and its tags stay as they are.
            sid="SettingsWithoutTags",
            actions=(
                "dynamodb:DescribeTimeToLive",
                "dynamodb:TagResource",
                "dynamodb:UpdateContinuousBackups",
                "dynamodb:UpdateTable",
                "dynamodb:UpdateTimeToLive",
            ),
            resources=places.table_arns(),
            why_wildcard=_TABLES,
            conditions={"Null": {f"aws:ResourceTag/{names.TERRAFORM_TAG}": "true"}},
        ),
        Grant(
            sid="ScratchTables",
            actions=("dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:UntagResource"),
            resources=(
                *places.table_arns(ending=names.SCRATCH_TABLE),
                *places.dr_table_arns(ending=names.SCRATCH_TABLE),
            ),
            why_wildcard="The tool names a table it makes after the live one, with a word and the "
            "moment, as in NAME-restored-20260101-000000. No live table has such a name.",
        ),
    )


def _file_systems(places: Places) -> tuple[Grant, ...]:
    """What a restored file system is set up with, and never the mailstore itself."""
    reading = (
        "elasticfilesystem:DescribeAccessPoints",
        "elasticfilesystem:DescribeBackupPolicy",
        "elasticfilesystem:DescribeFileSystemPolicy",
        "elasticfilesystem:DescribeLifecycleConfiguration",
        "elasticfilesystem:DescribeMountTargetSecurityGroups",
        "elasticfilesystem:DescribeMountTargets",
    )
    changing = (
        "elasticfilesystem:CreateAccessPoint",
        "elasticfilesystem:CreateMountTarget",
        "elasticfilesystem:DeleteFileSystem",
        "elasticfilesystem:ModifyMountTargetSecurityGroups",
        "elasticfilesystem:PutBackupPolicy",
        "elasticfilesystem:PutFileSystemPolicy",
        "elasticfilesystem:PutLifecycleConfiguration",
        "elasticfilesystem:TagResource",
        "elasticfilesystem:UpdateFileSystem",
    )
    restored = tuple(
        places.arn("elasticfilesystem", f"{kind}/*") for kind in ("file-system", "access-point")
    )
    why = (
        "EFS makes up the ids of a restored file system and of its access points; a drill "
        "deletes the one it restored."
    )
    return (
        Grant(sid="FileSystems", actions=reading, resources=restored, why_wildcard=why),
        Grant(
            # AWS Backup restores a file system without tags; the tool gives it the mailstore's.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html
            sid="RestoredFileSystem",
            actions=changing,
            resources=restored,
            why_wildcard=f"{why} What bears another Name than the mailstore's, and the mailstore "
            "itself, cannot be changed.",
            conditions={"StringEqualsIfExists": {"aws:ResourceTag/Name": names.MAILSTORE}},
        ),
        Grant(
            sid="NeverTheMailstore",
            actions=changing,
            resources=(places.arn("elasticfilesystem", f"file-system/{places.mailstore}"),),
            deny=True,
        ),
        Grant(
            # What EFS requires to make a mount target or to change its groups.
            # https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
            # https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html
            sid="MountTargets",
            actions=(
                "ec2:CreateNetworkInterface",
                "ec2:ModifyNetworkInterfaceAttribute",
            ),
            resources=tuple(
                places.arn("ec2", f"{kind}/*")
                for kind in ("network-interface", "security-group", "subnet")
            ),
            why_wildcard="A mount target is a network interface that EFS makes in the subnets of "
            "the one before, whose ids belong to Cabal's network and are not known here.",
        ),
    )


def _mail_tiers(places: Places) -> tuple[Grant, ...]:
    return (
        Grant(
            sid="Publish",
            actions=("sns:Publish",),
            resources=(places.arn("sns", names.ADDRESS_CHANGED_TOPIC),),
        ),
        Grant(
            sid="RollServices",
            actions=("ecs:UpdateService",),
            resources=tuple(
                places.arn("ecs", f"service/{names.CLUSTER}/{service}")
                for service in names.SERVICES
            ),
        ),
    )


def break_glass_grants(places: Places) -> tuple[Grant, ...]:
    """What `unlock`, `relock` and `teardown` need.

    No condition on MFA: a session of an assumed role never carries it. The trust policy of the
    role demands it (docs/access.md).

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    """
    return (
        Grant(
            sid="Look",
            actions=(
                "backup:ListBackupPlans",
                "backup:ListBackupVaults",
                "backup:ListLegalHolds",
                "iam:ListRoles",
                "lambda:ListFunctions",
                "logs:DescribeLogGroups",
            ),
            resources=("*",),
            why_wildcard=_ONLY_ALL,
        ),
        Grant(
            sid="LocksAndVaults",
            actions=(
                "backup:DeleteBackupVault",
                "backup:DeleteBackupVaultLockConfiguration",
                "backup:ListTags",
                "backup:PutBackupVaultLockConfiguration",
            ),
            resources=places.vaults,
        ),
        Grant(
            sid="WhatElseNeedsTheRole",
            actions=("backup:ListRecoveryPointsByBackupVault",),
            resources=tuple(
                places.arn("backup", "backup-vault:*", region)
                for region in (places.region, places.dr_region)
            ),
            why_wildcard="The role is deleted only when no vault holds a recovery point that AWS "
            "Backup could not expire without it. The action only lists.",
        ),
        Grant(
            # This key asks for compliance mode, which cannot be undone.
            # https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
            sid="NeverComplianceMode",
            actions=("backup:PutBackupVaultLockConfiguration",),
            resources=("*",),
            conditions={"Null": {"backup:ChangeableForDays": "false"}},
            deny=True,
        ),
        Grant(
            sid="RecoveryPoints",
            actions=("backup:DeleteRecoveryPoint",),
            resources=(*places.points(places.region, places.dr_region), *places.table_points),
            why_wildcard=f"{_POINTS} A vault's own lock refuses it until it is taken off.",
        ),
        Grant(
            sid="LegalHolds",
            actions=("backup:ListRecoveryPointsByLegalHold",),
            resources=tuple(
                places.arn("backup", "legal-hold:*", region)
                for region in (places.region, places.dr_region)
            ),
            why_wildcard="AWS Backup makes up the ids of legal holds, which others place. The "
            "action only reads which recovery points one holds.",
        ),
        Grant(
            sid="Stacks",
            actions=(
                "cloudformation:DeleteStack",
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStacks",
                "cloudformation:UpdateTerminationProtection",
            ),
            resources=(
                places.arn("cloudformation", f"stack/{names.STACK}/*"),
                places.arn("cloudformation", f"stack/{names.DR_STACK}/*", places.dr_region),
                places.arn("cloudformation", f"stack/{names.ACCESS_STACK}/*", places.dr_region),
            ),
            why_wildcard=_STACKS,
        ),
        Grant(
            sid="Role",
            actions=(
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
            ),
            resources=(places.role,),
        ),
        Grant(
            # Only while they are attached to no one: IAM deletes no attached policy.
            sid="ThePoliciesThemselves",
            actions=(
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:GetPolicy",
                "iam:ListPolicyVersions",
            ),
            resources=tuple(
                places.arn("iam", f"policy/{name}", "") for name in names.ACCESS_POLICIES
            ),
        ),
    )
