"""Fixtures: a local AWS for the whole test session, reset before each test that uses it.

pytest loads this module by itself where the package is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local_aws.client import Sandbox

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
"""The local AWS's time when a test begins."""


@pytest.fixture(scope="session")
def running_local_aws() -> Iterator[Sandbox]:
    """The process, started once per session. It keeps what earlier tests left in it."""
    # Every pytest run loads this module; only one that uses the fixture imports boto3.
    from local_aws.client import Sandbox

    import_module("local_aws.warm_sdk")
    with Sandbox.start(start=START) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def empty_local_aws(running_local_aws: Sandbox) -> str:
    """The checkpoint of the local AWS before any resource was created."""
    return running_local_aws.checkpoint()


@pytest.fixture
def local_aws(running_local_aws: Sandbox, empty_local_aws: str) -> Sandbox:
    """An AWS without any resource; its time is START."""
    running_local_aws.rollback(empty_local_aws)
    return running_local_aws
