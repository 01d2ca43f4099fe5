"""Lambda functions, invoked from inside."""

from __future__ import annotations

import logging
from typing import Any

from tests.sandbox.ministack import internals

_log = logging.getLogger("sandbox.functions")


def invoke(function_arn: str, event: dict[str, Any]) -> None:
    """Run the function with `event` and wait for it; its failure is only logged."""
    service = internals.lambda_service
    record, configuration, name = service._get_func_record_for_ref(function_arn)
    if not record or not configuration:
        _log.warning("The Lambda function %s does not exist", name)
        return
    service._execute_function_with_config_scope(
        service._execution_record_for_config(record, configuration), event
    )


def stop_all() -> None:
    """End every worker process that MiniStack keeps warm."""
    internals.lambda_runtime.reset()


def fingerprint() -> dict[Any, str]:
    """What code and configuration every function has, by account, region and name."""
    return {
        key: str(record.get("config", {}).get("CodeSha256"))
        + str(record.get("config", {}).get("Environment"))
        for key, record in internals.lambda_service._functions.all_items()
    }
