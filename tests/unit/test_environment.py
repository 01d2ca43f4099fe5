"""Which partition a region belongs to, and where that partition's IAM is heard."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from cabal_backup.environment import partition_of
from tests.builders import an_environment


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


@pytest.mark.parametrize(("region", "partition"), every_region().items())
def test_iam_is_heard_in_a_region_of_the_same_partition(region: str, partition: str) -> None:
    environment = replace(an_environment(), region=region)
    assert partition_of(environment.iam_events_region) == partition


@pytest.mark.parametrize(
    ("region", "heard"),
    [
        ("eu-west-1", "us-east-1"),
        ("cn-northwest-1", "cn-north-1"),
        ("us-gov-east-1", "us-gov-west-1"),
    ],
)
def test_where_iam_is_heard(region: str, heard: str) -> None:
    environment = replace(an_environment(), region=region)
    assert environment.iam_events_region == heard


@pytest.mark.parametrize(
    ("settings", "third"),
    [
        ({}, False),
        ({"alert_on_role_changes": True}, True),
        ({"alert_on_role_changes": True, "alerts": False}, False),
        ({"alert_on_role_changes": True, "region": "us-east-1"}, False),
        ({"alert_on_role_changes": True, "dr_region": "us-east-1"}, False),
    ],
)
def test_a_third_stack_only_where_the_role_is_watched_from_elsewhere(
    settings: dict[str, Any], third: bool
) -> None:
    assert an_environment(**settings).role_changes_stack is third
