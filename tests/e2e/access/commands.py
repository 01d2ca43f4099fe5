"""Every command that talks to AWS, whose it is, and how it is used: the one table.

A command without an entry fails the tests until it has one. An entry runs the command in
every way that makes it ask for something else; what it asked IAM for is what its policy
has to hold, no less and no more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cabal_backup.cli.parser import Parser, build_parser, commands_of
from tests.e2e.access.people import Desk
from tests.e2e.exercise import newest_point
from tests.e2e.operator import Said
from tests.sandbox.cabal import delete_table, let_tables_settle

ADDRESSES, COUNTER = "cabal-addresses", "cabal-counter"


class Role(StrEnum):
    """Who works with which of the policies; also the names of the roles in docs/access.md."""

    AUDITOR = "cabal-auditor"
    OPERATOR = "cabal-operator"
    BREAK_GLASS = "cabal-break-glass"


@dataclass(frozen=True)
class Use:
    """A command, used by a person with a role until it has done all it can."""

    role: Role
    work: Callable[[Desk], None]


def commands_that_talk_to_aws() -> set[str]:
    """From the command line itself: those that can be given a profile.

    Without verify-aws: who deploys runs it, and no policy allows to ask for what does not exist.
    """
    return {
        name
        for name, parser in leaves()
        if any("--profile" in action.option_strings for action in parser._actions)
    } - {"verify-aws"}


def leaves() -> Iterator[tuple[str, Parser]]:
    """Every command by its whole name, with its parser."""
    for parser in commands_of(build_parser()):
        if parser.get_default("run") is not None:
            yield parser.prog.removeprefix("cabal-backup "), parser


def _well(said: Said) -> Said:
    assert said.code == 0, f"exit code {said.code}\n{said.out}\n{said.err}"
    return said


def _status(desk: Desk) -> None:
    """Also with the locks off: then it looks up who took them; and where alerts are wanted."""
    for region, vault in (("us-west-1", "cabal-backup"), ("us-west-2", "cabal-backup-dr")):
        desk.root("backup", region).delete_backup_vault_lock_configuration(BackupVaultName=vault)
    desk.root("s3").create_bucket(
        Bucket="trail", CreateBucketConfiguration={"LocationConstraint": "us-west-1"}
    )
    trail = desk.root("cloudtrail")
    trail.create_trail(Name="everything", S3BucketName="trail", IsMultiRegionTrail=True)
    trail.start_logging(Name="everything")
    for region in ("us-west-1", "us-west-2"):
        desk.root("sns", region).subscribe(
            TopicArn=f"arn:aws:sns:{region}:123456789012:cabal-backup-alerts",
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{region}:123456789012:somewhere",
        )
    _plan_restore_tests(desk)
    wanted = {"alerts": "true", "restore_testing": "true"}
    findings = desk.run("status --json", **wanted).json["findings"]
    assert [one for one in findings if one["status"] == "unknown"] == []
    assert {one["check"] for one in findings if one["check"].endswith("-lock")} == {
        "primary-lock",
        "dr-lock",
    }


def _plan_restore_tests(desk: Desk) -> None:
    for name, region in (
        ("cabal_backup_restore_testing", "us-west-1"),
        ("cabal_backup_dr_table", "us-west-2"),
        ("cabal_backup_dr_mailstore", "us-west-2"),
    ):
        backup = desk.root("backup", region)
        backup.create_restore_testing_plan(
            RestoreTestingPlan={
                "RestoreTestingPlanName": name,
                "ScheduleExpression": "cron(0 6 1 * ? *)",
                "RecoveryPointSelection": {
                    "Algorithm": "LATEST_WITHIN_WINDOW",
                    "IncludeVaults": ["*"],
                    "RecoveryPointTypes": ["SNAPSHOT"],
                },
            }
        )
        backup.create_restore_testing_selection(
            RestoreTestingPlanName=name,
            RestoreTestingSelection={
                "RestoreTestingSelectionName": f"{name}_efs",
                "ProtectedResourceType": "EFS",
                "ProtectedResourceArns": ["*"],
                "IamRoleArn": "arn:aws:iam::123456789012:role/cabal-backup-role",
            },
        )


def _init(desk: Desk) -> None:
    _well(desk.run("init --dry-run"))


def _doctor(desk: Desk) -> None:
    findings = desk.run("doctor --json").json["findings"]
    assert [one for one in findings if one["status"] == "unknown"] == []


def brought_back(desk: Desk) -> None:
    """A recovery point of a table that a copy-back restored in the DR region."""
    table = desk.root("dynamodb", "us-west-2").create_table(
        TableName="cabal-addresses-copy-back-20251120-000000",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
    )["TableDescription"]["TableArn"]
    let_tables_settle(desk.sandbox)
    desk.root("backup", "us-west-2").start_backup_job(
        BackupVaultName="cabal-backup-dr",
        ResourceArn=table,
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        Lifecycle={"DeleteAfterDays": 30},
        RecoveryPointTags={
            "cabal-backup:night": "2025-11-20T00:20:00+00:00",
            "cabal-backup:resource": f"arn:aws:dynamodb:us-west-1:123456789012:table/{ADDRESSES}",
            "cabal-backup:original": "arn:aws:backup:us-west-2:123456789012:recovery-point:cold",
        },
    )
    desk.sandbox.advance(hours=1)


def _points(desk: Desk) -> None:
    brought_back(desk)
    said = _well(desk.run("points --list"))
    assert "2025-11-20T00:20:00Z" in said.out
    assert "2026-01-02" in said.out


def _report(desk: Desk) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _well(desk.run(f"report --output {folder}/report.html"))


def _costs(desk: Desk) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prices.toml"
        file.write_text('[us-west-2]\nlike = "us-east-1"\n', encoding="utf-8")
        assert "storage" in _well(desk.run(f"costs --prices {file}")).out


def _jobs(desk: Desk) -> None:
    """While tables are being restored, under any name that begins like the live one's."""
    # However long the command takes on a slow machine.
    desk.sandbox.settings(table_restore=3600)
    desk.root("dynamodb").restore_table_to_point_in_time(
        SourceTableName=COUNTER, TargetTableName="cabal-counter-again", UseLatestRestorableTime=True
    )
    desk.sandbox.advance(seconds=3)  # until DescribeTable finds it
    assert "cabal-counter-again" in _well(desk.run("jobs")).out


def _watch(desk: Desk) -> None:
    restored = _restore_by_root(desk)
    assert restored in _well(desk.run(f"jobs watch {restored}")).out
    for listing, job in (
        ("list_backup_jobs", "BackupJobs"),
        ("list_copy_jobs", "CopyJobs"),
    ):
        found = getattr(desk.root("backup"), listing)()[job][0]
        identity = found.get("BackupJobId") or found["CopyJobId"]
        _well(desk.run(f"jobs watch {identity}"))


def _restore_by_root(desk: Desk) -> str:
    job: str = desk.root("backup").start_restore_job(
        RecoveryPointArn=newest_point(desk.sandbox, "DynamoDB"),
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        ResourceType="DynamoDB",
        Metadata={"targetTableName": "cabal-addresses-restored-20260101-000000"},
    )["RestoreJobId"]
    return job


def _restore_addresses(desk: Desk) -> None:
    """Beside the live table, with everything after it; and in its place, tags and TTL too."""
    _well(desk.run("restore addresses --yes --cutover --delete-restored"))
    desk.root("dynamodb").update_time_to_live(
        TableName=ADDRESSES,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
    )
    delete_table(desk.sandbox, ADDRESSES)
    _well(desk.run("restore addresses --yes"))
    described = desk.root("dynamodb").describe_table(TableName=ADDRESSES)["Table"]
    assert described["DeletionProtectionEnabled"]
    _well(desk.run("restore addresses --in dr --yes --cutover --delete-restored"))


def _restore_table(desk: Desk) -> None:
    """As of a moment, beside the live table; and in its place, from what DynamoDB keeps."""
    _well(desk.run(f"restore table {ADDRESSES} --in dr --latest --yes"))
    _well(desk.run(f"restore table {COUNTER} --latest --yes"))
    delete_table(desk.sandbox, COUNTER)
    _well(desk.run(f"restore table {COUNTER} --latest --yes"))


def _compare(desk: Desk) -> None:
    restored = _copy_of_the_addresses(desk)
    desk.root("dynamodb").delete_item(
        TableName=ADDRESSES, Key={"address": _scanned(desk)[0]["address"]}
    )
    assert desk.run(f"compare {restored} {ADDRESSES}").code == 5


def _cutover(desk: Desk) -> None:
    """Each mode, each way to tell the mail tiers, and the counter, which is never lowered."""
    restored = _copy_of_the_addresses(desk)
    for mode in ("", "--missing-only", "--mirror"):
        first, second = _scanned(desk)[:2]
        dynamodb = desk.root("dynamodb")
        dynamodb.delete_item(TableName=ADDRESSES, Key={"address": first["address"]})
        dynamodb.put_item(TableName=ADDRESSES, Item={**second, "user": {"S": "mallory"}})
        dynamodb.put_item(TableName=ADDRESSES, Item={"address": {"S": "new@mail.example.com"}})
        how = "roll" if mode == "--mirror" else "publish"
        _well(desk.run(f"cutover {restored} {ADDRESSES} --yes --reconfigure {how} {mode}"))
    restored = _well(desk.run("restore addresses --yes")).out.strip()
    _well(desk.run(f"cutover {restored} {ADDRESSES} --yes --delete-restored"))
    counted = _well(desk.run(f"restore table {COUNTER} --latest --yes")).out.strip()
    osid = {"counter": {"S": "counter"}, "osid": {"N": "70000"}}
    desk.root("dynamodb").put_item(TableName=COUNTER, Item=osid)
    _well(desk.run(f"cutover {counted} {COUNTER} --yes"))


def _cutover_undo(desk: Desk) -> None:
    """Items that the cutover wrote over, deleted and added."""
    restored = _copy_of_the_addresses(desk)
    first, second = _scanned(desk)[:2]
    dynamodb = desk.root("dynamodb")
    dynamodb.delete_item(TableName=ADDRESSES, Key={"address": first["address"]})
    dynamodb.put_item(TableName=ADDRESSES, Item={**second, "user": {"S": "mallory"}})
    dynamodb.put_item(TableName=ADDRESSES, Item={"address": {"S": "new@mail.example.com"}})
    _well(desk.run(f"cutover {restored} {ADDRESSES} --yes --mirror"))
    desk.sandbox.advance(minutes=10)
    undone = _well(desk.run(f"cutover undo {restored} {ADDRESSES} --yes --delete-restored"))
    assert "2 items written" in undone.out
    assert "1 deleted" in undone.out


def _scanned(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.root("dynamodb").scan(TableName=ADDRESSES)["Items"]
    return found


def _copy_of_the_addresses(desk: Desk) -> str:
    """Restored under the name that the tool gives."""
    _restore_by_root(desk)
    desk.sandbox.advance(hours=1)
    return "cabal-addresses-restored-20260101-000000"


def _copy_back(desk: Desk) -> None:
    """Of what is in the DR vault only: the primary one has lost its points."""
    backup = desk.root("backup")
    backup.delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup")
    for kind in ("DynamoDB", "EFS"):
        backup.delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=newest_point(desk.sandbox, kind)
        )
    desk.sandbox.advance(minutes=1)
    _well(desk.run("copy-back addresses --yes"))
    _well(desk.run("copy-back mailstore --yes"))
    for kind in ("DynamoDB", "EFS"):
        cold = _cold_copy(desk, kind)
        back = _well(desk.run(f"copy-back {cold} --cold --yes")).out.strip()
        assert back in _well(desk.run("points --list")).out


def _cold_copy(desk: Desk, kind: str) -> str:
    """A recovery point of the DR vault that has just moved to cold storage."""
    point = newest_point(desk.sandbox, kind)
    copied = desk.root("backup").start_copy_job(
        RecoveryPointArn=point,
        SourceBackupVaultName="cabal-backup",
        DestinationBackupVaultArn=(
            "arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr"
        ),
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        Lifecycle={"MoveToColdStorageAfterDays": 1, "DeleteAfterDays": 100},
    )["CopyJobId"]
    desk.sandbox.advance(days=1)
    done = desk.root("backup").describe_copy_job(CopyJobId=copied)["CopyJob"]
    arn: str = done["DestinationRecoveryPointArn"]
    return arn


def _backup_and_copy(desk: Desk) -> None:
    _well(desk.run("backup now --yes"))
    _well(desk.run("copy now --yes"))


def _restore_mailbox(desk: Desk) -> None:
    _well(desk.run("restore mailbox alice --yes"))
    # Once more it finds what was restored.
    _well(desk.run("restore mailbox alice --yes"))
    subnet, group = _network_in_dr(desk)
    _well(
        desk.run(f"restore mailbox alice --in dr --yes --subnet {subnet} --security-group {group}")
    )


def _network_in_dr(desk: Desk) -> tuple[str, str]:
    """A subnet and a security group."""
    ec2 = desk.root("ec2", "us-west-2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="nfs", Description="NFS", VpcId=vpc)["GroupId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="us-west-2a")[
        "Subnet"
    ]["SubnetId"]
    return subnet, group


def _restore_mailstore(desk: Desk) -> None:
    """With all that a file system can be set up with, and groups that were changed by hand."""
    groups = _dress_up(desk)
    new = _well(desk.run("restore mailstore --yes")).out.strip()
    efs = desk.root("efs")
    for target in efs.describe_mount_targets(FileSystemId=new)["MountTargets"]:
        efs.modify_mount_target_security_groups(
            MountTargetId=target["MountTargetId"], SecurityGroups=groups[1:]
        )
    _well(desk.run("restore mailstore --yes"))
    for target in efs.describe_mount_targets(FileSystemId=new)["MountTargets"]:
        found = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])
        assert found["SecurityGroups"] == groups[:1]
    subnet, group = _network_in_dr(desk)
    _well(desk.run(f"restore mailstore --in dr --yes --subnet {subnet} --security-group {group}"))


def _dress_up(desk: Desk) -> list[str]:
    """Two security groups, of which the mount targets have the first; and all other settings."""
    efs, ec2 = desk.root("efs"), desk.root("ec2")
    identity = desk.deployment.cabal.file_system_id
    targets = efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]
    groups: list[str] = [
        ec2.create_security_group(GroupName=name, Description="NFS", VpcId=targets[0]["VpcId"])[
            "GroupId"
        ]
        for name in ("nfs", "nfs-2")
    ]
    for target in targets:
        efs.modify_mount_target_security_groups(
            MountTargetId=target["MountTargetId"], SecurityGroups=groups[:1]
        )
    efs.create_access_point(FileSystemId=identity, Tags=[{"Key": "Name", "Value": "everything"}])
    efs.update_file_system(FileSystemId=identity, ThroughputMode="elastic")
    efs.put_backup_policy(FileSystemId=identity, BackupPolicy={"Status": "ENABLED"})
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},'
        f'"Action":"elasticfilesystem:ClientMount","Resource":"'
        f'{desk.deployment.cabal.file_system_arn}"}}]}}'
    )
    efs.put_file_system_policy(FileSystemId=identity, Policy=policy)
    return groups


def _alerts(desk: Desk) -> None:
    for region in ("us-west-1", "us-west-2"):
        topic = desk.root("sns", region).create_topic(Name="cabal-backup-alerts")["TopicArn"]
        queue = desk.root("sqs", region).create_queue(QueueName="inbox")["QueueUrl"]
        attributes = desk.root("sqs", region).get_queue_attributes(
            QueueUrl=queue, AttributeNames=["QueueArn"]
        )["Attributes"]
        desk.root("sns", region).subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"]
        )
    _well(desk.run("alerts test", alerts="true"))


def _run_watch(desk: Desk) -> None:
    """Whatever it finds: it runs as itself, with its own role."""
    said = desk.run("watch run --json", alerts="true")
    assert [each["region"] for each in said.json["regions"]] == ["us-west-1", "us-west-2"], said.err


def _hold_create(desk: Desk) -> None:
    _well(desk.run("hold create lawsuit --reason letter --yes"))


def _hold_list(desk: Desk) -> None:
    desk.root("backup").create_legal_hold(Title="lawsuit", Description="Keep it.")
    assert '"lawsuit" in us-west-1' in _well(desk.run("hold list")).out


def _hold_release(desk: Desk) -> None:
    for region in ("us-west-1", "us-west-2"):
        desk.root("backup", region).create_legal_hold(Title="lawsuit", Description="Keep it.")
    desk.sandbox.advance(minutes=1)
    _well(desk.run("hold release lawsuit --reason settled --yes"))
    assert "There is no legal hold" in _well(desk.run("hold list")).out


def _unlock(desk: Desk) -> None:
    _well(desk.run("unlock --reason maintenance --yes"))
    for region, vault in (("us-west-1", "cabal-backup"), ("us-west-2", "cabal-backup-dr")):
        described = desk.root("backup", region).describe_backup_vault(BackupVaultName=vault)
        assert not described["Locked"]


def _relock(desk: Desk) -> None:
    backup = desk.root("backup")
    backup.delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup")
    _well(desk.run("relock"))
    assert backup.describe_backup_vault(BackupVaultName="cabal-backup")["Locked"]


def _teardown_plan(desk: Desk) -> None:
    """Also where there is a legal hold, and what brings a cold recovery point back."""
    desk.root("backup").create_legal_hold(Title="lawsuit", Description="Keep it.")
    brought_back(desk)
    shown = _well(desk.run("teardown plan")).out
    assert "recovery points" in shown
    assert "of another resource" not in shown


def _delete_recovery_points(desk: Desk) -> None:
    """Also what brings a cold one back."""
    brought_back(desk)
    for region, vault in (("us-west-1", "cabal-backup"), ("us-west-2", "cabal-backup-dr")):
        desk.root("backup", region).delete_backup_vault_lock_configuration(BackupVaultName=vault)
    said = _well(desk.run("teardown delete-recovery-points --yes"))
    assert "were kept" not in said.err


def _destroy(desk: Desk) -> None:
    """A role and a policy that were changed, and a stack that cannot be deleted at first."""
    _delete_recovery_points(desk)
    iam, backup = desk.root("iam"), desk.root("backup")
    iam.put_role_policy(RoleName="cabal-backup-role", PolicyName="by-hand", PolicyDocument=_POLICY)
    _detach_the_auditors_policy(desk)
    (plan,) = backup.list_backup_plans()["BackupPlansList"]
    added = backup.create_backup_selection(
        BackupPlanId=plan["BackupPlanId"],
        BackupSelection={
            "SelectionName": "by-hand",
            "IamRoleArn": "arn:aws:iam::123456789012:role/cabal-backup-role",
            "Resources": ["arn:aws:dynamodb:us-west-1:123456789012:table/cabal-counter"],
        },
    )
    stopped = desk.run("teardown destroy --yes")
    assert "CloudFormation could not delete the stack cabal-backup" in stopped.err, stopped.err
    backup.delete_backup_selection(
        BackupPlanId=plan["BackupPlanId"], SelectionId=added["SelectionId"]
    )
    destroyed = _well(desk.run("teardown destroy --yes"))
    # Until the last recovery point in the air-gapped vault expires, its vault and the role stay.
    assert "the role cabal-backup-role stays" in destroyed.out
    desk.sandbox.advance(days=16)
    assert "Nothing is left" in _well(desk.run("teardown destroy --yes")).out
    assert "The policy cabal-backup-auditor was deleted." in destroyed.err
    assert "The stack cabal-backup-access in us-west-2 was deleted." in stopped.err
    assert "The policy cabal-backup-break-glass stays: 2 users, groups or roles" in destroyed.err


def _detach_the_auditors_policy(desk: Desk) -> None:
    """And it has an older version, as a deployment leaves one that changes it."""
    iam, arn = desk.root("iam"), "arn:aws:iam::123456789012:policy/cabal-backup-auditor"
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=_POLICY, SetAsDefault=True)
    for role in (Role.AUDITOR, Role.OPERATOR):
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)


_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:DescribeKey",'
    '"Resource":"*"}]}'
)


def _drill(what: str) -> Callable[[Desk], None]:
    """Once with leftovers of an earlier drill, which it removes first."""

    def work(desk: Desk) -> None:
        user = "--user alice" if what in ("mailbox", "all") else ""
        key = {"AttributeName": "address"}
        desk.root("dynamodb").create_table(
            TableName="cabal-addresses-drill-20260101-000000",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{**key, "KeyType": "HASH"}],
            AttributeDefinitions=[{**key, "AttributeType": "S"}],
            Tags=[{"Key": "cabal-backup-drill", "Value": "20260101-000000"}],
        )
        let_tables_settle(desk.sandbox)
        with tempfile.TemporaryDirectory() as reports:
            _well(desk.run(f"drill {what} {user} --yes --report-dir {reports}"))
            assert [*Path(reports).glob("*.md")]
        tables = desk.root("dynamodb").list_tables()["TableNames"]
        assert not [name for name in tables if "drill" in name]

    return work


USES: dict[str, tuple[Use, ...]] = {
    "init": (Use(Role.AUDITOR, _init),),
    "doctor": (Use(Role.AUDITOR, _doctor),),
    "status": (Use(Role.AUDITOR, _status),),
    "points": (Use(Role.AUDITOR, _points),),
    "costs": (Use(Role.AUDITOR, _costs),),
    "report": (Use(Role.AUDITOR, _report),),
    "jobs": (Use(Role.AUDITOR, _jobs), Use(Role.OPERATOR, _watch)),
    "restore addresses": (Use(Role.OPERATOR, _restore_addresses),),
    "restore table": (Use(Role.OPERATOR, _restore_table),),
    "restore mailbox": (Use(Role.OPERATOR, _restore_mailbox),),
    "restore mailstore": (Use(Role.OPERATOR, _restore_mailstore),),
    "compare": (Use(Role.OPERATOR, _compare),),
    "cutover": (Use(Role.OPERATOR, _cutover),),
    "cutover undo": (Use(Role.OPERATOR, _cutover_undo),),
    "backup now": (Use(Role.OPERATOR, _backup_and_copy),),
    "copy now": (Use(Role.OPERATOR, _backup_and_copy),),
    "copy-back": (Use(Role.OPERATOR, _copy_back),),
    "drill addresses": (Use(Role.OPERATOR, _drill("addresses")),),
    "drill mailbox": (Use(Role.OPERATOR, _drill("mailbox")),),
    "drill copy-back": (Use(Role.OPERATOR, _drill("copy-back")),),
    "drill all": (Use(Role.OPERATOR, _drill("all")),),
    "alerts": (Use(Role.OPERATOR, _alerts),),
    "watch": (Use(Role.OPERATOR, _run_watch),),
    "hold create": (Use(Role.OPERATOR, _hold_create),),
    "hold list": (Use(Role.AUDITOR, _hold_list),),
    "hold release": (Use(Role.BREAK_GLASS, _hold_release),),
    "unlock": (Use(Role.BREAK_GLASS, _unlock),),
    "relock": (Use(Role.BREAK_GLASS, _relock),),
    "teardown plan": (Use(Role.BREAK_GLASS, _teardown_plan),),
    "teardown delete-recovery-points": (Use(Role.BREAK_GLASS, _delete_recovery_points),),
    "teardown destroy": (Use(Role.BREAK_GLASS, _destroy),),
}
