"""Lambda functions, invoked by other services: asynchronously, with retries and dead letters.

Lambda Developer Guide: "Invoking a Lambda function asynchronously", "Adding a
dead-letter queue", "Viewing resource-based IAM policies".
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from local_aws.ministack import internals
from local_aws.ministack.roles import MiniStackRoles
from local_aws.ministack.scope import current
from local_aws.ministack.topics import publish

ATTEMPTS = 3
"""The call and two retries, Lambda's default; here without the minutes in between."""

MAX_WORKERS = 12
"""Maximum number of processes, busy ones included: more than a deployment has functions."""

_log = logging.getLogger("sandbox.functions")


def install(count_error: Callable[[str, bool], None]) -> None:
    """A function runs only if Lambda, acting for its account, can assume its role.

    Lambda Developer Guide, "Working with AWS managed policies in the execution role": the trust
    policy may have conditions on aws:SourceAccount.

    :param count_error: receives the name of each invoked function and whether it failed.
    """
    run = internals.lambda_service._execute_function

    def run_as_role(function: dict[str, Any], event: dict[str, Any]) -> Any:
        role = str(function["config"]["Role"])
        if MiniStackRoles().assumable(current(), role, "lambda.amazonaws.com"):
            result = run(function, event)
        else:
            message = "The role defined for the function cannot be assumed by Lambda."
            body = {"errorType": "AccessDenied", "errorMessage": message}
            result = {"error": True, "body": body}
        count_error(str(function["config"]["FunctionName"]), bool(result.get("error")))
        return result

    internals.lambda_service._execute_function = run_as_role
    acquire = internals.lambda_service.acquire_worker

    def acquire_within_limit(*arguments: Any, **named: Any) -> Any:
        found = acquire(*arguments, **named)
        _stop_surplus()
        return found

    internals.lambda_service.acquire_worker = acquire_within_limit


def _stop_surplus() -> None:
    """Stop surplus idle workers, the least recently used first."""
    runtime = internals.lambda_runtime
    with runtime._lock:
        pools = runtime._workers
        surplus = sum(map(len, pools.values())) - MAX_WORKERS
        idle = [
            (key, worker) for key, pool in pools.items() for worker in pool if not worker.in_use
        ]
        idle.sort(key=lambda found: float(found[1].last_used))
        stopped = idle[: max(surplus, 0)]
        for key, worker in stopped:
            pools[key].remove(worker)
    runtime.kill_workers([worker for _, worker in stopped])


def invoke(function_arn: str, event: dict[str, Any], *, service: str, source_arn: str) -> None:
    """Run the function with `event` and wait for it, if its policy admits the service.

    After three failures the event goes to its dead-letter topic or queue, if it has one.
    """
    record, configuration, name = internals.lambda_service._get_func_record_for_ref(function_arn)
    if not record or not configuration:
        _log.warning("The Lambda function %s does not exist", name)
        return
    if not _admits(record, function_arn, service, source_arn):
        _log.warning("The policy of %s does not let %s call it for %s", name, service, source_arn)
        return
    execution = internals.lambda_service._execution_record_for_config(record, configuration)
    for _ in range(ATTEMPTS):
        result = internals.lambda_service._execute_function_with_config_scope(execution, event)
        if not result.get("error"):
            return
        _log.warning("%s failed: %s", name, str(result.get("body"))[:1000])
    _bury(configuration, event, result)


def _admits(record: dict[str, Any], function_arn: str, service: str, source_arn: str) -> bool:
    """Whether the function's policy lets the service call it on behalf of this source."""
    scope = current()
    context = internals.iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function_arn,
        region=scope.region,
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": scope.account},
    )
    decision = internals.iam_evaluator.evaluate_resource_policy(
        json.dumps(record["policy"]), context, service=service
    ).decision
    return bool(decision == "Allow")


def may_send(role: str, target: str) -> tuple[str, str | None]:
    """What sends to a dead-letter target, as `sns:Publish`, and why the role may not; or None."""
    action = {"sns": "sns:Publish", "sqs": "sqs:SendMessage"}[target.split(":")[2]]
    return action, MiniStackRoles().denial(current(), role, action, target)


def _bury(configuration: dict[str, Any], event: dict[str, Any], result: dict[str, Any]) -> None:
    """Send the unchanged event, with the error in the attributes, as the function's role."""
    target = (configuration.get("DeadLetterConfig") or {}).get("TargetArn")
    if not target:
        return
    action, reason = may_send(str(configuration["Role"]), target)
    if reason:
        _log.warning("The event is lost: %s", reason)
        return
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": str(uuid.uuid4())},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": _error_message(result)},
    }
    if action == "sns:Publish":
        publish(target, "", json.dumps(event), attributes)
        return
    url = internals.sqs._queue_url(target.rpartition(":")[2])
    message = {"MessageBody": json.dumps(event), "MessageAttributes": attributes}
    internals.sqs._act_send_message({"QueueUrl": url, **message}, url)


def _error_message(result: dict[str, Any]) -> str:
    body = result.get("body")
    message = body.get("errorMessage") if isinstance(body, dict) else body
    return (str(message) or "unknown")[:1024]


def stop_all() -> None:
    """Stop all worker processes that MiniStack keeps warm."""
    internals.lambda_runtime.reset()


def fingerprint() -> dict[Any, str]:
    """The code and the configuration of every function, by account, region and name."""
    return {
        key: str(record.get("config", {}).get("CodeSha256"))
        + str(record.get("config", {}).get("Environment"))
        for key, record in internals.lambda_service._functions.all_items()
    }
