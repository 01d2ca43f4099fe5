"""What the backups of an environment cost: this month and in the coming year.

The sizes are those of the actual recovery points. From the next midnight on each night is as large
as the newest one, ages by the lifecycle of the settings, and expires. AWS Backup reports the whole
size of each recovery point of a file system but stores only what changed, so its cost lies between
that of the newest recovery point alone and that of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lifecycle
from cabal_backup.operations.aws.arns import Arns
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, points_in, protected_as
from cabal_backup.operations.aws.results import Answer, Known, ask_together
from cabal_backup.operations.report import prices
from cabal_backup.operations.report.prices import COLD, GB, WARM, Prices
from cabal_backup.operations.status.schedule import next_run

DAYS = 365
MONTHS = 12
KEPT_HOURS = 24
"""The longest time that AWS Backup keeps what a restore test restored."""
HOURS = 730
"""Of a month."""

SETTINGS = (
    "cold_after_days",
    "delete_after_days",
    "dr_cold_after_days",
    "dr_delete_after_days",
    "air_gapped",
    "air_gapped_region",
    "air_gapped_delete_after_days",
    "alerts",
    "restore_testing",
    "restore_testing_schedule",
    "dr_restore_testing_table_schedule",
    "dr_restore_testing_mailstore_schedule",
)
"""The settings that the costs depend on, apart from the regions."""

NOT_INCLUDED = (
    "taxes, discounts and the free tier",
    "the table and the file system themselves, and point-in-time recovery",
    "restores and drills by hand, and AWS Backup's own charge for each tested recovery point",
    "growth: each night is as large as the newest one",
    "legal holds, which keep recovery points longer",
    "recovery points that are not complete: AWS bills EXPIRED and PARTIAL ones, too",
    "CloudTrail's storage, KMS requests, and deployments",
)


class Amount(NamedTuple):
    """Dollars: at least and at most."""

    least: Decimal
    most: Decimal

    @classmethod
    def total(cls, amounts: Sequence[Amount]) -> Amount:
        """The sum."""
        return cls(
            sum((each.least for each in amounts), Decimal()),
            sum((each.most for each in amounts), Decimal()),
        )

    def words(self, *, sign: str = "") -> str:
        """For people: one figure, or `0.60 to 18.00`."""
        least, most = (f"{each:{sign},.2f}" for each in self)
        return least if least == most else f"{least} to {most}"

    def times(self, factor: Decimal | int) -> Amount:
        """The amount so many times."""
        return Amount(self.least * factor, self.most * factor)


class Line(NamedTuple):
    """One kind of cost."""

    what: str
    """`storage`, `third copy`, `transfer`, `restore tests` or `monitoring`."""
    region: str
    resource: str
    """`addresses` or `mailstore`; empty for the monitoring."""
    tier: str
    """`warm` or `cold`; empty for all but storage."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a line costs."""

    line: Line
    size_bytes: int
    """What is stored now, copied each night, or restored by each test."""
    this_month: Amount
    """A month of what is stored now; of transfer and restore tests an average month."""
    months: tuple[Amount, ...]
    """Each of the coming twelve months: a twelfth of 365 days, the first beginning now."""

    @property
    def coming_year(self) -> Amount:
        """The coming 365 days."""
        return Amount.total(self.months)


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What there is to pay for."""

    now: datetime
    at: Arns
    points: Mapping[str, Answer[list[RecoveryPoint]]]
    """By the name of the vault."""

    def of(self, vault: str, arn: str) -> list[RecoveryPoint]:
        """The completed recovery points in a vault that count for a resource; none where they
        could not be listed.
        """
        return [
            point
            for point in self.points.get(vault, Known([])).value_or(())
            if point.completed and protected_as(point.resource_arn, self.at.mailstore_arn) == arn
        ]


def read_stock(aws: Aws, now: datetime) -> Stock:
    """What is in the vaults, asked of AWS."""
    found = ask_together({vault.name: partial(points_in, aws, vault) for vault in aws.vaults})
    return Stock(now=now, at=aws, points=found)


class _Stored(NamedTuple):
    """A recovery point that exists, or will; the days are counted from now, from 0 to `DAYS`."""

    size_bytes: int
    created: int
    """The first day on which it exists; 0 also for one that exists now."""
    cold: int
    end: int

    def days(self, tier: str) -> tuple[int, int]:
        """The first day in a tier, and the first one after it."""
        cold = max(self.created, min(self.cold, self.end))
        return (self.created, cold) if tier == WARM else (cold, self.end)


def estimate(
    environment: Environment, stock: Stock, known: Mapping[str, Prices]
) -> tuple[Cost, ...]:
    """What the environment costs with these settings.

    Existing recovery points keep their own dates: AWS Backup applies a changed lifecycle to new
    ones only.
    """
    vaults = (
        (names.VAULT, environment.region, environment.lifecycle),
        (names.DR_VAULT, environment.dr_region, environment.dr_lifecycle),
    )
    of_region = {region: prices.of_region(known, region) for _, region, _ in vaults}
    costs: list[Cost] = []
    for resource, kind, arn in (
        ("addresses", names.DYNAMODB, stock.at.table_arn),
        ("mailstore", names.EFS, stock.at.mailstore_arn),
    ):
        copied = _newest_size(stock.of(names.VAULT, arn))
        for vault, region, lifecycle in vaults:
            points = stock.of(vault, arn)
            line = Line("storage", region, resource, "")
            # Before the first copy, the coming ones are as large as what is copied.
            size = _newest_size(points) or copied
            costs += _storage(line, points, size, lifecycle, (kind, stock.now, of_region[region]))
        night = _night(kind, copied, of_region[environment.region].transfer)
        if third := environment.region_of_air_gapped:
            points = stock.of(names.AIR_GAPPED_VAULT, arn)
            line, priced = Line("third copy", third, resource, ""), of_region[third]
            lifecycle = environment.air_gapped_lifecycle
            costs += _storage(line, points, copied, lifecycle, (kind, stock.now, priced))
            night = night.times(2 if third == environment.dr_region else 1)
        line = Line("transfer", environment.region, resource, "")
        costs.append(_steady(line, copied, night.times(Decimal(DAYS) / MONTHS)))
        costs += _restore_tests(environment, stock, (resource, kind, arn), of_region)
    if environment.alerts:
        amount = Amount(prices.MONITORING, prices.MONITORING)
        costs.append(_steady(Line("monitoring", environment.region, "", ""), 0, amount))
    return tuple(cost for cost in costs if cost.this_month.most or cost.coming_year.most)


def total(costs: Sequence[Cost]) -> Cost:
    """All costs together."""
    return Cost(
        line=Line("together", "", "", ""),
        size_bytes=0,
        this_month=Amount.total([cost.this_month for cost in costs]),
        months=tuple(
            Amount.total([cost.months[month] for cost in costs]) for month in range(MONTHS)
        ),
    )


def _newest_size(points: Sequence[RecoveryPoint]) -> int:
    newest = max(points, key=lambda point: point.created, default=None)
    return newest.size_bytes if newest else 0


def _night(kind: str, size: int, price: Decimal) -> Amount:
    """What one night costs: where only changes count, at least nothing has changed."""
    most = price * size / GB
    return Amount(Decimal() if kind in prices.INCREMENTAL else most, most)


def _steady(line: Line, size: int, month: Amount) -> Cost:
    return Cost(line=line, size_bytes=size, this_month=month, months=(month,) * MONTHS)


def _storage(
    line: Line,
    points: Sequence[RecoveryPoint],
    size: int,
    lifecycle: Lifecycle,
    priced: tuple[str, datetime, Prices],
) -> Iterator[Cost]:
    """:param size: of each night from now on, in bytes."""
    if not size:
        return
    kind, now, price = priced
    stored = [
        _Stored(point.size_bytes, 0, _day(point.cold_at, now), _day(point.delete_at, now))
        for point in sorted(points, key=lambda point: point.created)
    ]
    stored += _coming_nights(size, lifecycle)
    for tier in (WARM, COLD):
        days = _bytes_by_day(stored, tier, kind)
        a_byte = price.storage(kind, tier) / GB
        yield Cost(
            line=line._replace(tier=tier),
            size_bytes=days[0][1],
            this_month=Amount(a_byte * days[0][0], a_byte * days[0][1]),
            months=tuple(
                Amount(*(a_byte * sum(side) * MONTHS / DAYS for side in zip(*month, strict=True)))
                for month in _months(days)
            ),
        )


def _months(days: Sequence[tuple[int, int]]) -> Iterator[Sequence[tuple[int, int]]]:
    for month in range(MONTHS):
        yield days[DAYS * month // MONTHS : DAYS * (month + 1) // MONTHS]


def _day(moment: datetime | None, now: datetime) -> int:
    """The first day that begins at or after a moment; the last one for never."""
    if moment is None:
        return DAYS
    return min(DAYS, max(0, -((now - moment) // timedelta(days=1))))


def _coming_nights(size: int, lifecycle: Lifecycle) -> Iterator[_Stored]:
    """From the next midnight on: each exists on the day that begins after it."""
    for day in range(1, DAYS):
        cold = DAYS if lifecycle.cold_after_days is None else day + lifecycle.cold_after_days
        yield _Stored(size, day, cold, min(DAYS, day + lifecycle.delete_after_days))


def _bytes_by_day(stored: Sequence[_Stored], tier: str, kind: str) -> list[tuple[int, int]]:
    """What is in a tier on each day, at least and at most.

    :param stored: the oldest first.
    """
    newest, every = [0] * DAYS, [0] * DAYS
    for point in stored:
        begin, end = point.days(tier)
        for day in range(begin, end):
            newest[day] = point.size_bytes
            every[day] += point.size_bytes
    return list(zip(newest if kind in prices.INCREMENTAL else every, every, strict=True))


def _restore_tests(
    environment: Environment,
    stock: Stock,
    resource: tuple[str, str, str],
    of_region: Mapping[str, Prices],
) -> Iterator[Cost]:
    if not environment.restore_testing:
        return
    name, kind, arn = resource
    dr_schedule = (
        environment.dr_restore_testing_table_schedule
        if kind == names.DYNAMODB
        else environment.dr_restore_testing_mailstore_schedule
    )
    for vault, region, schedule in (
        (names.VAULT, environment.region, environment.restore_testing_schedule),
        (names.DR_VAULT, environment.dr_region, dr_schedule),
    ):
        size = _newest_size(stock.of(vault, arn))
        restored = of_region[region].restore(kind)
        # The test and the live table are both read through.
        read = 2 * prices.READ if kind == names.DYNAMODB else Decimal()
        kept = prices.RESTORED_STORAGE[kind] * KEPT_HOURS / HOURS
        once = Amount(restored + read, restored + read + kept).times(Decimal(size) / GB)
        a_month = Decimal(_runs(schedule, stock.now)) / MONTHS
        yield _steady(Line("restore tests", region, name, ""), size, once.times(a_month))


def _runs(schedule: str, now: datetime) -> int:
    """How often a schedule runs in the coming year."""
    end, runs, moment = now + timedelta(days=DAYS), 0, now
    while (run := next_run(schedule, moment, within=timedelta(days=DAYS))) and run <= end:
        runs, moment = runs + 1, run
    return runs
