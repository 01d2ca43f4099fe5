"""Lists in pages, with tokens that are valid only for the same list."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from local_aws.backup.errors import invalid_parameter

DEFAULT_PAGE = 1000

T = TypeVar("T")
Key = tuple[float | str, ...]


def page(
    items: Iterable[T],
    key: Callable[[T], Key],
    operation: str,
    parameters: dict[str, Any],
) -> tuple[list[T], str | None]:
    """One page in the order of `key`, which is unique, and the token of the next page.

    Raises:
        ServiceError: InvalidParameterValueException for a token that this list, with
            these filters, did not return.
    """
    size = parameters.get("MaxResults", DEFAULT_PAGE)
    seal = _seal(operation, parameters)
    ordered = sorted(((key(item), item) for item in items), key=lambda pair: pair[0])
    token = parameters.get("NextToken")
    if token is not None:
        last = _read(token, seal)
        ordered = [pair for pair in ordered if pair[0] > last]
    chosen = ordered[:size]
    following = _write(chosen[-1][0], seal) if len(ordered) > size else None
    return [item for _, item in chosen], following


def _seal(operation: str, parameters: dict[str, Any]) -> str:
    filters = {k: v for k, v in parameters.items() if k not in ("NextToken", "MaxResults")}
    text = json.dumps([operation, filters], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(last: Key, seal: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([seal, list(last)]).encode()).decode()


def _read(token: str, seal: str) -> Key:
    try:
        given, last = json.loads(base64.urlsafe_b64decode(token.encode()))
        if given == seal:
            return tuple(last)
    except (ValueError, TypeError):
        pass
    raise invalid_parameter("Invalid NextToken")
