"""How a finding of a checker is answered: on one construct, with the reason written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, findings: Mapping[str, Sequence[str]]) -> None:
    """Accept findings on one construct.

    :param construct: the construct the findings are about, and no larger one.
    :param findings: by the reason why they are right as they are, for an auditor: ids of
        cdk-nag, as synthesis prints them after "Acknowledge with" but without the pack before
        the `::`, and of checkov (CKV_AWS_…).

    https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
    """
    nag, skipped = [], []
    for reason, rules in findings.items():
        for rule in rules:
            if rule.startswith("CKV"):
                skipped.append({"id": rule, "comment": reason})
            else:
                pack = rule.split("[")[0].rpartition("-")[0]
                nag.append(Acknowledgment(id=f"{pack}::{rule}", reason=reason))
    if nag:
        Validations.of(construct).acknowledge(*nag)
    if skipped:
        resource = construct.node.default_child
        if not isinstance(resource, CfnResource):
            raise ValueError(f"{skipped} can be acknowledged on a resource only, got {construct}")
        before = resource.get_metadata("checkov") or {"skip": []}
        resource.add_metadata("checkov", {"skip": [*before["skip"], *skipped]})
