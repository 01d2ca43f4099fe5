"""The restore testing plans of both vaults: what is expected, and what AWS Backup has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cabal_backup import names
from cabal_backup.operations.aws.arns import Arns, Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, ask_together, entries, unless_missing

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        RestoreTestingPlanForGetTypeDef,
        RestoreTestingSelectionForGetTypeDef,
    )


class ExpectedPlan(NamedTuple):
    """A restore testing plan as the settings want it."""

    name: str
    vault: Vault
    """The vault whose recovery points are tested."""
    schedule: str
    kinds: tuple[str, ...]
    """Of `DynamoDB` and `EFS`; one selection for each."""
    role: str
    """How the name of the role of its selections begins, or the whole name."""


@dataclass(frozen=True, kw_only=True)
class DeployedPlan:
    """A restore testing plan as AWS Backup has it."""

    plan: RestoreTestingPlanForGetTypeDef
    selections: Sequence[RestoreTestingSelectionForGetTypeDef]


def expected_plans(at: Arns) -> tuple[ExpectedPlan, ...]:
    """None where restore testing is off."""
    environment, (primary, dr, *_) = at.environment, at.vaults
    if not environment.restore_testing:
        return ()
    # CloudFormation begins the name of the DR stack's own role with the stack's.
    roles = ((primary, names.ROLE), (dr, f"{names.DR_STACK}-*"))
    return tuple(
        ExpectedPlan(tests.plan, vault, tests.schedule, tests.kinds, role)
        for vault, role in roles
        for tests in environment.restore_tests_in(vault.region)
    )


def read_testing_plans(aws: Aws) -> Mapping[str, Answer[DeployedPlan | None]]:
    """What AWS Backup has of the expected plans, by their names."""
    return ask_together({each.name: partial(_deployed, aws, each) for each in expected_plans(aws)})


def _deployed(aws: Aws, expected: ExpectedPlan) -> DeployedPlan | None:
    plan = {"RestoreTestingPlanName": expected.name}
    backup = aws.client("backup", expected.vault.region)
    listing = backup.list_restore_testing_selections

    def question() -> DeployedPlan:
        return DeployedPlan(
            plan=backup.get_restore_testing_plan(**plan)["RestoreTestingPlan"],
            selections=[
                backup.get_restore_testing_selection(
                    **plan, RestoreTestingSelectionName=each["RestoreTestingSelectionName"]
                )["RestoreTestingSelection"]
                for each in entries(listing, "RestoreTestingSelections", **plan)
            ],
        )

    return unless_missing(question, "ResourceNotFoundException")
