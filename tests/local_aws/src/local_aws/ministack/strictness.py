"""Makes MiniStack's CloudFormation refuse what AWS refuses.

It adopts a resource that already exists with the name in a template, and deletes
it when the stack is rolled back. On AWS the creation fails: existing resources
have to be imported. MiniStack also forgets a role's permissions boundary and a
function's dead-letter target.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.ministack import internals
from local_aws.ministack.functions import may_send


@dataclass(frozen=True)
class Named:
    """A type with a property that names the resource, and how to find an existing one."""

    resource_type: str
    name_property: str
    taken: Callable[[str], bool]


def install() -> None:
    """Check the types whose names templates usually set."""
    for named in _NAMED:
        handler = internals.provisioners._RESOURCE_HANDLERS[named.resource_type]
        handler["create"] = _refusing_taken_names(named, handler["create"])
    role = internals.provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    role["create"] = _with_boundary(role["create"], properties_at=1)
    role["update"] = _with_boundary(role["update"], properties_at=2)
    function = internals.provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    function["create"] = _with_dead_letters(function["create"], properties_at=1)
    function["update"] = _with_dead_letters(function["update"], properties_at=2)


def _refusing_taken_names(named: Named, create: Callable[..., Any]) -> Callable[..., Any]:
    def create_new(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> Any:
        name = properties.get(named.name_property)
        if name and named.taken(name):
            raise RuntimeError(
                f"Resource handler returned message: \"Resource of type '{named.resource_type}' "
                f"with identifier '{name}' already exists.\" (RequestToken: {uuid.uuid4()}, "
                "HandlerErrorCode: AlreadyExists)"
            )
        return create(logical_id, properties, stack_name)

    return create_new


def _with_boundary(handle: Callable[..., Any], *, properties_at: int) -> Callable[..., Any]:
    """Set the permissions boundary of the new properties, or none."""

    def handle_role(*arguments: Any) -> Any:
        made = handle(*arguments)
        boundary = arguments[properties_at].get("PermissionsBoundary")
        internals.iam._roles[made[0]]["PermissionsBoundary"] = boundary
        return made

    return handle_role


def _with_dead_letters(handle: Callable[..., Any], *, properties_at: int) -> Callable[..., Any]:
    """Set the function's dead-letter target, which its role must be allowed to use."""

    def handle_function(*arguments: Any, **named: Any) -> Any:
        properties = arguments[properties_at]
        dead_letters = properties.get("DeadLetterConfig")
        if dead_letters:
            action, reason = may_send(properties["Role"], dead_letters["TargetArn"])
            if reason:
                service, _, call = action.partition(":")
                raise RuntimeError(
                    'Resource handler returned message: "The provided execution role does not '
                    f'have permissions to call {call} on {service.upper()}" ({reason})'
                )
        made = handle(*arguments, **named)
        configuration = internals.lambda_service._functions[made[0]]["config"]
        configuration["DeadLetterConfig"] = dead_letters or {}
        return made

    return handle_function


def _policy_arn(name: str) -> str:
    return f"arn:aws:iam::{internals.responses.get_account_id()}:policy/{name}"


def _topic_taken(name: str) -> bool:
    return any(arn.endswith(f":{name}") for arn in internals.sns._topics)


def _rule_taken(name: str) -> bool:
    return any(rule["Name"] == name for rule in internals.eventbridge._rules.values())


_NAMED = (
    Named("AWS::IAM::Role", "RoleName", lambda name: name in internals.iam._roles),
    Named(
        "AWS::IAM::ManagedPolicy",
        "ManagedPolicyName",
        lambda name: _policy_arn(name) in internals.iam._policies,
    ),
    Named("AWS::Logs::LogGroup", "LogGroupName", lambda name: name in internals.logs._log_groups),
    Named(
        "AWS::Lambda::Function",
        "FunctionName",
        lambda name: name in internals.lambda_service._functions,
    ),
    Named("AWS::SNS::Topic", "TopicName", _topic_taken),
    Named("AWS::Events::Rule", "Name", _rule_taken),
    Named("AWS::CloudWatch::Alarm", "AlarmName", lambda name: name in internals.cloudwatch._alarms),
)
