"""AWS's own descriptions of the APIs, read from botocore's service models."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

VERSIONS = {"backup": "2018-11-15", "ram": "2018-01-04"}
"""The APIs that the service answers. AWS RAM is here only for the sharing of backup vaults."""


@dataclass(frozen=True)
class Route:
    """One operation of the API and the form of its requests."""

    operation: str
    method: str
    pattern: re.Pattern[str]
    literal_characters: int
    success_status: int
    input_shape: str | None
    output_shape: str | None


class Model:
    """Operations and shapes, by AWS's names."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._operations: Mapping[str, Any] = description["operations"]
        self._shapes: Mapping[str, Any] = description["shapes"]
        routes = [_route(name, operation) for name, operation in self._operations.items()]
        self._routes = sorted(routes, key=lambda route: -route.literal_characters)
        self._by_operation = {route.operation: route for route in routes}

    @property
    def operations(self) -> tuple[str, ...]:
        return tuple(sorted(self._operations))

    def shape(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._shapes[name]
        return found

    def route(self, operation: str) -> Route:
        return self._by_operation[operation]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The operation of a request, with the values of its path labels.

        The path may be encoded or decoded: an ARN in a decoded path is recognized
        by its start although it contains slashes.
        """
        trimmed = path.rstrip("/")
        for route in self._routes:
            if route.method == method and (match := route.pattern.fullmatch(trimmed)):
                labels = {name: unquote(value) for name, value in match.groupdict().items()}
                return route, labels
        return None


@lru_cache
def model_of(api: str) -> Model:
    """The model of an API in the installed botocore."""
    loaders: Any = importlib.import_module("botocore.loaders")
    loader = loaders.create_loader()
    return Model(loader.load_service_model(api, "service-2", api_version=VERSIONS[api]))


def _route(name: str, operation: Mapping[str, Any]) -> Route:
    http = operation["http"]
    path = http["requestUri"].split("?")[0].rstrip("/")
    return Route(
        operation=name,
        method=http["method"],
        pattern=re.compile(_pattern(path)),
        literal_characters=len(re.sub(r"\{[^}]*\}", "", path)),
        success_status=http.get("responseCode", 200),
        input_shape=operation.get("input", {}).get("shape"),
        output_shape=operation.get("output", {}).get("shape"),
    )


def _pattern(path: str) -> str:
    parts = re.split(r"(\{[^}]*\})", path)
    return "".join(
        f"(?P<{part[1:-1].rstrip('+')}>arn:.+|[^/]+)" if part.startswith("{") else re.escape(part)
        for part in parts
    )
