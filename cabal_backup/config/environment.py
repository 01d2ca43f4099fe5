"""An environment: one Cabal deployment in one AWS account, and the declaration of its settings.

Each setting is declared once, on the attribute of `Environment` with its name: its type, kind,
default and help, and whether it is sensitive. The reader, the JSON Schema, the table in
docs/reference/settings.md and `cabal-backup config show` derive from the declarations.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import NamedTuple, TypeVar

from cabal_backup import names
from cabal_backup.config import settings as kinds
from cabal_backup.config.settings import Kind, Setting, Value

T = TypeVar("T")

MIN_COLD_DAYS = 90
"""Days a recovery point must stay in cold storage before it may be deleted.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html
"""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """How long a recovery point is kept, in days counted from its creation.

    A copy has the creation date of its source, so the days of a copy count from the original
    backup.
    """

    cold_after_days: int | None
    """Days until it moves to cold storage; None keeps it in warm storage."""

    delete_after_days: int
    """Days until it expires."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The retention, in days, that a locked vault accepts; always governance mode.

    Compliance mode cannot be expressed here: it would be irreversible.
    """

    min_days: int
    max_days: int


def _setting(kind: Kind, default: T, about: str, *, sensitive: bool = False) -> T:
    """Declare an attribute of `Environment`; the reader has the default, the class has none."""
    declared: T = field(metadata={"setting": Setting(kind, default, about, sensitive)})
    return declared


class RestoreTests(NamedTuple):
    """What one restore testing plan tests, and when."""

    plan: str
    """The name of the plan."""
    schedule: str
    kinds: tuple[str, ...]
    """Of `DynamoDB` and `EFS`; one selection for each."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The settings of one environment, validated. None means that an optional one is not set."""

    name: str
    """Also the id of its CDK Stage."""
    other_options: tuple[str, ...] = ()
    """Options that suggested commands have beside `-e`, such as `--profile=admin`, quoted for a
    shell."""

    backup: bool = _setting(kinds.FLAG, False, "protect the environment")
    account: str | None = _setting(
        kinds.ACCOUNT, None, "the AWS account; required if `backup` is true"
    )
    profile: str | None = _setting(
        kinds.PROFILE, None, "the AWS profile of the command line (docs/settings.md)"
    )
    region: str = _setting(kinds.REGION, "us-west-1", "where table and mailstore are")
    dr_region: str = _setting(kinds.REGION, "us-west-2", "where recovery points are copied")
    mailstore_file_system_id: str | None = _setting(
        kinds.FILE_SYSTEM, None, "the EFS file system; required if `backup` is true"
    )
    addresses_table: str = _setting(
        kinds.TABLE, names.ADDRESSES_TABLE, "the DynamoDB table in the backup plan"
    )
    pitr_tables: tuple[str, ...] = _setting(
        kinds.TABLES, names.PITR_TABLES, "tables recovered by point-in-time recovery"
    )
    cold_after_days: int | None = _setting(
        kinds.COLD_DAYS, 30, "days before cold storage, or `never` for none"
    )
    delete_after_days: int = _setting(kinds.DAYS, 365, "days until a recovery point expires")
    dr_cold_after_days: int | None = _setting(
        kinds.COLD_DAYS,
        30,
        "days before cold storage of the copy, or `never` (docs/decisions/cold-copies.md)",
    )
    dr_delete_after_days: int = _setting(
        kinds.DAYS, 365, "days from the original backup until the copy expires"
    )
    lock_min_days: int = _setting(kinds.DAYS, 30, "the shortest retention that the vaults accept")
    lock_max_days: int = _setting(kinds.DAYS, 365, "the longest retention that the vaults accept")
    air_gapped: bool = _setting(
        kinds.FLAG,
        False,
        "copy each night also to a vault that no one can empty (docs/runbooks/air-gapped.md)",
    )
    air_gapped_region: str = _setting(
        kinds.WHICH_REGION, "dr", "where that vault is: `primary` or `dr`"
    )
    air_gapped_min_days: int = _setting(
        kinds.AIR_GAPPED_DAYS, 7, "the shortest retention that it accepts, forever"
    )
    air_gapped_max_days: int = _setting(
        kinds.AIR_GAPPED_DAYS, 30, "the longest retention that it accepts, forever"
    )
    air_gapped_delete_after_days: int = _setting(
        kinds.AIR_GAPPED_DAYS, 14, "days from the original backup until its copy expires"
    )
    air_gapped_share_with: tuple[str, ...] = _setting(
        kinds.ACCOUNTS, (), "the AWS accounts that can restore from it"
    )
    alerts: bool = _setting(kinds.FLAG, True, "report urgent events (docs/alerts.md)")
    alert_emails: tuple[str, ...] = _setting(
        kinds.EMAILS, (), "the e-mail addresses that receive alerts", sensitive=True
    )
    alert_urls: tuple[str, ...] = _setting(
        kinds.URLS, (), "the HTTPS endpoints that receive alerts", sensitive=True
    )
    alert_on_tampering: bool = _setting(
        kinds.FLAG, True, "report changes of the protection and attacks on the monitoring"
    )
    watch_schedule: str = _setting(
        kinds.DAILY, "cron(0 12 * * ? *)", "when the watch runs every day, in UTC (docs/watch.md)"
    )
    heartbeat_parameter: str | None = _setting(
        kinds.PARAMETER,
        None,
        "the SSM parameter with the URL that is called if everything is ok (docs/watch.md)",
    )
    report_bucket: str | None = _setting(
        kinds.BUCKET, None, "the S3 bucket that the watch writes the report to (docs/watch.md)"
    )
    restore_testing: bool = _setting(
        kinds.FLAG, True, "restore regularly, and judge the result (docs/restore-testing.md)"
    )
    restore_testing_schedule: str = _setting(
        kinds.SCHEDULE, "cron(0 6 1 * ? *)", "when restores are tested, in UTC"
    )
    dr_restore_testing_table_schedule: str = _setting(
        kinds.SCHEDULE, "cron(0 6 15 * ? *)", "when the copy of the table is tested"
    )
    dr_restore_testing_mailstore_schedule: str = _setting(
        kinds.SCHEDULE, "cron(0 6 15 1/3 ? *)", "when the copy of the mailstore is tested"
    )
    restore_testing_tolerance_percent: int = _setting(
        kinds.PERCENT, 10, "how far a restored resource may differ from the live one"
    )
    access_policies: bool = _setting(
        kinds.FLAG, False, "a stack with managed policies for people (docs/access.md)"
    )

    def __str__(self) -> str:
        return self.name

    @property
    def options(self) -> str:
        """The options with which a suggested command is about the same environment."""
        return self.options_of(self.name)

    def options_of(self, name: str | None, *left_out: str) -> str:
        """As `options`, for another environment of the project, or without some."""
        others = (each for each in self.other_options if not each.startswith(left_out))
        return " ".join((f"-e {shlex.quote(str(name))}", *others))

    @property
    def regions(self) -> tuple[str, str]:
        """The primary and the DR region."""
        return (self.region, self.dr_region)

    @property
    def lifecycle(self) -> Lifecycle:
        """How long recovery points in the primary vault are kept."""
        return Lifecycle(
            cold_after_days=self.cold_after_days, delete_after_days=self.delete_after_days
        )

    @property
    def dr_lifecycle(self) -> Lifecycle:
        """How long their copies in the DR vault are kept."""
        return Lifecycle(
            cold_after_days=self.dr_cold_after_days, delete_after_days=self.dr_delete_after_days
        )

    @property
    def air_gapped_lifecycle(self) -> Lifecycle:
        """How long the copies in the air-gapped vault are kept, always warm."""
        return Lifecycle(cold_after_days=None, delete_after_days=self.air_gapped_delete_after_days)

    @property
    def region_of_air_gapped(self) -> str | None:
        """The region of the air-gapped vault; None if there is to be none."""
        if not self.air_gapped:
            return None
        return self.region if self.air_gapped_region == "primary" else self.dr_region

    @property
    def lock(self) -> Lock:
        """The retention that the two vaults are locked to."""
        return Lock(min_days=self.lock_min_days, max_days=self.lock_max_days)

    def watch_schedule_in(self, region: str) -> str:
        """When the watch runs in a region; in the DR region two hours later, to stand in for the
        one in the primary region if that is silent.
        """
        if region == self.region:
            return self.watch_schedule
        minute, hour, days = self.watch_schedule.removeprefix("cron(").split(" ", 2)
        return f"cron({minute} {(int(hour) + 2) % 24} {days}"

    def restore_tests_in(self, region: str) -> tuple[RestoreTests, ...]:
        """One plan for both in the primary region; the copies have schedules of their own."""
        if region == self.region:
            both, schedule = tuple(names.RESOURCE_KINDS), self.restore_testing_schedule
            return (RestoreTests(names.RESTORE_TESTING_PLAN, schedule, both),)
        table, mailstore = names.DR_TABLE_TESTING_PLAN, names.DR_MAILSTORE_TESTING_PLAN
        return (
            RestoreTests(table, self.dr_restore_testing_table_schedule, (names.DYNAMODB,)),
            RestoreTests(mailstore, self.dr_restore_testing_mailstore_schedule, (names.EFS,)),
        )

    @property
    def report_key(self) -> str:
        """The key of the report in `report_bucket`."""
        return f"cabal-backup/{self.name}/report.html"

    @property
    def partition(self) -> str:
        """The AWS partition of both regions."""
        return partition_of(self.region)


SETTINGS: dict[str, Setting] = {
    each.name: each.metadata["setting"] for each in fields(Environment) if each.metadata
}
"""Every setting by its name, in the order of the declarations."""


def dump(environment: Environment) -> str:
    """The environment as JSON, for a Lambda function, which has no profiles; `load` reads it."""
    values = asdict(environment)
    del values["profile"], values["other_options"]
    if not environment.air_gapped:
        values = {name: value for name, value in values.items() if "air_gapped" not in name}
    return json.dumps(values, separators=(",", ":"))


def load(text: str) -> Environment:
    """The environment that `dump` wrote; it is not validated again."""
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    values: dict[str, Value] = {**defaults, **json.loads(text)}
    for name, value in values.items():
        values[name] = tuple(value) if isinstance(value, list) else value
    return Environment(**values)


_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)


@cache
def partition_of(region: str) -> str:
    """The AWS partition a region belongs to, by its prefix.

    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    """
    for prefix, partition in _PARTITIONS:
        if region.startswith(prefix):
            return partition
    return "aws"
