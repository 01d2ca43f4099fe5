"""What the policies keep people from: each call refused by IAM, and nothing changed by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.access.attacks import (
    ANYONE,
    ATTACKS,
    DR_VAULT,
    ITEM,
    OTHER_TABLE,
    ROLE,
    SCRATCH,
    TO_END_PROTECTION,
    VAULT,
    Attack,
    Facts,
)
from tests.e2e.access.commands import Role
from tests.e2e.access.conftest import REGIONS, USER, Guarded
from tests.e2e.access.people import Desk, Person, mfa_code
from tests.e2e.exercise import newest_point
from tests.sandbox.cabal import let_tables_settle

EMERGENCY = "cabal-emergency"
"""The IAM user of docs/access.md."""

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")


@pytest.fixture(scope="module")
def city(guarded: Guarded) -> Guarded:
    """Cabal is not alone in its account here: others have a table, a role, a vault, a topic."""
    guarded.rewound()
    sandbox = guarded.sandbox
    iam, backup = sandbox.client("iam"), sandbox.client("backup")
    iam.create_role(RoleName="administrator", AssumeRolePolicyDocument=ANYONE)
    iam.create_policy(PolicyName="guardrail", PolicyDocument=_POLICY)
    backup.create_backup_vault(BackupVaultName="others")
    backup.put_backup_vault_lock_configuration(BackupVaultName="others", MinRetentionDays=7)
    sandbox.client("backup", "us-west-2").create_backup_vault(BackupVaultName="others")
    sandbox.client("efs").create_file_system(
        CreationToken="others", Tags=[{"Key": "Name", "Value": "others"}]
    )
    for table in (OTHER_TABLE, SCRATCH):
        sandbox.client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
        )
    let_tables_settle(sandbox)
    sandbox.client("dynamodb").put_item(TableName=OTHER_TABLE, Item=ITEM)
    sandbox.client("sns").create_topic(Name="mine")
    sandbox.client("s3").create_bucket(
        Bucket="trails", CreateBucketConfiguration={"LocationConstraint": "us-west-1"}
    )
    trail = sandbox.client("cloudtrail")
    trail.create_trail(Name="all", S3BucketName="trails")
    trail.start_logging(Name="all")
    return guarded


_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}],
    }
)


@pytest.fixture(scope="module")
def facts(city: Guarded) -> Facts:
    sandbox = city.sandbox
    backup, efs = sandbox.client("backup"), sandbox.client("efs")
    mailstore = city.deployment.cabal.file_system_id
    (plan,) = backup.list_backup_plans()["BackupPlansList"]
    plan_id = plan["BackupPlanId"]
    (selection,) = backup.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]
    functions = sandbox.client("lambda").list_functions()["Functions"]
    groups = sandbox.client("logs").describe_log_groups()["logGroups"]
    stack = sandbox.client("cloudformation").describe_stacks(StackName="cabal-backup")["Stacks"][0]
    return Facts(
        point=newest_point(sandbox, "DynamoDB"),
        dr_point=newest_point(sandbox, "DynamoDB", vault=DR_VAULT, region="us-west-2"),
        plan=plan_id,
        selection=selection["SelectionId"],
        mailstore=mailstore,
        mount_target=efs.describe_mount_targets(FileSystemId=mailstore)["MountTargets"][0][
            "MountTargetId"
        ],
        access_point=efs.describe_access_points(FileSystemId=mailstore)["AccessPoints"][0][
            "AccessPointId"
        ],
        other_file_system=efs.describe_file_systems(CreationToken="others")["FileSystems"][0][
            "FileSystemId"
        ],
        function=functions[0]["FunctionName"],
        log_group=groups[0]["logGroupName"],
        stack=stack["StackId"],
        backup_job=backup.list_backup_jobs()["BackupJobs"][0]["BackupJobId"],
    )


@pytest.mark.parametrize("role", Role)
def test_the_list_is_long_and_of_different_calls(role: Role) -> None:
    calls = {(each.name, each.service, each.operation) for each in ATTACKS[role]}
    assert len({(service, operation) for _, service, operation in calls}) >= 30
    assert len(calls) == len(ATTACKS[role])


def _each() -> Iterator[Any]:
    for role, attacks in ATTACKS.items():
        for attack in attacks:
            name = attack.name.replace(" ", "-").replace("'", "")
            yield pytest.param(role, attack, id=f"{role}-{name}")


@pytest.mark.parametrize(("role", "attack"), list(_each()))
def test_it_is_denied(city: Guarded, facts: Facts, role: Role, attack: Attack) -> None:
    city.sandbox.forget_decisions()
    assert_denied(city.people[role], attack, facts)
    assert [allowed for _, _, allowed in city.people[role].asked()][-1] is False


@pytest.mark.parametrize("role", Role)
def test_none_of_it_changes_anything(city: Guarded, facts: Facts, role: Role) -> None:
    before = seen(city, facts)
    for attack in ATTACKS[role]:
        assert_denied(city.people[role], attack, facts)
    assert seen(city, facts) == before


def test_as_root_the_same_calls_do_change_something(city: Guarded, facts: Facts) -> None:
    """The comparison above can fail."""
    before = seen(city, facts)
    checkpoint = city.sandbox.checkpoint()
    for attack in TO_END_PROTECTION:
        with suppress(ClientError):
            client = city.sandbox.client(attack.service, attack.region)
            getattr(client, attack.operation)(**attack.parameters(facts))
        after = seen(city, facts)
        city.sandbox.rollback(checkpoint)
        # Points and vaults wait for the locks, the stack for its termination protection; there is
        # no hold to release.
        waits = attack.operation in ("delete_recovery_point", "delete_backup_vault", "delete_stack")
        changes_nothing = waits or attack.operation in ("delete_role", "cancel_legal_hold")
        assert (after == before) is changes_nothing, attack.name


@pytest.mark.parametrize("attack", TO_END_PROTECTION, ids=lambda attack: attack.name)
def test_the_emergency_user_can_do_nothing_without_a_code(
    city: Guarded, facts: Facts, attack: Attack
) -> None:
    assert_denied(Person(EMERGENCY, city.sandbox, _new_key(city, EMERGENCY)), attack, facts)


def test_the_emergency_user_removes_a_lock_with_a_code(city: Guarded) -> None:
    checkpoint = city.sandbox.checkpoint()
    given = _device_of(city, EMERGENCY)
    session = _sts(city, EMERGENCY).get_session_token(**given)["Credentials"]
    backup = Person(EMERGENCY, city.sandbox, session).client("backup")
    backup.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)
    city.sandbox.rollback(checkpoint)


@pytest.mark.parametrize("source", [VAULT, DR_VAULT])
@pytest.mark.parametrize(
    "vault",
    [
        "arn:aws:backup:us-west-1:123456789012:backup-vault:others",
        "arn:aws:backup:us-west-2:123456789012:backup-vault:others",
        "arn:aws:backup:us-west-1:210987654321:backup-vault:cabal-backup",
        "arn:aws:backup:us-west-2:210987654321:backup-vault:cabal-backup-dr",
    ],
)
def test_a_copy_to_the_vault_of_another_fails_and_is_reported(
    city: Guarded, facts: Facts, vault: str, source: str
) -> None:
    checkpoint = city.sandbox.checkpoint()
    operator, auditor = (city.people[role] for role in (Role.OPERATOR, Role.AUDITOR))
    region, point = {
        VAULT: ("us-west-1", facts.point),
        DR_VAULT: ("us-west-2", facts.dr_point),
    }[source]
    backup = operator.client("backup", region)
    job = backup.start_copy_job(
        RecoveryPointArn=point,
        SourceBackupVaultName=source,
        DestinationBackupVaultArn=vault,
        IamRoleArn=ROLE,
    )["CopyJobId"]
    city.sandbox.advance(hours=1)

    ended = backup.describe_copy_job(CopyJobId=job)["CopyJob"]
    said = Desk(city.deployment, auditor).run("status --json --only foreign-copies")
    city.sandbox.rollback(checkpoint)

    assert (ended["State"], ended["MessageCategory"]) == ("FAILED", "AccessDenied")
    assert "backup:CopyFromBackupVault" in ended["StatusMessage"]
    (finding,) = said.json["findings"]
    assert finding["status"] == "warn"
    assert vault in finding["details"][0]


def test_without_a_code_the_break_glass_role_is_not_assumed(city: Guarded) -> None:
    user = _user(city)
    role = "arn:aws:iam::123456789012:role/cabal-break-glass"
    device = f"arn:aws:iam::123456789012:mfa/{USER}"
    for code in ({}, {"SerialNumber": device, "TokenCode": "000000"}):
        with pytest.raises(ClientError, match="AccessDenied"):
            user.assume_role(RoleArn=role, RoleSessionName="mallory", **code)


def test_a_code_of_another_users_device_does_not_help(city: Guarded) -> None:
    city.sandbox.client("iam").create_user(UserName="another")
    given = _device_of(city, "another")
    with pytest.raises(ClientError, match="invalid MFA"):
        _user(city).assume_role(
            RoleArn="arn:aws:iam::123456789012:role/cabal-break-glass",
            RoleSessionName="mallory",
            **given,
        )


def assert_denied(person: Person, attack: Attack, facts: Facts) -> None:
    """By IAM and for lack of permission, not for anything else that is wrong with the call."""
    client = person.client(attack.service, attack.region)
    with pytest.raises(ClientError) as refused:
        getattr(client, attack.operation)(**attack.parameters(facts))
    error = refused.value.response["Error"]
    assert error["Code"] in DENIED, error
    action = attack.refused or f":{refused.value.operation_name}"
    assert re.search(rf"not authorized to perform: \S*{re.escape(action)}", error["Message"]), error


def _user(city: Guarded) -> Any:
    return _sts(city, USER)


def _sts(city: Guarded, user: str) -> Any:
    """The user's own STS, with a new key."""
    return Person(user, city.sandbox, _new_key(city, user)).client("sts")


def _new_key(city: Guarded, user: str) -> dict[str, str]:
    iam = city.sandbox.client("iam")
    for old in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=old["AccessKeyId"])
    key: dict[str, str] = iam.create_access_key(UserName=user)["AccessKey"]
    return key


def _device_of(city: Guarded, user: str) -> dict[str, str]:
    """A new device of the user, as the parameters that present its code."""
    iam = city.sandbox.client("iam")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName=user)["VirtualMFADevice"]
    code = mfa_code(device["Base32StringSeed"].decode())
    iam.enable_mfa_device(
        UserName=user,
        SerialNumber=device["SerialNumber"],
        AuthenticationCode1=code,
        AuthenticationCode2=code,
    )
    return {"SerialNumber": device["SerialNumber"], "TokenCode": code}


def seen(city: Guarded, facts: Facts) -> str:
    """All that an attack could have changed, asked as root."""
    found: dict[str, Any] = {}
    for region in REGIONS:
        found[region] = _backups(city, region)
    found["plan"] = _answer(city, "backup", "get_backup_plan", BackupPlanId=facts.plan)
    found["selections"] = _answer(city, "backup", "list_backup_selections", BackupPlanId=facts.plan)
    found["live"] = [*_tables(city), *_mailstore(city, facts)]
    found["iam"] = _iam(city)
    found["others"] = [
        _answer(city, "cloudtrail", "get_trail_status", Name="all")["IsLogging"],
        _answer(city, "lambda", "get_function_configuration", FunctionName=facts.function),
        len(_answer(city, "logs", "describe_log_groups")["logGroups"]),
        len(_answer(city, "sns", "list_topics")["Topics"]),
        _answer(city, "ecs", "list_services", cluster="cabal-mail"),
        [
            (stack["StackName"], stack["StackStatus"], stack.get("EnableTerminationProtection"))
            for stack in _answer(city, "cloudformation", "describe_stacks")["Stacks"]
        ],
    ]
    return json.dumps(found, sort_keys=True, default=str, indent=1)


def _answer(city: Guarded, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(city.sandbox.client(service), operation)(**parameters)
    del answer["ResponseMetadata"]
    return answer


def _backups(city: Guarded, region: str) -> list[Any]:
    backup = city.sandbox.client("backup", region)
    vault = VAULT if region == "us-west-1" else DR_VAULT
    points = backup.list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]
    settings = backup.describe_region_settings()
    return [
        backup.list_backup_vaults()["BackupVaultList"],
        [(point["RecoveryPointArn"], point["Status"], point["Lifecycle"]) for point in points],
        settings["ResourceTypeOptInPreference"],
        settings["ResourceTypeManagementPreference"],
        [
            len(backup.list_backup_jobs()["BackupJobs"]),
            len(backup.list_copy_jobs()["CopyJobs"]),
            len(backup.list_restore_jobs()["RestoreJobs"]),
            len(backup.list_backup_plans()["BackupPlansList"]),
        ],
    ]


def _tables(city: Guarded) -> Iterator[Any]:
    dynamodb = city.sandbox.client("dynamodb")
    for name in dynamodb.list_tables()["TableNames"]:
        table = dynamodb.describe_table(TableName=name)["Table"]
        recovery = dynamodb.describe_continuous_backups(TableName=name)
        yield [
            name,
            table.get("DeletionProtectionEnabled"),
            recovery["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
                "PointInTimeRecoveryStatus"
            ],
            dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
            dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"],
            dynamodb.scan(TableName=name)["Items"],
        ]


def _mailstore(city: Guarded, facts: Facts) -> list[Any]:
    efs, which = city.sandbox.client("efs"), {"FileSystemId": facts.mailstore}
    return [
        efs.describe_file_systems()["FileSystems"],
        efs.describe_access_points(FileSystemId=facts.other_file_system)["AccessPoints"],
        efs.describe_mount_targets(**which)["MountTargets"],
        efs.describe_mount_target_security_groups(MountTargetId=facts.mount_target)[
            "SecurityGroups"
        ],
        efs.describe_access_points(**which)["AccessPoints"],
    ]


def _iam(city: Guarded) -> list[Any]:
    iam = city.sandbox.client("iam")
    return [
        [
            (
                role["RoleName"],
                role["AssumeRolePolicyDocument"],
                iam.get_paginator("list_attached_role_policies")
                .paginate(RoleName=role["RoleName"])
                .build_full_result()["AttachedPolicies"],
                iam.get_paginator("list_role_policies")
                .paginate(RoleName=role["RoleName"])
                .build_full_result()["PolicyNames"],
            )
            for role in iam.list_roles(MaxItems=1000)["Roles"]
        ],
        [
            (p["PolicyName"], p["DefaultVersionId"])
            for p in iam.list_policies(Scope="Local")["Policies"]
        ],
        [user["UserName"] for user in iam.list_users()["Users"] if user["UserName"] == "mallory"],
        iam.list_attached_user_policies(UserName=USER)["AttachedPolicies"],
        iam.list_mfa_devices(UserName=USER)["MFADevices"],
    ]
