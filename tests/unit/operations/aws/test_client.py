"""A region that is assumed lost is not asked, and what was wanted of it is said."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from cabal_backup.errors import UnreachableError
from cabal_backup.operations.aws.client import AssumedLost, Aws, in_words
from cabal_backup.operations.aws.results import Unknown, ask
from tests.builders import ACCOUNT, an_environment


@pytest.fixture
def aws() -> Aws:
    session = boto3.Session(region_name="us-west-1")
    return Aws(an_environment(), session, ACCOUNT, lost=["us-west-1"])


def test_every_call_there_is_an_unknown_answer(aws: Aws) -> None:
    lost = "us-west-1 is assumed lost and was not asked."
    assert ask(lambda: aws.client("backup").list_backup_vaults()) == Unknown(lost)
    assert ask(lambda: aws.client("dynamodb").get_paginator("list_tables")) == Unknown(lost)
    assert ask(lambda: aws.client("dynamodb").meta.endpoint_url) == Unknown(lost)
    with_reason = aws.backup_with_reason("us-west-1", "a test")
    assert ask(lambda: with_reason.list_backup_vaults()) == Unknown(lost)


def test_the_other_region_and_global_services_are_asked(aws: Aws) -> None:
    assert aws.client("backup", "us-west-2").meta.region_name == "us-west-2"
    assert aws.client("iam").meta.service_model.service_name == "iam"


def test_an_assumed_lost_region_is_worded() -> None:
    error = in_words(AssumedLost(region="us-west-1"), "listing the tables")
    assert isinstance(error, UnreachableError)
    assert str(error) == (
        "Stopped while listing the tables: us-west-1 is assumed lost and was not asked."
    )


def test_a_reason_becomes_part_of_the_user_agent(aws: Aws) -> None:
    client: Any = aws.backup_with_reason("us-west-2", "weg damit: Kürzung\n(2026)")
    assert client.meta.config.user_agent_extra == "cabal-backup/1 reason/weg_damit__K_rzung__2026_"
