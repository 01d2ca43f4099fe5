"""IAM as AWS documents it, where MiniStack does less.

SimulatePrincipalPolicy takes several resources, context and boundaries. A listing may hand out
fewer entries than asked for and say that there are more: here one a page.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRolePolicies.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from local_aws.ministack import internals
from local_aws.ministack.scope import current

_DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}


def install() -> None:
    handlers = internals.iam._IAM_HANDLERS
    handlers["SimulatePrincipalPolicy"] = _for_roles(handlers["SimulatePrincipalPolicy"])
    for listing in ("ListAttachedRolePolicies", "ListPolicyVersions", "ListRolePolicies"):
        handlers[listing] = _one_a_page(handlers[listing])


def _one_a_page(listing: Callable[..., Any]) -> Callable[..., Any]:
    def page(parameters: Mapping[str, Any]) -> Any:
        status, headers, body = listing(parameters)
        text = body.decode() if isinstance(body, bytes) else body
        members = re.findall("<member>.*?</member>", text)
        if len(members) < 2:
            return status, headers, body
        start = int(internals.iam._p(parameters, "Marker") or 0)
        text = text.replace("".join(members), members[start])
        if start + 1 < len(members):
            more = f"<IsTruncated>true</IsTruncated><Marker>{start + 1}</Marker>"
            text = text.replace("<IsTruncated>false</IsTruncated>", more)
        return status, headers, text.encode() if isinstance(body, bytes) else text

    return page


def _for_roles(of_others: Callable[..., Any]) -> Callable[..., Any]:
    def simulate(parameters: Mapping[str, Any]) -> Any:
        arn = internals.iam._p(parameters, "PolicySourceArn")
        if ":role/" not in arn:
            return of_others(parameters)
        name = arn.rpartition("/")[2]
        if internals.iam._roles.get(name) is None:
            return internals.iam._error(
                404, "NoSuchEntity", f"The role with name {name} cannot be found.", ns="iam"
            )
        resources = list(_members(parameters, "ResourceArns.member.{}")) or ["*"]
        results = "".join(
            _result(action, [(one, _decide(name, action, one, parameters)) for one in resources])
            for action in _members(parameters, "ActionNames.member.{}")
        )
        return internals.iam._xml(
            200,
            "SimulatePrincipalPolicyResponse",
            f"<SimulatePrincipalPolicyResult><EvaluationResults>{results}</EvaluationResults>"
            "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>",
            ns="iam",
        )

    return simulate


def _decide(role: str, action: str, resource: str, parameters: Mapping[str, Any]) -> str:
    """Evaluate with the context that the caller sends, and nothing else."""
    scope, evaluator = current(), internals.iam_evaluator
    keys = _members(parameters, "ContextEntries.member.{}.ContextKeyName")
    values = _members(parameters, "ContextEntries.member.{}.ContextKeyValues.member.1")
    context = evaluator.EvalContext(
        principal_arn=f"arn:{scope.partition}:iam::{scope.account}:role/{role}",
        principal_type="AssumedRole",
        principal_account=scope.account,
        action=action,
        resource_arn=resource,
        region=scope.region,
        service_context={key.lower(): value for key, value in zip(keys, values, strict=True)},
    )
    boundary = evaluator._permissions_boundary(internals.iam._roles, role, scope.account)
    result = evaluator.evaluate(
        context, evaluator._gather_role_policies(role, scope.account), *boundary
    )
    return _DECISIONS[result.decision]


def _result(action: str, decisions: list[tuple[str, str]]) -> str:
    """One result for an action; with several resources it contains one for each."""
    whole = next((d for _, d in decisions if d != "allowed"), "allowed")
    specific = "".join(
        f"<member><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalResourceDecision>{decision}</EvalResourceDecision></member>"
        for resource, decision in decisions
    )
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(decisions[0][0])}</EvalResourceName>"
        f"<EvalDecision>{whole}</EvalDecision>"
        + (
            f"<ResourceSpecificResults>{specific}</ResourceSpecificResults>"
            if len(decisions) > 1
            else ""
        )
        + "</member>"
    )


def _members(parameters: Mapping[str, Any], name: str) -> Iterator[str]:
    number = 1
    while value := internals.iam._p(parameters, name.format(number)):
        yield value
        number += 1
