"""Builders of valid things; a test changes the one thing it is about."""

from __future__ import annotations

from typing import Any

from cabal_backup.config.environment import Environment
from cabal_backup.config.reader import read_environments

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "000000000000"
THIRD_ACCOUNT = "210987654321"
MAILSTORE = "fs-0123456789abcdef0"


CORE: dict[str, Any] = {
    "alerts": False,
    "restore_testing": False,
    "access_policies": False,
}
"""Everything off that watches, rehearses and grants: vaults, plan and opt-in are left."""


def settings(**changes: Any) -> dict[str, Any]:
    """The settings of one environment as cdk.json holds them: the least that is protected."""
    return {
        "backup": True,
        "account": ACCOUNT,
        "mailstore_file_system_id": MAILSTORE,
        **changes,
    }


def a_context(**changes: Any) -> dict[str, Any]:
    """A CDK context with one protected environment, `prod`."""
    return {"environments": {"prod": settings(**changes)}}


def an_environment(name: str = "prod", **changes: Any) -> Environment:
    """A protected environment, read the way the application reads it."""
    (environment,) = read_environments({"environments": {name: settings(**changes)}})
    return environment
