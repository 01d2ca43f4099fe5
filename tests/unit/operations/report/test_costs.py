"""What the backups cost, with every figure spelled out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.config.environment import Lifecycle
from cabal_backup.errors import UsageError
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.report.costs import NOT_INCLUDED, Amount, Cost, Stock, estimate, total
from cabal_backup.operations.report.prices import REGIONS, Prices, assumption, read_prices
from tests.builders import an_environment
from tests.unit.operations.status.builders import (
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_point,
    a_state,
)

GB = 2**30
KNOWN: Mapping[str, Prices] = {**REGIONS, "us-west-2": REGIONS["us-east-1"]}
A_YEAR = Lifecycle(cold_after_days=30, delete_after_days=365)
WARM_ONLY = Lifecycle(cold_after_days=None, delete_after_days=365)


def costs(*points: Any, vault: str = "cabal-backup", **settings: Any) -> dict[str, Cost]:
    """Of an environment whose vault of this name has these points, by the words of each line."""
    stock = Stock(now=NOW, at=a_state(), points={vault: Known(list(points))})
    found = estimate(an_environment(**settings), stock, KNOWN)
    return {" ".join(filter(None, cost.line)): cost for cost in found}


def a_table(gigabytes: int = 10, **changes: Any) -> Any:
    return a_point(resource_arn=TABLE_ARN, size_bytes=gigabytes * GB, **changes)


def a_mailstore(gigabytes: int, *, days: int = 0, **changes: Any) -> Any:
    created = LAST_NIGHT - timedelta(days=days)
    return a_point(created, MAILSTORE_ARN, size_bytes=gigabytes * GB, **changes)


def cents(amount: Amount) -> tuple[str, str]:
    low, high = (f"{each:.2f}" for each in amount)
    return low, high


def test_a_table_ages_for_a_year() -> None:
    """10 GB each night: on day d, min(d + 1, 30) nights are warm and the others cold."""
    found = costs(a_table())

    warm = found["storage us-west-1 addresses warm"]
    assert warm.size_bytes == 10 * GB
    # One night of 10 GB at $0.112.
    assert cents(warm.this_month) == ("1.12", "1.12")
    # 1 + … + 30 and 335 days of 30 are 10,515 nights; each costs 1.12 × 12 / 365 a day.
    assert cents(warm.coming_year) == ("387.18", "387.18")
    # The last month has 31 days of 30 nights: 930 × 1.12 × 12 / 365.
    assert cents(warm.months[-1]) == ("34.24", "34.24")
    cold = found["storage us-west-1 addresses cold"]
    assert cents(cold.this_month) == ("0.00", "0.00")
    # 1 + 2 + … + 335 are 56,280 nights, of which each costs 0.336 × 12 / 365 a day.
    assert cents(cold.coming_year) == ("621.70", "621.70")


def test_what_is_not_complete_is_not_counted_and_named() -> None:
    incomplete = (a_table(20, status=status) for status in ("EXPIRED", "PARTIAL"))
    assert costs(a_table(), *incomplete) == costs(a_table())
    assert any("EXPIRED and PARTIAL" in each for each in NOT_INCLUDED)


def test_what_expires_is_not_paid_for() -> None:
    """Without cold storage 35 nights of 10 GB remain: 1 + … + 35 and 330 days of 35 are 12,180."""
    found = costs(
        a_table(lifecycle=Lifecycle(cold_after_days=None, delete_after_days=35)),
        cold_after_days="never",
        delete_after_days=35,
    )
    # 12,180 × 1.12 × 12 / 365.
    assert cents(found["storage us-west-1 addresses warm"].coming_year) == ("448.49", "448.49")
    assert "storage us-west-1 addresses cold" not in found


def test_cold_storage_later_costs_more() -> None:
    """After a year 60 instead of 30 nights are warm: 30 × 10 × (0.112 - 0.0336) more a month."""
    now, later = (
        total([*costs(a_table(), cold_after_days=days).values()]).months[-1].most
        for days in (30, 60)
    )
    # 31 days of that month, times 12 / 365.
    assert f"{later - now:.2f}" == "23.97"


def test_an_existing_recovery_point_keeps_its_own_dates() -> None:
    """The settings say never; the point of last night goes cold after 30 days nevertheless."""
    found = costs(a_table(lifecycle=A_YEAR), cold_after_days="never")
    # 335 days of 0.336 × 12 / 365.
    assert cents(found["storage us-west-1 addresses cold"].coming_year) == ("3.70", "3.70")


def test_a_mailstore_costs_between_its_newest_point_and_all() -> None:
    found = costs(a_mailstore(50), a_mailstore(40, days=1), a_mailstore(30, days=40))
    # 50 × 0.06 to 90 × 0.06; the one of 40 days ago is cold: 30 × 0.012.
    assert cents(found["storage us-west-1 mailstore warm"].this_month) == ("3.00", "5.40")
    assert cents(found["storage us-west-1 mailstore cold"].this_month) == ("0.36", "0.36")


def test_copies_are_transferred_every_night() -> None:
    found = costs(a_table(), a_mailstore(50))
    # 10 × 0.02 × 365 nights; of the mailstore at least nothing has changed, at most everything.
    assert cents(found["transfer us-west-1 addresses"].coming_year) == ("73.00", "73.00")
    assert cents(found["transfer us-west-1 mailstore"].coming_year) == ("0.00", "365.00")
    assert cents(found["transfer us-west-1 mailstore"].this_month) == ("0.00", "30.42")


def test_restore_tests_by_their_schedules() -> None:
    found = costs(a_table(), a_mailstore(50))
    # Restored 0.168, read twice 2 × 0.14 × 0.131072 = 0.0367, kept a day 0.25 × 24 / 730 = 0.0082;
    # 10 GB, every month.
    table = found["restore tests us-west-1 addresses"]
    assert cents(table.this_month) == ("2.05", "2.13")
    # 12 × 50 × 0.024, and 0.30 × 24 / 730 = 0.0099 for a day.
    mailstore = found["restore tests us-west-1 mailstore"]
    assert cents(mailstore.coming_year) == ("14.40", "20.32")
    # The copy every third month, at the prices of the DR region: 4 × 50 × 0.02.
    copy = costs(a_mailstore(50), vault="cabal-backup-dr")["restore tests us-west-2 mailstore"]
    assert cents(copy.coming_year) == ("4.00", "5.97")
    assert not [name for name in costs(a_table(), restore_testing=False) if "restore" in name]


def test_monitoring_is_that_of_the_alerts() -> None:
    assert cents(costs()["monitoring us-west-1"].coming_year) == ("7.68", "7.68")
    assert costs(alerts=False) == {}


def test_each_region_has_its_own_prices() -> None:
    found = costs(a_table(), vault="cabal-backup-dr")
    # 10 GB at $0.10.
    assert cents(found["storage us-west-2 addresses warm"].this_month) == ("1.00", "1.00")


def test_the_third_copy_is_kept_warm_for_a_fortnight() -> None:
    """Without a copy yet: the nights are as large as those of the primary vault."""
    found = costs(a_table(), air_gapped=True)
    third = found["third copy us-west-2 addresses warm"]
    assert cents(third.this_month) == ("0.00", "0.00")
    # 14 nights of 10 GB at $0.10, for 31 days of a month of 365 / 12.
    assert cents(third.months[-1]) == ("14.27", "14.27")
    assert "third copy us-west-2 addresses cold" not in found
    once = costs(a_table())["transfer us-west-1 addresses"].this_month.most
    assert found["transfer us-west-1 addresses"].this_month.most == 2 * once
    here = costs(a_table(), air_gapped=True, air_gapped_region="primary")
    assert here["transfer us-west-1 addresses"].this_month.most == once


def test_together() -> None:
    found = costs(a_table(), a_mailstore(50), restore_testing=False)
    # Storage 1.12 and 3.00, transfer 6.08 and 0 to 30.42, monitoring 0.64.
    assert cents(total([*found.values()]).this_month) == ("10.84", "41.26")


def test_before_the_first_copy_the_coming_ones_are_as_large_as_what_is_copied() -> None:
    here = costs(a_table())
    assert here["storage us-west-2 addresses warm"].coming_year.most > 0


def test_only_complete_recovery_points_count() -> None:
    assert "storage us-west-1 addresses warm" not in costs(a_table(status="PARTIAL"))


def test_a_region_without_known_prices() -> None:
    stock = Stock(now=NOW, at=a_state(), points={"cabal-backup-dr": Known([a_table()])})
    environment = an_environment()
    assert estimate(environment, stock, REGIONS) == estimate(environment, stock, KNOWN)
    said = assumption(REGIONS, [environment.region, environment.dr_region])
    assert said.startswith("The prices of us-west-2 could not be looked up; those of us-east-1")
    assert assumption(KNOWN, [environment.region, environment.dr_region]) == ""


def written(folder: Path, text: str) -> Path:
    file = folder / "prices.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_adds_and_overrides_prices(tmp_path: Path) -> None:
    names = ("dynamodb_cold", "dynamodb_restore", "efs_warm", "efs_cold", "efs_restore", "transfer")
    own = "\n".join(f"{name} = 2" for name in names)
    file = written(
        tmp_path,
        '[us-west-2]\nlike = "us-east-1"\nefs_warm = 0.055\n[us-west-1]\ntransfer = 0\n'
        f"[eu-central-1]\ndynamodb_warm = 0.1\n{own}\n",
    )
    found = read_prices(file)
    assert found["us-west-2"] == replace(REGIONS["us-east-1"], efs_warm=Decimal("0.055"))
    assert found["us-west-1"] == replace(REGIONS["us-west-1"], transfer=Decimal(0))
    assert found["eu-central-1"].efs_cold == 2
    assert found["us-east-1"] == REGIONS["us-east-1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[us-west-2", "Cannot read the prices"),
        ("us-west-2 = 1", "must be a table"),
        ('[us-west-2]\nlike = "eu-west-1"', "like must be one of us-east-1, us-west-1"),
        ("[us-west-2]\nefs_warm = 0.05", "dynamodb_warm, dynamodb_cold"),
        ("[us-west-1]\nefs = 0.05", "efs is no price"),
        ('[us-west-1]\nefs_warm = "0.05"', "must be dollars"),
        ("[us-west-1]\nefs_warm = -1", "must be dollars"),
        ("[us-west-1]\nefs_warm = nan", "must be dollars"),
        ("[us-west-1]\nefs_warm = true", "must be dollars"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_prices(written(tmp_path, text))
