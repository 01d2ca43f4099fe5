"""Resources for the tests, and one backup of them."""

from __future__ import annotations

import json
from typing import Any

from local_aws.client import ACCOUNT, PRIMARY_REGION, Sandbox
from local_aws_tests.served.templates import ROLE_ARN, TRUST_BACKUP

VAULT = "a-vault"


def make_role(
    sandbox: Sandbox, *policies: str, trust: dict[str, Any] | None = None, **more: Any
) -> str:
    """Create a role for AWS Backup with these managed policies (short names); returns its ARN."""
    iam = sandbox.client("iam")
    document = json.dumps(trust or TRUST_BACKUP)
    iam.create_role(RoleName="a-backup-role", AssumeRolePolicyDocument=document, **more)
    for policy in policies or ("ForBackup", "ForRestores"):
        arn = f"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicy{policy}"
        iam.attach_role_policy(RoleName="a-backup-role", PolicyArn=arn)
    return ROLE_ARN


def make_function_role(sandbox: Sandbox, name: str, account: str = ACCOUNT) -> str:
    """Create a role that Lambda may assume, acting for this account; returns its ARN."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    made = sandbox.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
    )
    return str(made["Role"]["Arn"])


def make_vault(sandbox: Sandbox, name: str = VAULT, region: str = PRIMARY_REGION) -> str:
    made = sandbox.client("backup", region).create_backup_vault(BackupVaultName=name)
    return str(made["BackupVaultArn"])


def make_file_system(
    sandbox: Sandbox, token: str = "some-files", *, encrypted: bool = False
) -> dict[str, Any]:
    """Create an EFS file system with one file; returns CreateFileSystem's answer."""
    made: dict[str, Any] = sandbox.client("efs").create_file_system(
        CreationToken=token, Encrypted=encrypted, Tags=[{"Key": "Name", "Value": token}]
    )
    (sandbox.efs_directory(made["FileSystemId"]) / "a-file").write_text("content")
    return made


def make_table(
    sandbox: Sandbox, name: str = "a-table", *, recovery: bool = False, encrypted: bool = False
) -> str:
    """Create a table with a string key `id`; returns its ARN."""
    dynamodb = sandbox.client("dynamodb")
    made = dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        **({"SSESpecification": {"Enabled": True}} if encrypted else {}),
        Tags=[{"Key": "Name", "Value": name}],
    )
    sandbox.advance(seconds=5)  # until it is ACTIVE
    if recovery:
        dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
    return str(made["TableDescription"]["TableArn"])


def put(sandbox: Sandbox, table: str, identity: str, value: str) -> None:
    item = {"id": {"S": identity}, "value": {"S": value}}
    sandbox.client("dynamodb").put_item(TableName=table, Item=item)


def items(sandbox: Sandbox, table: str) -> dict[str, str]:
    found = sandbox.client("dynamodb").scan(TableName=table)["Items"]
    return {item["id"]["S"]: item["value"]["S"] for item in found}


def opt_in(sandbox: Sandbox) -> None:
    """Enable advanced DynamoDB backup in both regions."""
    for region in (PRIMARY_REGION, "us-west-2"):
        sandbox.client("backup", region).update_region_settings(
            ResourceTypeManagementPreference={"DynamoDB": True}
        )


def back_up(sandbox: Sandbox, resource_arn: str, role_arn: str = ROLE_ARN) -> dict[str, Any]:
    """Run one backup job to its end; returns DescribeBackupJob's answer."""
    backup = sandbox.client("backup")
    started = backup.start_backup_job(
        BackupVaultName=VAULT, ResourceArn=resource_arn, IamRoleArn=role_arn
    )
    sandbox.advance(hours=1)
    job: dict[str, Any] = backup.describe_backup_job(BackupJobId=started["BackupJobId"])
    return job


def make_queue(
    sandbox: Sandbox, name: str, *services: str, region: str = PRIMARY_REGION
) -> tuple[str, str]:
    """Create a queue that these services may send to; returns its URL and ARN."""
    arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": list(services)},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = sandbox.client("sqs", region).create_queue(QueueName=name, Attributes={"Policy": policy})
    return made["QueueUrl"], arn


def received(
    sandbox: Sandbox, queue_url: str, region: str = PRIMARY_REGION
) -> list[dict[str, Any]]:
    """The bodies of all messages in the queue, in the order they arrived."""
    sqs = sandbox.client("sqs", region)
    bodies: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        bodies += [json.loads(message["Body"]) for message in messages]
    return bodies
