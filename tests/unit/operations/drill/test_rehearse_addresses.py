"""When a restored table counts as right."""

from __future__ import annotations

import pytest

from cabal_backup.operations.drill.record import Check
from cabal_backup.operations.drill.rehearse_addresses import about_cutover, about_restored
from cabal_backup.operations.restore.tables.compare import Comparison, Group
from cabal_backup.operations.restore.tables.cutover import Verification
from cabal_backup.operations.restore.tables.items import Digest


def found(
    *, identical: int = 0, differing: int = 0, backup: int = 0, live: int = 0, digests: str = "aa"
) -> Comparison:
    """A comparison; `backup` and `live` are the items that only one of them has."""
    return Comparison(
        only_in_backup=Group(count=backup),
        only_in_live=Group(count=live),
        differing=Group(count=differing),
        identical=Group(count=identical),
        backup_digest=digests[0] * 64,
        live_digest=digests[1] * 64,
        restored=Digest(),
        live_others=Digest(),
    )


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


@pytest.mark.parametrize(
    ("comparison", "wrong"),
    [
        (found(identical=100), set()),
        (found(identical=95, live=5), set()),
        (found(identical=90, live=10), set()),
        (found(identical=89, live=11), {"count", "content"}),
        (found(identical=90, backup=9), set()),
        (found(identical=90, backup=10), {"count"}),
        (found(identical=90, backup=11), {"count", "content"}),
        (found(identical=90, differing=10), set()),
        (found(identical=89, differing=11), {"content"}),
        # As many, but other ones.
        (found(identical=50, backup=50, live=50), {"content"}),
        (found(live=1), {"not empty", "count", "content"}),
        # Two empty tables are equal, and show nothing.
        (found(), {"not empty", "content"}),
    ],
)
def test_with_ten_percent(comparison: Comparison, wrong: set[str]) -> None:
    assert failed(about_restored(comparison, 10)) == wrong


def test_without_any_tolerance_nothing_may_differ() -> None:
    assert failed(about_restored(found(identical=1000), 0)) == set()
    assert failed(about_restored(found(identical=999, differing=1), 0)) == {"content"}
    assert failed(about_restored(found(identical=1000, live=1), 0)) == {"count", "content"}


def test_the_evidence_has_the_numbers_and_the_criterion() -> None:
    _, count, content = about_restored(found(identical=960, differing=20, live=20), 5)
    assert count.evidence == "980 restored, 1,000 live: 20 apart, 50 allowed (5 %)"
    assert content.evidence == (
        "96.0 % identical, at least 95 % required: 20 differ, 20 only in live, 0 only in the backup"
    )


@pytest.mark.parametrize(
    ("comparison", "problems", "passed"),
    [
        (found(identical=7), (), True),
        (found(identical=7, digests="ab"), (), False),
        (found(identical=6, differing=1), (), False),
        (found(identical=6, live=1), (), False),
        (found(identical=7), ("1 item other than in the backup",), False),
    ],
    ids=["all", "digest", "differing", "more", "problem"],
)
def test_the_cutover_has_to_arrive_whole(
    comparison: Comparison, problems: tuple[str, ...], passed: bool
) -> None:
    check = about_cutover(Verification(comparison=comparison, problems=problems))
    assert check.passed is passed
    assert all(problem in check.evidence for problem in problems)
