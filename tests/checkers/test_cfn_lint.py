"""cfn-lint, with CloudFormation's own schemas, finds nothing in any template."""

from __future__ import annotations

import json

import pytest

from tests.builders import an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Stack, Synthesized

# CDK makes a function depend on its role although it refers to it already: true, and harmless.
EXPLAINED = ["W3005"]


def findings(stack: Stack, ignored: list[str]) -> list[str]:
    # Half a second in each process that collects tests.
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    found = lint(
        json.dumps(stack.json), config=ManualArgs(regions=[stack.region], ignore_checks=ignored)
    )
    return [str(match) for match in found]


def test_every_stack_is_clean(synthesized: Synthesize) -> None:
    """Environments differ in nothing that it looks at but what is switched on."""
    everything = an_environment(
        alert_emails=["operator@example.com"],
        alert_urls=["https://example.com/alerts"],
    )
    stacks = synthesized(everything).stacks
    for stack in stacks:
        assert findings(stack, EXPLAINED) == []


@pytest.mark.parametrize(
    ("region", "dr_region"),
    [("cn-north-1", "cn-northwest-1"), ("us-gov-west-1", "us-gov-east-1")],
)
def test_every_partition_is_clean(synthesized: Synthesize, region: str, dr_region: str) -> None:
    environment = an_environment(region=region, dr_region=dr_region, restore_testing=False)
    for stack in synthesized(environment).stacks:
        assert findings(stack, EXPLAINED) == []


def test_cfn_lint_would_notice(prod: Synthesized) -> None:
    """Its rule for the 90 days, on a template in which they are broken (E3504)."""
    template = json.loads(json.dumps(prod.primary.json))
    plan = next(r for r in template["Resources"].values() if r["Type"].endswith("::BackupPlan"))
    plan["Properties"]["BackupPlan"]["BackupPlanRule"][0]["Lifecycle"]["DeleteAfterDays"] = 119
    broken = Stack(prod.primary.artifact_id, prod.primary.artifact, template)
    assert any("E3504" in finding for finding in findings(broken, EXPLAINED))
