"""A believable Cabal in a sandbox, as Cabal's own Terraform and a few months of use leave it.

Everything follows from a seed; names are made up and domains are example.com's.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_aws.client import ACCOUNT, PRIMARY_REGION, Sandbox

from tests.sandbox.maildir import Owner, write_mailbox, write_queue

FIRST_OSID = 65_536
"""The first OS uid that the counter hands out."""

_TAGS = {
    "environment": "development",
    "managed_by_terraform": "y",
    "terraform_repo": "https://git.example.com/cabal/infra",
}
_DOMAINS = ("example.com", "example.net", "example.org")
_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")
_SERVICES = ("cabal-imap", "cabal-smtp-in", "cabal-smtp-out")
_QUEUES = ("smtp-queue", "smtp-in-queue")
_VOLUMES = {
    "cabal-imap": ("mailstore", "/home"),
    "cabal-smtp-in": ("smtp-in-queue", "/var/spool/mqueue"),
    "cabal-smtp-out": ("smtp-queue", "/var/spool/mqueue"),
}
_BATCH = 25

_KEYS: Mapping[str, tuple[str, ...]] = {
    "cabal-addresses": ("address",),
    "cabal-counter": ("counter",),
    "cabal-user-preferences": ("user",),
    "cabal-user-domain-access": ("user", "domain"),
    # Cabal does not document this one's key; a partition and a sort key serve.
    "cabal-dmarc-reports": ("domain", "report_id"),
}


@dataclass(frozen=True)
class Cabal:
    """What was made, by the names Cabal uses."""

    account: str
    region: str
    addresses_table: str
    counter_table: str
    preferences_table: str
    domain_access_table: str
    dmarc_table: str
    addresses: int
    file_system_id: str
    file_system_arn: str
    file_system_root: Path
    users: tuple[Owner, ...]
    messages: int
    topic_arn: str
    queue_urls: tuple[str, ...]
    cluster: str
    services: tuple[str, ...]

    def found_in(self, sandbox: Sandbox) -> Cabal:
        """The same Cabal in a sandbox that loaded it from another one's checkpoint."""
        root = sandbox.efs_directory(self.file_system_id, region=self.region, account=self.account)
        paths = [urlsplit(url).path for url in self.queue_urls]
        urls = tuple(f"{sandbox.endpoint}{path}" for path in paths)
        return replace(self, file_system_root=root, queue_urls=urls)

    @property
    def tables(self) -> tuple[str, ...]:
        return (
            self.addresses_table,
            self.counter_table,
            self.preferences_table,
            self.domain_access_table,
            self.dmarc_table,
        )

    @property
    def addresses_table_arn(self) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.addresses_table}"


def fill(
    sandbox: Sandbox,
    *,
    region: str = PRIMARY_REGION,
    account: str = ACCOUNT,
    addresses: int = 3000,
    users: int = 5,
    messages_per_user: int = 40,
    seed: int = 1,
) -> Cabal:
    """Make a Cabal in one account and region; the same seed makes the same one."""
    rng = random.Random(seed)
    now = sandbox.now()
    owners = tuple(_owners(users))
    tables = _Tables(sandbox.client("dynamodb", region, account))
    tables.make()
    let_tables_settle(sandbox)
    tables.fill(owners, addresses, now, rng)
    file_system = _file_system(sandbox, region, account)
    root = sandbox.efs_directory(file_system["FileSystemId"], region=region, account=account)
    messages = sum(
        write_mailbox(root / owner.user, owner, messages=messages_per_user, now=now, rng=rng)
        for owner in owners
    )
    for queue in _QUEUES:
        write_queue(root / queue, messages=3, now=now)
    topic_arn, queue_urls = _announcements(sandbox, region, account)
    _services(sandbox, file_system["FileSystemId"], region, account)
    return Cabal(
        account=account,
        region=region,
        addresses_table="cabal-addresses",
        counter_table="cabal-counter",
        preferences_table="cabal-user-preferences",
        domain_access_table="cabal-user-domain-access",
        dmarc_table="cabal-dmarc-reports",
        addresses=addresses,
        file_system_id=file_system["FileSystemId"],
        file_system_arn=file_system["FileSystemArn"],
        file_system_root=root,
        users=owners,
        messages=messages,
        topic_arn=topic_arn,
        queue_urls=queue_urls,
        cluster="cabal-mail",
        services=_SERVICES,
    )


def let_tables_settle(sandbox: Sandbox) -> None:
    """Until what was created, changed or deleted is no longer CREATING, UPDATING or DELETING."""
    sandbox.advance(seconds=5)


def delete_table(sandbox: Sandbox, table: str) -> None:
    """Delete a table that may be protected from it."""
    dynamodb = sandbox.client("dynamodb")
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    let_tables_settle(sandbox)
    dynamodb.delete_table(TableName=table)
    let_tables_settle(sandbox)


def _owners(count: int) -> Iterator[Owner]:
    names = itertools.chain(_NAMES, (f"user{number}" for number in itertools.count(1)))
    for number, name in enumerate(itertools.islice(names, count)):
        yield Owner(name, FIRST_OSID + number, f"{name}@mail.{_DOMAINS[0]}")


class _Tables:
    """The five tables and what is in them."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def make(self) -> None:
        """Make them, with nothing in them."""
        for table, keys in _KEYS.items():
            self._make(table, keys)

    def fill(
        self, owners: tuple[Owner, ...], addresses: int, now: datetime, rng: random.Random
    ) -> None:
        """Switch recovery on, and write the items."""
        for table in _KEYS:
            self._dynamodb.update_continuous_backups(
                TableName=table,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        self._put("cabal-addresses", _addresses(owners, addresses, now, rng))
        last_osid = FIRST_OSID - 1 + len(owners)
        counter = {"counter": _s("counter"), "osid": _n(last_osid), "enabled": {"BOOL": True}}
        self._put("cabal-counter", iter([counter]))
        self._put(
            "cabal-user-preferences",
            (
                {"user": _s(owner.user), "theme": _s(rng.choice(("light", "dark")))}
                for owner in owners
            ),
        )
        self._put(
            "cabal-user-domain-access",
            (
                {"user": _s(owner.user), "domain": _s(domain)}
                for owner in owners
                for domain in _DOMAINS[:2]
            ),
        )
        self._put("cabal-dmarc-reports", _dmarc_reports(now, rng))

    def _make(self, table: str, keys: tuple[str, ...]) -> None:
        self._dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            SSESpecification={"Enabled": True},
            DeletionProtectionEnabled=True,
            Tags=[{"Key": key, "Value": value} for key, value in _TAGS.items()],
        )

    def _put(self, table: str, items: Iterator[dict[str, Any]]) -> None:
        while batch := list(itertools.islice(items, _BATCH)):
            requests = [{"PutRequest": {"Item": item}} for item in batch]
            self._dynamodb.batch_write_item(RequestItems={table: requests})


def _addresses(
    owners: tuple[Owner, ...], count: int, now: datetime, rng: random.Random
) -> Iterator[dict[str, Any]]:
    for number in range(count):
        owner = rng.choice(owners)
        domain = rng.choice(_DOMAINS)
        username = f"{rng.choice(('shop', 'news', 'club', 'bank', 'trip'))}{number:05d}"
        subdomain = rng.choice(("mail", "post", "letters"))
        requested = now - timedelta(seconds=rng.randrange(700 * 86_400))
        yield {
            "address": _s(f"{username}@{subdomain}.{domain}"),
            "tld": _s(domain),
            "user": _s(owner.user),
            "username": _s(username),
            "subdomain": _s(subdomain),
            "comment": _s(rng.choice(("online shop", "newsletter", "a friend", "for the bank"))),
            "RequestTime": _s(requested.isoformat(timespec="seconds")),
        }


def _dmarc_reports(now: datetime, rng: random.Random) -> Iterator[dict[str, Any]]:
    for days in range(60):
        for domain in _DOMAINS:
            day = now - timedelta(days=days)
            yield {
                "domain": _s(domain),
                "report_id": _s(f"{day:%Y%m%d}-{rng.randrange(16**8):08x}"),
                "source": _s("reports.example.org"),
                "messages": _n(rng.randrange(1, 400)),
                "failed": _n(rng.randrange(0, 4)),
            }


def _file_system(sandbox: Sandbox, region: str, account: str) -> Mapping[str, str]:
    efs = sandbox.client("efs", region, account)
    tags = [{"Key": "Name", "Value": "cabal-efs"}]
    tags += [{"Key": key, "Value": value} for key, value in _TAGS.items()]
    made: Mapping[str, str] = efs.create_file_system(
        CreationToken="cabal-efs", Encrypted=True, Tags=tags
    )
    identity = made["FileSystemId"]
    efs.put_lifecycle_configuration(
        FileSystemId=identity, LifecyclePolicies=[{"TransitionToIA": "AFTER_30_DAYS"}]
    )
    for subnet in _subnets(sandbox.client("ec2", region, account)):
        efs.create_mount_target(FileSystemId=identity, SubnetId=subnet)
    for queue in _QUEUES:
        efs.create_access_point(
            FileSystemId=identity,
            Tags=[{"Key": "Name", "Value": f"cabal-{queue}"}],
            RootDirectory={
                "Path": f"/{queue}",
                "CreationInfo": {"OwnerUid": 0, "OwnerGid": 12, "Permissions": "0700"},
            },
        )
    return made


def _subnets(ec2: Any) -> list[str]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for number, zone in enumerate(zones[:2])
    ]


def _announcements(sandbox: Sandbox, region: str, account: str) -> tuple[str, tuple[str, ...]]:
    """The topic that says an address changed, and each mail tier's queue on it."""
    sns, sqs = sandbox.client("sns", region, account), sandbox.client("sqs", region, account)
    topic: str = sns.create_topic(Name="cabal-address-changed")["TopicArn"]
    urls = []
    for service in _SERVICES:
        name = f"{service}-address-changed"
        arn = f"arn:aws:sqs:{region}:{account}:{name}"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
                }
            ],
        }
        made = sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        urls.append(made["QueueUrl"])
    return topic, tuple(urls)


def register_task_definitions(
    sandbox: Sandbox, file_system: str, region: str, account: str
) -> None:
    """A new revision for each service, which mounts this file system.

    Cabal's Terraform does so, and leaves the services at the revision that they have.
    """
    efs, ecs = sandbox.client("efs", region, account), sandbox.client("ecs", region, account)
    points = {
        point["RootDirectory"]["Path"]: point["AccessPointId"]
        for point in efs.describe_access_points(FileSystemId=file_system)["AccessPoints"]
    }
    for service, (volume, path) in _VOLUMES.items():
        mounted: dict[str, Any] = {"fileSystemId": file_system, "transitEncryption": "ENABLED"}
        if volume == "mailstore":
            mounted["rootDirectory"] = "/"
        else:
            access_point = points[f"/{volume}"]
            mounted["authorizationConfig"] = {"accessPointId": access_point, "iam": "DISABLED"}
        ecs.register_task_definition(
            family=service,
            containerDefinitions=[
                {
                    "name": service,
                    "image": f"registry.example.com/{service}:1",
                    "memory": 512,
                    "mountPoints": [{"sourceVolume": volume, "containerPath": path}],
                }
            ],
            volumes=[{"name": volume, "efsVolumeConfiguration": mounted}],
        )


def _services(sandbox: Sandbox, file_system: str, region: str, account: str) -> None:
    ecs = sandbox.client("ecs", region, account)
    ecs.create_cluster(clusterName="cabal-mail")
    register_task_definitions(sandbox, file_system, region, account)
    for service in _SERVICES:
        ecs.create_service(
            cluster="cabal-mail", serviceName=service, taskDefinition=service, desiredCount=1
        )


def _s(text: str) -> dict[str, str]:
    return {"S": text}


def _n(number: int) -> dict[str, str]:
    return {"N": str(number)}
