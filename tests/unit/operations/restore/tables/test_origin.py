"""Whether a restore job made a table: by the clocks of two services of AWS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cabal_backup.operations.aws.jobs import Job, JobKind
from cabal_backup.operations.restore.tables.describe import TableDescription
from cabal_backup.operations.restore.tables.origin import made_by

BEGAN = datetime(2026, 11, 20, 8, tzinfo=UTC)
ENDED = BEGAN + timedelta(minutes=20)
SECOND = timedelta(seconds=1)
ARN = "arn:aws:dynamodb:us-west-1:123456789012:table/restored"

JOB = Job(
    kind=JobKind.RESTORE,
    id="job",
    region="us-west-1",
    state="COMPLETED",
    created=BEGAN,
    completed=ENDED,
    resource_arn="arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses",
    resource_type="DynamoDB",
    vault="cabal-backup",
    created_resource_arn=ARN,
)


@pytest.mark.parametrize(
    ("created", "made"),
    [
        (BEGAN - 60 * SECOND, False),
        (BEGAN - 5 * SECOND, True),
        (BEGAN + 60 * SECOND, True),
        (ENDED + 5 * SECOND, True),
        (ENDED + 60 * SECOND, False),
    ],
)
def test_the_clocks_may_be_some_seconds_apart(created: datetime, made: bool) -> None:
    table = TableDescription(
        name="restored",
        arn=ARN,
        status="ACTIVE",
        created=created,
        items=0,
        keys=(),
        deletion_protected=False,
        restored=False,
        restored_from="",
        restored_to=None,
        restored_from_backup="",
        key_arn="",
    )
    assert made_by(JOB, table) == made
