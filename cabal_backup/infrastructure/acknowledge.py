"""How a finding of a checker is answered: on one construct, with the reason written down."""

from __future__ import annotations

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, *, reason: str, rules: list[str]) -> None:
    """Accept findings on one construct.

    :param construct: the construct the findings are about, and no larger one.
    :param reason: why they are right as they are, for an auditor.
    :param rules: ids of cdk-nag, as synthesis prints them after "Acknowledge with" but
        without the pack before the `::`, and of checkov (CKV_AWS_…).
    """
    nag = [rule for rule in rules if not rule.startswith("CKV")]
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"{_pack(rule)}::{rule}", reason=reason) for rule in nag)
    )
    for rule in rules:
        if rule not in nag:
            _skip_in_checkov(construct, rule, reason)


def _pack(rule: str) -> str:
    """The rule pack of a cdk-nag id: everything before its last `-`."""
    return rule.split("[")[0].rpartition("-")[0]


def _skip_in_checkov(construct: IConstruct, rule: str, reason: str) -> None:
    """https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html"""
    resource = construct.node.default_child
    if not isinstance(resource, CfnResource):
        raise ValueError(f"{rule} can be acknowledged on a resource only, got {construct}")
    metadata = resource.get_metadata("checkov") or {"skip": []}
    skip = [*metadata["skip"], {"id": rule, "comment": reason}]
    resource.add_metadata("checkov", {"skip": skip})
