"""The rule packs that every synthesis has to pass."""

from __future__ import annotations

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks


def add_checks(app: App) -> None:
    """Have cdk-nag check every template; a finding that is not acknowledged fails synthesis.

    docs/decisions/rule-packs.md says why these packs.

    https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
    """
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app),
        NIST80053R5Checks(app),
    )
