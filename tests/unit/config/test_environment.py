"""Which partition a region belongs to."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from cabal_backup.config.environment import partition_of


def every_region() -> dict[str, str]:
    """Region to partition, as botocore's own data has them."""
    endpoints = json.loads((files("botocore") / "data" / "endpoints.json").read_text())
    return {
        region: partition["partition"]
        for partition in endpoints["partitions"]
        for region in partition["regions"]
    }


@pytest.mark.parametrize(("region", "partition"), every_region().items())
def test_every_region_aws_has_is_in_its_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition
