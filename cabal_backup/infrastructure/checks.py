"""The rule packs that every synthesis has to pass, and how a finding is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Acknowledgment, App, CfnResource, Validations
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks
from constructs import IConstruct


def add_checks(app: App) -> None:
    """Have cdk-nag check every template; a finding that is not acknowledged fails synthesis.

    docs/decisions/rule-packs.md says why these packs.

    https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
    """
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), NIST80053R5Checks(app))


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
