"""What a drill made is known by its name, and nothing else has such a name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cabal_backup.names import PITR_TABLES
from cabal_backup.operations.drill.request import (
    drill_id,
    drill_of_table,
    is_drill_name,
    is_restore_token,
    restore_token,
    restored_table,
    scratch_table,
)

LIVE = "cabal-addresses"
WHEN = datetime(2026, 11, 22, 18, 35, 12, tzinfo=UTC)


def test_names_contain_the_time() -> None:
    drill = drill_id(WHEN)
    assert restored_table(LIVE, drill) == "cabal-addresses-drill-20261122-183512"
    assert scratch_table(LIVE, drill) == "cabal-addresses-drill-20261122-183512-cutover"
    assert restore_token(drill) == "cabal-drill-20261122-183512"


@pytest.mark.parametrize("suffix", ["", "-back"])
def test_its_own_are_recognized(suffix: str) -> None:
    drill = drill_id(WHEN) + suffix
    assert drill_of_table(LIVE, restored_table(LIVE, drill)) == drill
    assert drill_of_table(LIVE, scratch_table(LIVE, drill)) == drill
    assert is_drill_name(scratch_table("cabal-counter", drill))
    assert is_drill_name(restore_token(drill))
    assert is_restore_token(restore_token(drill))


@pytest.mark.parametrize(
    "name",
    [
        LIVE,
        *PITR_TABLES,
        "cabal-addresses-restored-20261122-183512",
        "cabal-addresses-restored",
        "awsbackup-restore-test-20261122-183512",
        "cabal-addresses-drill",
        "cabal-addresses-drill-",
        "cabal-addresses-drill-mine",
        "cabal-addresses-drill-20261122",
        "cabal-addresses-drill-20261122-183512-of-bob",
        "cabal-addresses-drill-20261122-183512-cutover-2",
        "my-cabal-addresses-drill-20261122-183512",
        "cabal-counter-drill-20261122-183512",
        "cabal-addressesXdrill-20261122-183512",
        "cabal-addresses-drill-20261122-183512\n",
    ],
)
def test_nothing_else_is(name: str) -> None:
    assert drill_of_table(LIVE, name) is None


@pytest.mark.parametrize(
    "token", ["", "cabal-drill-", "cabal-restore-20261122-183512", "cabal-drill-20261122-183512x"]
)
def test_nor_a_token(token: str) -> None:
    assert not is_restore_token(token)
