"""Which partition a region belongs to, an environment as a function gets it, and its options."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cabal_backup.config.environment import dump, load, partition_of
from tests.any_speed import ANY_SPEED
from tests.builders import OTHER_ACCOUNT, an_environment


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


# Each setting with values that go with the defaults and with each other.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "backup": st.booleans(),
    "account": st.sampled_from(["123456789012", OTHER_ACCOUNT]),
    "region": st.sampled_from(["us-west-1", "eu-west-1"]),
    "dr_region": st.sampled_from(["us-west-2", "eu-central-1"]),
    "addresses_table": st.sampled_from(["cabal-addresses", "addresses_2.x"]),
    "mailstore_file_system_id": st.sampled_from(["fs-89abcdef", "fs-0123456789abcdef0"]),
    "pitr_tables": st.lists(st.from_regex(r"\Apitr[a-z]{1,9}\Z"), max_size=4, unique=True),
    "cold_after_days": st.integers(1, 90) | st.just("never"),
    "delete_after_days": st.integers(180, 365),
    "dr_cold_after_days": st.integers(1, 90) | st.just("never"),
    "dr_delete_after_days": st.integers(180, 365),
    "lock_min_days": st.integers(1, 180),
    "lock_max_days": st.integers(365, 36500),
    "alerts": st.booleans(),
    "alert_emails": st.lists(st.sampled_from(["a@example.com", "b@example.com"]), unique=True),
    "alert_urls": st.lists(st.sampled_from(["https://example.com/a"]), unique=True),
    "alert_on_tampering": st.booleans(),
    "watch_schedule": st.builds(
        "cron({} {} * * ? *)".format, st.integers(0, 59), st.integers(0, 23)
    ),
    "restore_testing": st.booleans(),
    "restore_testing_tolerance_percent": st.integers(0, 100),
    "access_policies": st.booleans(),
}


@ANY_SPEED
@given(st.fixed_dictionaries({}, optional=VALUES))
def test_a_function_gets_the_environment_that_was_dumped(changes: dict[str, Any]) -> None:
    environment = an_environment(**changes)
    assert load(dump(environment)) == environment
    assert hash(load(dump(environment))) == hash(environment)


def test_the_options_of_what_is_advised() -> None:
    others = ("-c prod.a=b", "--profile=admin", "--assume-region-lost=us-west-1")
    environment = replace(an_environment(), other_options=others)
    assert an_environment().options == "-e prod"
    assert environment.options == f"-e prod {' '.join(others)}"
    assert environment.options_of("of; AWS", *others[1:]) == "-e 'of; AWS' -c prod.a=b"
