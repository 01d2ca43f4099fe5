"""The plan of `copy now` in words."""

from __future__ import annotations

from cabal_backup.operations.aws.jobs import JobKind
from cabal_backup.operations.restore.copies.on_demand import OnDemandPlan
from tests.builders import an_environment


def plan(*left_out: str) -> OnDemandPlan:
    return OnDemandPlan(
        environment=an_environment("development"),
        kind=JobKind.COPY,
        items=(),
        from_region="us-west-1",
        vault_arn="arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr",
        to_region="us-west-2",
        role_arn="arn:aws:iam::123456789012:role/cabal-backup-role",
        lock=None,
        left_out=left_out,
        not_checked=(),
    )


def test_a_point_without_a_copy_is_not_reported_as_copied() -> None:
    first, second = plan("a-point is in cold storage").lines()
    assert first == "Nothing can be copied."
    assert second == "  not copied: a-point is in cold storage"


def test_without_a_missing_copy_there_is_nothing_to_copy() -> None:
    (line,) = plan().lines()
    assert line.startswith("Every recovery point of the last 30 days has a copy")
