"""The restore testing plans of both vaults: what is expected, and what AWS Backup has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, Answers, Questions, pages, unless_missing

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        RestoreTestingPlanForGetTypeDef,
        RestoreTestingSelectionForGetTypeDef,
    )


@dataclass(frozen=True, kw_only=True)
class ExpectedPlan:
    """A restore testing plan as the settings want it."""

    name: str
    region: str
    vault: str
    """The name of the vault whose recovery points are tested."""
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


def expected_plans(environment: Environment) -> tuple[ExpectedPlan, ...]:
    """None where restore testing is off."""
    if not environment.restore_testing:
        return ()
    return (
        ExpectedPlan(
            name=names.RESTORE_TESTING_PLAN,
            region=environment.region,
            vault=names.VAULT,
            schedule=environment.restore_testing_schedule,
            kinds=tuple(names.RESOURCE_KINDS),
            role=names.ROLE,
        ),
        *(
            ExpectedPlan(
                name=name,
                region=environment.dr_region,
                vault=names.DR_VAULT,
                schedule=schedule,
                kinds=(kind,),
                # CloudFormation begins the name of the stack's own role with the stack's.
                role=f"{names.DR_STACK}-*",
            )
            for name, schedule, kind in (
                (
                    names.DR_TABLE_TESTING_PLAN,
                    environment.dr_restore_testing_table_schedule,
                    names.DYNAMODB,
                ),
                (
                    names.DR_MAILSTORE_TESTING_PLAN,
                    environment.dr_restore_testing_mailstore_schedule,
                    names.EFS,
                ),
            )
        ),
    )


def questions(aws: Aws) -> Questions:
    """What to ask, to be put together with other questions."""
    return {
        f"testing {plan.name}": partial(_deployed, aws, plan)
        for plan in expected_plans(aws.environment)
    }


def read_answers(
    environment: Environment, answers: Answers
) -> dict[str, Answer[DeployedPlan | None]]:
    """The answers to `questions`, among others, by the name of the plan."""
    return {plan.name: answers[f"testing {plan.name}"] for plan in expected_plans(environment)}


def _deployed(aws: Aws, expected: ExpectedPlan) -> DeployedPlan | None:
    backup, plan = aws.client("backup", expected.region), {"RestoreTestingPlanName": expected.name}

    def question() -> DeployedPlan:
        return DeployedPlan(
            plan=backup.get_restore_testing_plan(**plan)["RestoreTestingPlan"],
            selections=[
                backup.get_restore_testing_selection(
                    **plan, RestoreTestingSelectionName=each["RestoreTestingSelectionName"]
                )["RestoreTestingSelection"]
                for page in pages(backup.list_restore_testing_selections, **plan)
                for each in page.get("RestoreTestingSelections", [])
            ],
        )

    return unless_missing(question, "ResourceNotFoundException")
