"""Service Quotas: defaults, applied values, pages."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox

TABLES = "L-F98FE922"


def quotas(sandbox: Sandbox, operation: str, service: str, region: str = "us-west-1") -> Any:
    pages = sandbox.client("service-quotas", region).get_paginator(operation)
    return {
        quota["QuotaCode"]: quota
        for page in pages.paginate(ServiceCode=service)
        for quota in page["Quotas"]
    }


def test_defaults_have_pages(sandbox: Sandbox) -> None:
    found = quotas(sandbox, "list_aws_default_service_quotas", "backup")
    first = sandbox.client("service-quotas").list_aws_default_service_quotas(ServiceCode="backup")

    assert {code: quota["Value"] for code, quota in found.items()} == {
        "L-BD69F607": 300,
        "L-7705D2CB": 300,
        "L-514878B6": 1_000_000,
        "L-9122A82F": 2_000,
    }
    assert len(first["Quotas"]) < len(found)
    assert first["NextToken"]


def test_an_applied_value_belongs_to_one_region(sandbox: Sandbox) -> None:
    sandbox.apply_quota("dynamodb", TABLES, 20)

    listed = quotas(sandbox, "list_service_quotas", "dynamodb")

    assert {code: (one["Value"], one["Adjustable"]) for code, one in listed.items()} == {
        TABLES: (20, True)
    }
    assert quotas(sandbox, "list_service_quotas", "dynamodb", "us-west-2") == {}
    assert quotas(sandbox, "list_aws_default_service_quotas", "dynamodb")[TABLES]["Value"] == 2_500


def test_a_rollback_restores_it(sandbox: Sandbox) -> None:
    before = sandbox.checkpoint()
    sandbox.apply_quota("dynamodb", TABLES, 20)

    sandbox.rollback(before)

    assert quotas(sandbox, "list_service_quotas", "dynamodb") == {}


def test_without_an_applied_value_there_is_only_the_default(sandbox: Sandbox) -> None:
    client = sandbox.client("service-quotas")
    asked = {"ServiceCode": "dynamodb", "QuotaCode": TABLES}

    with pytest.raises(ClientError, match="NoSuchResourceException"):
        client.get_service_quota(**asked)

    assert client.get_aws_default_service_quota(**asked)["Quota"]["Value"] == 2_500


def test_what_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    client = sandbox.client("service-quotas")

    with pytest.raises(ClientError, match="NoSuchResourceException"):
        client.list_service_quotas(ServiceCode="no-such-service")
    with pytest.raises(ClientError, match="InvalidPaginationTokenException"):
        client.list_service_quotas(ServiceCode="backup", NextToken="abc")
