"""Placing and releasing legal holds on the recovery points of an environment.

Copies do not inherit a hold, so a hold is placed in each of the two regions.

https://docs.aws.amazon.com/aws-backup/latest/devguide/legalhold.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.errors import AwsError, NoRecoveryPointError, NotFoundError, RefusedError
from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Progress, Report, Wait, follow_until
from cabal_backup.operations.aws.legal_holds import MOST, LegalHold, list_legal_holds
from cabal_backup.operations.aws.recovery_points import (
    RecoveryPoint,
    list_recovery_points,
    protected_as,
)
from cabal_backup.operations.report import prices
from cabal_backup.operations.report.prices import COLD, GB, REGIONS, WARM
from cabal_backup.text import day, moment, plural

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import RecoveryPointSelectionTypeDef

_LONGEST = timedelta(minutes=30)
_NOT_HELD = ("CREATING", "EXPIRED", "DELETING")
"""Recovery points that a plan leaves out: AWS Backup does not hold them, or they are incomplete."""


@dataclass(frozen=True, kw_only=True)
class HoldRequest:
    """Which recovery points are held, and why."""

    title: str
    reason: str
    first: date | None = None
    """The first night, of that day in UTC; None for the oldest."""
    last: date | None = None
    """The last night; None for the newest one now."""
    resource: str | None = None
    """`addresses` or `mailstore`; None for both."""

    def includes(self, created: datetime) -> bool:
        """Whether a recovery point is of these nights."""
        night = created.astimezone(UTC).date()
        return (self.first is None or self.first <= night) and (
            self.last is None or night <= self.last
        )


@dataclass(frozen=True, kw_only=True)
class RegionalHold:
    """The hold of one region, as it is planned."""

    region: str
    vault: str
    points: tuple[RecoveryPoint, ...]
    """What it will hold, the newest first."""
    resources: tuple[str, ...]
    """The ARNs that select it; none where it is everything in the vault. Only one of them is sent:
    AWS does not say whether both select what matches each, or either.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointSelection.html
    """
    existing: LegalHold | None
    """The hold with this title that an earlier run placed."""

    def lines(self, now: datetime) -> Iterator[str]:
        """What it holds, in sentences."""
        if self.existing is not None:
            yield f"  {self.region}: an earlier run placed it, {self.existing.id}: nothing is done"
            if later := sum(map(self.existing.leaves_out, self.points)):
                yield (
                    f"    {plural(later, 'recovery point')} that came later: not held. To hold "
                    "them too, place a hold with another title"
                )
            return
        first, last = self.points[-1].created, self.points[0].created
        size = sum(point.size_bytes for point in self.points)
        yield (
            f"  {self.region}, {self.vault}: {plural(len(self.points), 'recovery point')} of "
            f"{day(first)} to {day(last)}, {size / GB:,.2f} GB"
        )
        ends = [point.delete_at for point in self.points if point.delete_at is not None]
        if ends:
            yield (
                f"    they would expire from {moment(min(ends))} to {moment(max(ends))}, and "
                "stay while they are held"
            )
        yield f"    {_cost(self, now)}"


@dataclass(frozen=True, kw_only=True)
class HoldPlan:
    """Exactly which holds are placed."""

    environment: Environment
    now: datetime
    request: HoldRequest
    holds: tuple[RegionalHold, ...]

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            f'Place the legal hold "{self.request.title}" (reason: {self.request.reason}):',
            *(line for hold in self.holds for line in hold.lines(self.now)),
            "  it is active until it is released: cabal-backup hold release "
            f"{quote(self.request.title)} --reason … {self.environment.options}",
            "  until then nothing deletes these recovery points, with or without a lock, and the "
            "vaults cannot be torn down",
        )


@dataclass(frozen=True, kw_only=True)
class ReleasePlan:
    """Exactly which holds are released."""

    environment: Environment
    now: datetime
    title: str
    reason: str
    holds: tuple[LegalHold, ...]
    expired: tuple[RecoveryPoint, ...]
    """The recovery points whose time has passed and that no other hold keeps."""
    retain_days: int | None
    """How long AWS Backup keeps the record; None for as long as it does by itself."""

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        deleted = (
            f"  {plural(len(self.expired), 'recovery point')} of "
            f"{day(min(point.created for point in self.expired))} to "
            f"{day(max(point.created for point in self.expired))} should have expired: AWS "
            "Backup deletes them within 24 hours, and they cannot be restored then"
            if self.expired
            else "  none of its recovery points should have expired: all are kept until they expire"
        )
        return (
            f'Release the legal hold "{self.title}" (reason: {self.reason}):',
            *(
                f"  {hold.region}: {hold.id}, {plural(len(hold.points), 'recovery point')}, since "
                f"{moment(hold.created)}" + ("" if hold.stands else ": is being released already")
                for hold in self.holds
            ),
            *(
                f"  CAUTION: in {hold.region} it also holds "
                f"{plural(hold.others, 'recovery point')} of other vaults; those whose time has "
                "passed are deleted too"
                for hold in self.holds
                if hold.others
            ),
            deleted,
            *(
                [f"  its record is kept for {self.retain_days} days"]
                if self.retain_days is not None
                else []
            ),
        )


def plan_hold(aws: Aws, now: datetime, request: HoldRequest) -> HoldPlan:
    """Plan a hold in each region.

    Raises NoRecoveryPointError where there is nothing to hold, RefusedError where another hold has
    the title or the account has as many as AWS allows.
    """
    existing = {}
    for _, region in aws.vaults[:2]:
        with worded(f"looking at the legal holds in {region}"):
            existing[region] = list_legal_holds(aws.client("backup", region))
    planned = (_plan_in(aws, request, each, existing[each.region]) for each in aws.vaults[:2])
    holds = tuple(filter(None, planned))
    stand, new = sum(map(len, existing.values())), sum(hold.existing is None for hold in holds)
    if new and stand + new > MOST:
        raise RefusedError(
            f"There are {stand} legal holds in {' and '.join(existing)}, and {new} more would be "
            f"placed: AWS allows {MOST} in an account. Nothing was done. Release one that is not "
            f"needed: cabal-backup hold list {aws.environment.options}"
        )
    if not holds:
        nights = " of these nights" if request.first or request.last else ""
        raise NoRecoveryPointError(
            f"There is no recovery point{nights} to hold in {names.VAULT} or {names.DR_VAULT}. "
            f"Nothing was done. The nights: cabal-backup points {aws.environment.options}"
        )
    return HoldPlan(environment=aws.environment, now=now, request=request, holds=holds)


def _plan_in(
    aws: Aws, request: HoldRequest, place: Vault, existing: Sequence[LegalHold]
) -> RegionalHold | None:
    """None where the vault has nothing to hold.

    :param existing: the holds of the region.
    """
    vault, region = place
    known = {"addresses": aws.table_arn, "mailstore": aws.mailstore_arn}
    arns = {arn for name, arn in known.items() if request.resource in (None, name)}
    with worded(f"looking at the recovery points in {region}"):
        listed = [
            point
            for point in list_recovery_points(aws.client("backup", region), vault)
            if point.status not in _NOT_HELD and request.includes(point.created)
        ]
    wanted = tuple(
        point for point in listed if protected_as(point.resource_arn, aws.mailstore_arn) in arns
    )
    same = next((hold for hold in existing if hold.title == request.title), None)
    if same is not None and (not same.stands or same.description != request.reason):
        raise RefusedError(
            f'There is a legal hold "{request.title}" in {region} already ({same.status}, reason: '
            f"{same.description}). Nothing was done. Choose another title, or release it first: "
            f"cabal-backup hold release {quote(request.title)} --reason … "
            f"{aws.environment.options}"
        )
    if same is not None and same.status == "ACTIVE":
        left_out = [p for p in wanted if p.arn not in same.points and not same.leaves_out(p)]
        if left_out:
            raise RefusedError(
                f'The legal hold "{request.title}" in {region} does not hold '
                f"{len(left_out)} of these recovery points, and a hold cannot be extended. Nothing "
                "was done. Hold them with another title."
            )
    if same is None and not wanted:
        return None
    return RegionalHold(
        region=region,
        vault=vault,
        points=wanted,
        resources=tuple(
            sorted({point.resource_arn for point in wanted}) if len(wanted) < len(listed) else ()
        ),
        existing=same,
    )


def place_holds(aws: Aws, plan: HoldPlan, clock: Clock, report: Report) -> tuple[LegalHold, ...]:
    """Place the holds, wait until they are active, and return them.

    If it is interrupted, running it again finds the holds that were placed by their title.

    Raises AwsError where a recovery point of the plan is not held.
    """
    placed, missing = [], []
    for regional in plan.holds:
        identity = regional.existing.id if regional.existing else _create(aws, plan, regional)
        report(f"Legal hold {identity} in {regional.region}.")
        backup = aws.client("backup", regional.region)
        hold = _follow(backup, identity, ("CREATING",), clock, report)
        if hold is not None:
            placed.append(hold)
            if surplus := len(hold.points - {point.arn for point in regional.points}):
                report(
                    f"CAUTION: it also holds {plural(surplus, 'recovery point')} that the plan "
                    f"does not have, such as those of other vaults in {regional.region}."
                )
        missing += [
            f"{point.arn} in {regional.vault}"
            for point in regional.points
            if hold is None or not (point.arn in hold.points or hold.leaves_out(point))
        ]
    if missing:
        raise AwsError(
            f"{plural(len(missing), 'recovery point')} of the plan are not held, such as "
            f"{missing[0]}. The other ones are held. To see what exists now: cabal-backup points "
            f"--list {aws.environment.options}"
        )
    return tuple(placed)


def _create(aws: Aws, plan: HoldPlan, regional: RegionalHold) -> str:
    request = plan.request
    newest = max(point.created for point in regional.points)
    oldest = min(point.created for point in regional.points)
    selection: RecoveryPointSelectionTypeDef = {
        "DateRange": {
            "FromDate": oldest,
            # It is sent in whole seconds.
            "ToDate": newest + timedelta(seconds=1),
        },
    }
    if regional.resources:
        selection["ResourceIdentifiers"] = list(regional.resources)
    else:
        selection["VaultNames"] = [regional.vault]
    with worded(f"placing the legal hold in {regional.region}"):
        answered = aws.client("backup", regional.region).create_legal_hold(
            Title=request.title, Description=request.reason, RecoveryPointSelection=selection
        )
    return answered["LegalHoldId"]


def find_holds(aws: Aws) -> tuple[LegalHold, ...]:
    """The holds of both regions that hold recovery points of the environment's vaults, with these
    points only.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    found = []
    for vault, region in aws.vaults[:2]:
        backup = aws.client("backup", region)
        with worded(f"looking at the legal holds in {region}"):
            ours = {point.arn for point in list_recovery_points(backup, vault)}
            found += [hold.of(ours) for hold in list_legal_holds(backup)]
    return tuple(filter(None, found))


def plan_release(
    aws: Aws, now: datetime, name: str, reason: str, retain_days: int | None
) -> ReleasePlan:
    """Plan the release of the holds with a title, or of the one with an id.

    Raises NotFoundError when there is none.
    """
    every = find_holds(aws)
    chosen = tuple(hold for hold in every if name in (hold.title, hold.id))
    if not chosen:
        raise NotFoundError(
            f"There is no legal hold {name!r} on recovery points of {aws.environment.name}. "
            f"Nothing was done. The holds: cabal-backup hold list {aws.environment.options}"
        )
    others = {arn for hold in every if hold not in chosen and hold.stands for arn in hold.points}
    freed = {arn for hold in chosen for arn in hold.points} - others
    expired = []
    for vault, region in aws.vaults[:2]:
        with worded(f"looking at the recovery points in {region}"):
            expired += [
                point
                for point in list_recovery_points(aws.client("backup", region), vault)
                if point.arn in freed and point.delete_at is not None and point.delete_at <= now
            ]
    return ReleasePlan(
        environment=aws.environment,
        now=now,
        title=chosen[0].title,
        reason=reason,
        holds=chosen,
        expired=tuple(expired),
        retain_days=retain_days,
    )


def release_holds(aws: Aws, plan: ReleasePlan, clock: Clock, report: Report) -> tuple[str, ...]:
    """Cancel the holds, wait until they are cancelled, and return their ids.

    If it is interrupted, running it again cancels the others.
    """
    for hold in plan.holds:
        backup = aws.client("backup", hold.region)
        more = {} if plan.retain_days is None else {"RetainRecordInDays": plan.retain_days}
        if hold.stands:
            with worded(f"releasing the legal hold in {hold.region}"):
                backup.cancel_legal_hold(LegalHoldId=hold.id, CancelDescription=plan.reason, **more)
        report(f"Legal hold {hold.id} in {hold.region} is being cancelled.")
        _follow(backup, hold.id, ("ACTIVE", "CANCELING"), clock, report)
    return tuple(hold.id for hold in plan.holds)


def _follow(
    backup: BackupClient, identity: str, passing: Sequence[str], clock: Clock, report: Report
) -> LegalHold | None:
    """The hold when its status is none of these; None when it is cancelled."""
    region = backup.meta.region_name

    def find() -> LegalHold | None:
        return next((hold for hold in list_legal_holds(backup) if hold.id == identity), None)

    wait = Wait(
        question=find,
        finished=lambda hold: hold is None or hold.status not in passing,
        event=lambda _: Progress(f"legal hold in {region}"),
        what=f"{'release' if 'CANCELING' in passing else 'placing'} of the legal hold in {region}",
        pick_up="run the same command again; it then does the other region too",
        longest=_LONGEST,
    )
    return follow_until(wait, clock, report)


def _cost(hold: RegionalHold, now: datetime) -> str:
    price = prices.of_region(REGIONS, hold.region)
    dollars = sum(
        price.storage(point.resource_type, COLD if point.is_cold(now) else WARM)
        * point.size_bytes
        / GB
        for point in hold.points
    )
    most = "at most " if any(p.resource_type in prices.INCREMENTAL for p in hold.points) else ""
    at = "" if hold.region in REGIONS else f" at the prices of {prices.ASSUMED}"
    return f"they cost {most}${dollars:,.2f} a month{at}, for as long as they are held"
