"""The Deny statements of a backup vault's access policy.

https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from local_aws.backup.errors import invalid_parameter
from local_aws.backup.state import Vault


def check(text: str) -> None:
    """Raises InvalidParameterValueException for what is not a policy document."""
    try:
        policy = json.loads(text)
        statements = _list(policy["Statement"])
        wellformed = all(
            statement["Effect"] in ("Allow", "Deny")
            and ("Action" in statement or "NotAction" in statement)
            and ("Principal" in statement or "NotPrincipal" in statement)
            # "AWS Backup access policies don't support a wildcard in the Action key."
            and not any("*" in action for action in _list(statement.get("Action", [])))
            for statement in statements
        )
    except (ValueError, KeyError, TypeError):
        wellformed = False
    if not wellformed:
        raise invalid_parameter("The specified policy cannot be added to the vault: malformed")


def denies(vault: Vault, action: str, principal: str, resource: str) -> bool:
    """Whether a Deny of the vault's policy covers this call.

    Conditions count when they are about `aws:PrincipalArn`; a Deny with any other
    condition is not applied.
    """
    if vault.policy is None:
        return False
    statements = _list(json.loads(vault.policy)["Statement"])
    return any(
        statement["Effect"] == "Deny"
        and _action(statement, action)
        and _principal(statement, principal)
        and _matches_any(_list(statement.get("Resource", "*")), resource)
        and _conditions(statement.get("Condition", {}), principal)
        for statement in statements
    )


def _action(statement: dict[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not _matches_any(_list(statement["NotAction"]), action, fold=True)
    return _matches_any(_list(statement["Action"]), action, fold=True)


def _principal(statement: dict[str, Any], principal: str) -> bool:
    if "NotPrincipal" in statement:
        return not _names(statement["NotPrincipal"], principal)
    return _names(statement["Principal"], principal)


def _names(given: Any, principal: str) -> bool:
    if given == "*":
        return True
    account = principal.split(":")[4] if principal.count(":") > 4 else ""
    listed = _list(given.get("AWS", [])) if isinstance(given, dict) else []
    roots = (account, f"arn:aws:iam::{account}:root", "*", principal)
    return any(name in roots for name in listed)


def _conditions(conditions: dict[str, Any], principal: str) -> bool:
    for operator, tests in conditions.items():
        negated = "Not" in operator
        for key, values in tests.items():
            if key.lower() != "aws:principalarn":
                return False
            if _matches_any(_list(values), principal) is negated:
                return False
    return True


def _matches_any(patterns: list[str], text: str, fold: bool = False) -> bool:
    if fold:
        text, patterns = text.lower(), [pattern.lower() for pattern in patterns]
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
