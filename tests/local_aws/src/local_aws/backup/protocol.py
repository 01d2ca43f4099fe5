"""Checks requests and answers against AWS's service model (protocol rest-json)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from local_aws.backup.errors import (
    ModelViolation,
    ServiceError,
    invalid_parameter,
    missing_parameter,
)
from local_aws.backup.model import Model, Route

_IGNORED_QUERY = ("x-amz-",)
"""Query parameters that belong to the signature, not to the operation."""


@dataclass(frozen=True)
class Response:
    """The HTTP response, and what an audit trail needs to know about the call."""

    status: int
    headers: dict[str, str]
    body: bytes
    operation: str | None
    parameters: dict[str, Any] | None
    error_code: str | None


class RequestReader:
    """Turns requests into checked parameters."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def read(
        self,
        route: Route,
        labels: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: bytes,
    ) -> dict[str, Any]:
        """The operation's parameters, by AWS's names.

        Raises:
            ServiceError: as `check` does, and for a body that is not a JSON object.
        """
        if route.input_shape is None:
            return {}
        members = self._model.shape(route.input_shape)["members"]
        by_location: dict[tuple[str, str], str] = {
            (member["location"], member["locationName"]): name
            for name, member in members.items()
            if "location" in member
        }
        given: dict[str, Any] = dict(_read_body(body))
        for name, member in members.items():
            if "location" in member and name in given:
                raise invalid_parameter(f"{name} does not belong in the body of {route.operation}")
        for label, value in labels.items():
            given[by_location["uri", label]] = value
        for key, values in query.items():
            if key.lower().startswith(_IGNORED_QUERY):
                continue
            found = by_location.get(("querystring", key))
            if found is None:
                raise invalid_parameter(f"Unknown query parameter {key} of {route.operation}")
            shape = self._model.shape(members[found]["shape"])
            given[found] = _from_text(found, shape, values[-1])
        return self.check(route, given)

    def check(self, route: Route, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters that fit the operation's input shape, timestamps as datetimes.

        Raises:
            ServiceError: MissingParameterValueException for a required parameter that is
                missing, InvalidParameterValueException for an unknown or mistyped one
                and for a value outside its pattern, enumeration or range.
        """
        if route.input_shape is None:
            if given:
                raise invalid_parameter(f"{route.operation} takes no parameters")
            return {}
        checked: dict[str, Any] = self._check(route.operation, route.input_shape, given)
        return checked

    def _check(self, where: str, shape_name: str, value: Any) -> Any:
        shape = self._model.shape(shape_name)
        kind = shape["type"]
        if kind == "structure":
            return self._check_structure(where, shape, value)
        if kind == "list":
            _expect(isinstance(value, list | tuple), where, "a list")
            _check_range(where, shape, len(value), "length")
            member = shape["member"]["shape"]
            return [self._check(f"{where}[{i}]", member, item) for i, item in enumerate(value)]
        if kind == "map":
            _expect(isinstance(value, Mapping), where, "a map")
            key, member = shape["key"]["shape"], shape["value"]["shape"]
            return {
                self._check(f"{where} key", key, k): self._check(f"{where}.{k}", member, v)
                for k, v in value.items()
            }
        return _check_scalar(where, shape, value)

    def _check_structure(self, where: str, shape: Mapping[str, Any], value: Any) -> dict[str, Any]:
        _expect(isinstance(value, Mapping), where, "a structure")
        members = shape["members"]
        for name in shape.get("required", ()):
            if value.get(name) in (None, ""):
                raise missing_parameter(f"{where}: required parameter {name} is missing")
        unknown = sorted(set(value) - set(members))
        if unknown:
            raise invalid_parameter(f"{where}: unknown parameter {', '.join(unknown)}")
        return {
            name: self._check(f"{where}.{name}", members[name]["shape"], item)
            for name, item in value.items()
            if item is not None
        }


class AnswerWriter:
    """Turns answers into JSON, and refuses those that do not fit the model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def write(self, route: Route, answer: Mapping[str, Any]) -> bytes:
        """The body of a successful answer.

        Raises:
            ModelViolation: the answer has an unknown, missing or mistyped member.
        """
        if route.output_shape is None:
            if answer:
                raise ModelViolation(f"{route.operation} answers nothing, not {answer!r}")
            return b""
        write = _writer(self._model, route.operation, route.output_shape)
        return json.dumps(write(answer)).encode()


_Write = Callable[[Any], Any]


@cache
def _writer(model: Model, where: str, shape_name: str) -> _Write:
    """What checks and converts values of a shape: made once, because lists are long.

    :param where: the operation, or the shape and its member, for error messages.
    """
    shape = model.shape(shape_name)
    kind = shape["type"]
    if kind == "structure":
        return _structure_writer(model, where, shape_name, shape)
    if kind == "list":
        write = _writer(model, where, shape["member"]["shape"])

        def write_list(value: Any) -> Any:
            _fits(isinstance(value, list | tuple), where, kind, value)
            return [*map(write, value)]

        return write_list
    if kind == "map":
        write = _writer(model, where, shape["value"]["shape"])

        def write_map(value: Any) -> Any:
            _fits(isinstance(value, Mapping), where, kind, value)
            return {key: write(each) for key, each in value.items()}

        return write_map
    return _scalar_writer(where, shape)


def _structure_writer(model: Model, where: str, name: str, shape: Mapping[str, Any]) -> _Write:
    members = {
        member: _writer(model, f"{name}.{member}", its["shape"])
        for member, its in shape["members"].items()
    }
    required = shape.get("required", ())

    def write(value: Any) -> Any:
        unknown = sorted(value.keys() - members.keys())
        missing = [member for member in required if value.get(member) is None]
        if unknown or missing:
            raise ModelViolation(f"{where}: unknown {unknown}, missing {missing}")
        return {member: members[member](its) for member, its in value.items() if its is not None}

    return write


def _scalar_writer(where: str, shape: Mapping[str, Any]) -> _Write:
    kind, choice = shape["type"], frozenset(shape.get("enum", ()))

    def write_time(value: Any) -> Any:
        _fits(isinstance(value, datetime) and value.tzinfo is not None, where, kind, value)
        return round(value.timestamp(), 3)

    def write_text(value: Any) -> Any:
        _fits(isinstance(value, str), where, kind, value)
        if choice and value not in choice:
            _fits(False, where, f"one of {shape['enum']}", value)
        return value

    def write_boolean(value: Any) -> Any:
        _fits(isinstance(value, bool), where, kind, value)
        return value

    def write_number(value: Any) -> Any:
        number = int if kind in ("integer", "long") else int | float
        _fits(isinstance(value, number) and not isinstance(value, bool), where, kind, value)
        return value

    return {"timestamp": write_time, "string": write_text, "boolean": write_boolean}.get(
        kind, write_number
    )


def success(route: Route, body: bytes, parameters: dict[str, Any], request_id: str) -> Response:
    headers = {"Content-Type": "application/json", "x-amzn-RequestId": request_id}
    return Response(route.success_status, headers, body, route.operation, parameters, None)


def failure(
    error: ServiceError,
    request_id: str,
    operation: str | None = None,
    parameters: dict[str, Any] | None = None,
) -> Response:
    """An error: the code is in a header, the members of its shape in the body."""
    headers = {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": error.code,
        "x-amzn-RequestId": request_id,
    }
    body = json.dumps({"Message": error.message, "Type": "Client", **error.detail}).encode()
    return Response(error.status, headers, body, operation, parameters, error.code)


def _read_body(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object")
    return parsed


def _from_text(where: str, shape: Mapping[str, Any], text: str) -> Any:
    kind = shape["type"]
    if kind in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise invalid_parameter(f"{where}: {text!r} is not a number") from None
    if kind == "boolean":
        _expect(text in ("true", "false"), where, "true or false")
        return text == "true"
    return text


def _check_scalar(where: str, shape: Mapping[str, Any], value: Any) -> Any:
    kind = shape["type"]
    if kind == "string":
        _expect(isinstance(value, str), where, "a string")
        _check_range(where, shape, len(value), "length")
        if "enum" in shape:
            _expect(value in shape["enum"], where, f"one of {', '.join(shape['enum'])}", value)
        if "pattern" in shape:
            matches = re.search(shape["pattern"], value) is not None
            _expect(matches, where, f"of the pattern {shape['pattern']}", value)
        return value
    if kind == "boolean":
        _expect(isinstance(value, bool), where, "a boolean")
        return value
    if kind in ("integer", "long"):
        _expect(isinstance(value, int) and not isinstance(value, bool), where, "a whole number")
        _check_range(where, shape, value, "value")
        return value
    if kind in ("double", "float"):
        _expect(isinstance(value, int | float), where, "a number")
        return value
    return _read_timestamp(where, value)


def _read_timestamp(where: str, value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return datetime.fromtimestamp(float(value), UTC)
        parsed = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError):
        raise invalid_parameter(f"{where}: {value!r} is not a timestamp") from None
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)


def _check_range(where: str, shape: Mapping[str, Any], number: int, what: str) -> None:
    low, high = shape.get("min"), shape.get("max")
    if low is not None and number < low:
        raise invalid_parameter(f"{where}: {what} {number} is less than {low}")
    if high is not None and number > high:
        raise invalid_parameter(f"{where}: {what} {number} is more than {high}")


def _expect(holds: bool, where: str, what: str, value: Any = None) -> None:
    if not holds:
        received = "" if value is None else f", not {value!r}"
        raise invalid_parameter(f"{where} must be {what}{received}")


def _fits(holds: bool, where: str, what: str, value: Any) -> None:
    if not holds:
        raise ModelViolation(f"{where} must be {what}, not {value!r}")
