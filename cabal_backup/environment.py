"""An environment: one Cabal deployment in one AWS account, and how it is protected.

This is the shared floor of the project. What is deployed and what is operated are
both derived from these values and from `cabal_backup.names`; neither half imports
the other. Reading and checking what a person wrote is `cabal_backup.configuration`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

MIN_COLD_DAYS = 90
"""Days a recovery point must stay in cold storage before it may be deleted.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html
"""

MAX_DAYS = 36500
"""The longest retention AWS Backup knows, in days (about 100 years)."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """How long a recovery point lives, in days counted from its creation.

    A copy keeps the creation date of its source, so the days of a copy count from
    the original backup too.
    """

    cold_after_days: int | None
    """Days until it moves to cold storage; None keeps it warm to the end."""

    delete_after_days: int
    """Days until it expires."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The retention, in days, that a locked vault accepts; always governance mode.

    Compliance mode cannot be expressed here: it would be irreversible.
    """

    min_days: int
    max_days: int


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Whom to tell, and what beside jobs that fail, which are always told."""

    emails: tuple[str, ...]
    """Addresses subscribed to the topic of each region; each has to be confirmed by mail."""

    urls: tuple[str, ...]
    """HTTPS endpoints subscribed to the topic of each region."""

    on_tampering: bool
    """Whether changes of what protects the backup, and of what reports them, are reported."""

    watch_schedule: str
    """When the watch runs every day: an AWS cron expression, in UTC."""

    heartbeat_parameter: str | None
    """The SSM SecureString, in the primary region, that holds the URL which the watch calls
    when all is well; None calls nothing.
    """


@dataclass(frozen=True, kw_only=True)
class RestoreTesting:
    """AWS Backup's own restore testing, and when what it restored counts as right."""

    schedule: str
    """When the points in the primary vault are tested: an AWS cron expression, in UTC."""

    dr_table_schedule: str
    dr_mailstore_schedule: str
    """When their copies in the DR vault are tested."""

    tolerance_percent: int
    """How far the restored table or file system may be from the live one, in percent."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Everything an operator may set for one environment, already checked."""

    name: str
    """What the operator calls it; also the id of its CDK Stage."""

    backup: bool
    """Whether this environment is protected at all."""

    account: str | None
    """The AWS account, 12 digits; never None where `backup` is true."""

    region: str
    """The primary region, where the table and the mailstore live."""

    dr_region: str
    """The region that every recovery point is copied to."""

    addresses_table: str
    """The DynamoDB table in the backup plan."""

    mailstore_file_system_id: str | None
    """The EFS file system in the backup plan; never None where `backup` is true."""

    pitr_tables: tuple[str, ...]
    """DynamoDB tables outside the plan, recovered by point-in-time recovery."""

    lifecycle: Lifecycle
    """How long recovery points in the primary vault live."""

    dr_lifecycle: Lifecycle
    """How long their copies in the DR vault live."""

    lock: Lock
    """What both vaults are locked to."""

    alerts: Alerts | None
    """Whom to tell when something fails; None tells nobody."""

    restore_testing: RestoreTesting | None
    """The regular test of restoring; None for none."""

    access_policies: bool
    """Whether a stack of its own has the managed policies of auditor, operator and break-glass."""

    @property
    def partition(self) -> str:
        """The AWS partition of both regions."""
        return partition_of(self.region)

    def watch_schedule(self, region: str) -> str:
        """When the watch runs in a region; in the DR region two hours later, to stand in for the
        one in the primary region if that is silent. `alerts` must not be None.
        """
        assert self.alerts is not None
        schedule = self.alerts.watch_schedule
        if region == self.region:
            return schedule
        minute, hour, days = schedule.removeprefix("cron(").split(" ", 2)
        return f"cron({minute} {(int(hour) + 2) % 24} {days}"


def dump(environment: Environment) -> str:
    """The environment as JSON, for a function that runs in it; `load` reads it."""
    return json.dumps(asdict(environment), separators=(",", ":"))


def load(text: str) -> Environment:
    """The environment that `dump` has written."""
    values: dict[str, Any] = json.loads(text, object_hook=_tuples)
    for name, kind in _PARTS.items():
        if values[name] is not None:
            values[name] = kind(**values[name])
    return Environment(**values)


_PARTS: dict[str, Any] = {
    "lifecycle": Lifecycle,
    "dr_lifecycle": Lifecycle,
    "lock": Lock,
    "alerts": Alerts,
    "restore_testing": RestoreTesting,
}


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where an environment has tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)


def partition_of(region: str) -> str:
    """The AWS partition a region belongs to, by its prefix.

    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    for prefix, partition in _PARTITIONS:
        if region.startswith(prefix):
            return partition
    return "aws"
