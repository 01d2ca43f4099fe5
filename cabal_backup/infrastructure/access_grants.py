"""The statements of the access policies: which action, and on what.

Each action is one that a command of the operator's tool uses; tests/e2e/access records
what the commands ask for and compares. `grant.py` says why a resource is not named. Actions and
the resources they know are those of the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html
"""

from __future__ import annotations

from cabal_backup import names
from cabal_backup.infrastructure.grant import Grant, announce, pass_role
from cabal_backup.infrastructure.places import Places

_EVERYTHING = ("*",)


def watch_grants(at: Places) -> tuple[Grant, ...]:
    """What the checks of `status` look at, which the watch makes too."""
    return (
        Grant(
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
            "backup: GetBackupVaultAccessPolicy ListRecoveryPointsByBackupVault",
            (*at.vaults, *at.air_gapped_vault),
        ),
        Grant("ram: GetResourceShareAssociations", _EVERYTHING if at.air_gapped_vault else ()),
        Grant("backup: ListRecoveryPointsByLegalHold", at.legal_holds),
        # Of a vault: its environment. Of what brings a cold recovery point back: its night.
        Grant("backup: ListTags", (*at.points, *at.vaults)),
        Grant(
            "backup: GetBackupPlan GetBackupSelection ListBackupPlanVersions ListBackupSelections",
            [at.arn("backup", "backup-plan:*")],
        ),
        Grant(
            "iam: GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies "
            "SimulatePrincipalPolicy",
            [at.role],
        ),
        Grant("dynamodb: DescribeContinuousBackups DescribeTable", at.tables()),
        Grant(
            "backup: GetRestoreTestingPlan GetRestoreTestingSelection ListRestoreTestingSelections",
            (
                at.arn("backup", f"restore-testing-plan:{names.RESTORE_TESTING_PLAN}-*"),
                # Both plans of the copies: a policy has room for 6,144 characters.
                at.arn("backup", "restore-testing-plan:cabal_backup_dr_*", at.dr_region),
            ),
        ),
        Grant("kms: DescribeKey", at.both("kms", "key/*")),
        Grant("events: ListTargetsByRule", at.both("events", f"rule/{names.STACK}-*")),
        Grant(
            "lambda: GetFunctionConcurrency GetFunctionConfiguration",
            at.both("lambda", f"function:{names.NOTIFY}", f"function:{names.WATCH}"),
        ),
        Grant("ssm: GetParameter", at.both("ssm", f"parameter{names.WATCH_RECORD}")),
        Grant("sns: GetTopicAttributes ListSubscriptionsByTopic", at.both("sns", names.TOPIC)),
        Grant(
            "sqs: GetQueueAttributes GetQueueUrl", at.both("sqs", names.QUEUE, names.DEAD_LETTERS)
        ),
        Grant("cloudtrail: GetEventSelectors GetTrailStatus", at.trails),
    )


def auditor_grants(at: Places) -> tuple[Grant, ...]:
    """What `status`, `points`, `jobs` and `doctor` look at."""
    # Without its path, too: GetRole takes a name only, and the role may not exist.
    paths = ("aws-service-role/backup.amazonaws.com/", "")
    return (
        *watch_grants(at),
        Grant("ssm: GetParameter", at.both("ssm", "parameter/cdk-bootstrap/*/version")),
        Grant("cloudformation: DescribeStacks", at.stacks(names.DR_STACK)),
        Grant(
            "iam: GetRole",
            [at.arn("iam", f"role/{path}{names.SERVICE_LINKED_ROLE}", "") for path in paths],
        ),
        Grant("servicequotas: ListAWSDefaultServiceQuotas ListServiceQuotas", _EVERYTHING),
        Grant(
            "elasticfilesystem: DescribeMountTargets", at.both("elasticfilesystem", "file-system/*")
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
            # DescribeMountTargetSecurityGroups needs DescribeNetworkInterfaceAttribute.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
            "backup: DescribeBackupJob DescribeCopyJob DescribeRestoreJob GetRestoreJobMetadata "
            "dynamodb: ListBackups "
            "ec2: DescribeNetworkInterfaceAttribute DescribeNetworkInterfaces DescribeSubnets",
            _EVERYTHING,
        ),
        Grant("lambda: InvokeFunction", at.both("lambda", f"function:{names.WATCH}")),
        announce(*at.both("events", "event-bus/default")),
        Grant(
            "backup: DescribeRecoveryPoint GetRecoveryPointRestoreMetadata StartCopyJob "
            "StartRestoreJob",
            at.all_points,
        ),
        Grant("backup: CreateLegalHold", at.legal_holds),
        Grant("backup: StartBackupJob", at.vaults),
        pass_role(at.role),
        Grant(
            # Restoring takes reading and writing of the new table as well, and one table is read
            # and the other written, in either direction.
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
            "dynamodb: BatchGetItem BatchWriteItem DeleteItem DescribeBackup GetItem "
            "ListTagsOfResource PutItem Query RestoreTableFromBackup RestoreTableToPointInTime "
            "Scan UpdateItem",
            at.tables(),
        ),
        Grant(
            # A restored table has no tags yet. The live one has Terraform's tag: its recovery, its
            # protection and its tags stay as they are.
            "dynamodb: DescribeTimeToLive TagResource UpdateContinuousBackups UpdateTable "
            "UpdateTimeToLive",
            at.tables(),
            conditions={"Null": {f"aws:ResourceTag/{names.TERRAFORM_TAG}": "true"}},
        ),
        Grant(
            "dynamodb: CreateTable DeleteTable UntagResource", at.tables(ending=names.SCRATCH_TABLE)
        ),
        Grant(
            "elasticfilesystem: DescribeAccessPoints DescribeBackupPolicy "
            "DescribeFileSystemPolicy DescribeLifecycleConfiguration "
            "DescribeMountTargetSecurityGroups",
            at.file_systems,
        ),
        Grant(
            setting_up,
            at.file_systems,
            conditions={"StringEqualsIfExists": {"aws:ResourceTag/Name": names.MAILSTORE}},
        ),
        Grant(setting_up, [at.mailstore], deny=True),
        Grant(
            # What EFS requires to make a mount target or to change its groups.
            # https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
            # https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html
            "ec2: CreateNetworkInterface ModifyNetworkInterfaceAttribute",
            at.both("ec2", "network-interface/*", "security-group/*", "subnet/*"),
        ),
        Grant("sns: Publish", [at.arn("sns", names.ADDRESS_CHANGED_TOPIC)]),
        Grant(
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
            "backup: ListBackupPlans ListBackupVaults ListLegalHolds "
            "iam: ListRoles lambda: ListFunctions logs: DescribeLogGroups",
            _EVERYTHING,
        ),
        Grant(
            "backup: DeleteBackupVault DeleteBackupVaultLockConfiguration ListTags "
            "PutBackupVaultLockConfiguration",
            at.vaults,
        ),
        Grant("backup: DeleteBackupVault ListTags", at.air_gapped_vault),
        Grant("backup: ListRecoveryPointsByBackupVault", at.both("backup", "backup-vault:*")),
        Grant(
            # This key asks for compliance mode, which cannot be undone.
            # https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
            "backup: PutBackupVaultLockConfiguration",
            _EVERYTHING,
            conditions={"Null": {"backup:ChangeableForDays": "false"}},
            deny=True,
        ),
        # A vault's own lock refuses it until it is taken off.
        Grant("backup: DeleteRecoveryPoint", at.all_points),
        Grant("backup: ListTags", at.points),
        Grant("backup: CancelLegalHold ListRecoveryPointsByLegalHold", at.legal_holds),
        Grant(
            "cloudformation: DeleteStack DescribeStackEvents DescribeStacks "
            "UpdateTerminationProtection",
            at.stacks(names.DR_STACK, names.ACCESS_STACK),
        ),
        Grant(
            "iam: DeleteRole DeleteRolePolicy DetachRolePolicy GetRole ListAttachedRolePolicies "
            "ListRolePolicies",
            [at.role],
        ),
        Grant(
            # Only while they are attached to no one: IAM deletes no attached policy.
            "iam: DeletePolicy DeletePolicyVersion GetPolicy ListPolicyVersions",
            [at.arn("iam", f"policy/{name}", "") for name in names.ACCESS_POLICIES],
        ),
    )
