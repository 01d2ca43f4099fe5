"""The rule packs that every synthesis has to pass."""

from __future__ import annotations

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks


def add_checks(app: App) -> None:
    """Have cdk-nag check every template; a finding nobody acknowledged fails synthesis.

    https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
    """
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app),
        HIPAASecurityChecks(app),
        NIST80053R5Checks(app),
        PCIDSS321Checks(app),
    )
