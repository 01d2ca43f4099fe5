"""AWS Backup's errors in its rest-json protocol."""

from __future__ import annotations

from typing import Any

STATUS_OF = {
    "AccessDeniedException": 403,
    "DependencyFailureException": 500,
    "ServiceUnavailableException": 503,
    "UnknownOperationException": 404,
    "UnsupportedOperationException": 501,
    "InternalFailure": 500,
}
"""HTTP status by error code; 400 for all others."""


class ServiceError(Exception):
    """An error with AWS's code, message and HTTP status.

    `detail` has the other members of the error's shape in the service
    model, for instance `Code` ("ERROR_9101") or `Arn`.
    """

    def __init__(self, code: str, message: str, status: int | None = None, **detail: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = STATUS_OF.get(code, 400) if status is None else status
        self.detail = {name: value for name, value in detail.items() if value is not None}


def invalid_parameter(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, Code="ERROR_2101")


def missing_parameter(message: str) -> ServiceError:
    return ServiceError("MissingParameterValueException", message, Code="ERROR_2201")


def not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, Code="ERROR_3101")


def already_exists(
    message: str, *, arn: str, creator_request_id: str | None = None
) -> ServiceError:
    return ServiceError(
        "AlreadyExistsException",
        message,
        Code="ERROR_4101",
        Arn=arn,
        CreatorRequestId=creator_request_id,
    )


def invalid_request(message: str, code: str = "ERROR_2301") -> ServiceError:
    return ServiceError("InvalidRequestException", message, Code=code)


def invalid_state(message: str) -> ServiceError:
    return ServiceError("InvalidResourceStateException", message, Code="ERROR_2401")


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError("LimitExceededException", message, Code="ERROR_5101")


def access_denied(message: str) -> ServiceError:
    return ServiceError("AccessDeniedException", message)


class ModelViolation(Exception):
    """An answer that does not fit AWS's service model: a bug in this package."""
