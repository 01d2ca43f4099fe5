"""Whether this environment is deployed in this account at all."""

from __future__ import annotations

from cabal_backup import names
from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.status.checks.outcome import Outcome, deploy, fail, ok, unknown
from cabal_backup.operations.status.state import State

CHECK = "deployment"
"""Its id."""


def deployment(state: State) -> Outcome:
    """Fails where the account has neither vault nor plan, or has those of another environment.

    All environments use the same names; the tag `environment` of the role tells them apart. It
    arrives with GetRole.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
    """
    name, environment = state.environment.name, state.environment
    where = f"account {state.account}, {environment.region} and {environment.dr_region}"
    other = recorded_environment(state)
    if other not in (None, name):
        return fail(
            f"{name} is not deployed in account {state.account}: the role {names.ROLE} there "
            f"belongs to the environment {other}.",
            f"Correct account and profile of {name}, or look at the other one: cabal-backup "
            f"status -e {other}",
        )
    answers = (state.primary.vault, state.dr.vault, state.plan)
    if all(answer == Known(None) for answer in answers):
        return fail(
            f"{name} is not deployed: there is neither a vault nor a plan in {where}.",
            f"cabal-backup doctor -e {name}, then {deploy(name)}. If it is deployed elsewhere, "
            "correct its account, region and dr_region.",
        )
    if not any(isinstance(answer, Known) and answer.value for answer in (*answers, state.role)):
        missing = [answer for answer in answers if isinstance(answer, Unknown)]
        return unknown(*missing, looking_at=f"whether {name} is deployed")
    return ok(f"{name} is deployed in {where}.")


def recorded_environment(state: State) -> str | None:
    """The environment that the role records; None without a role or a tag."""
    if isinstance(state.role, Unknown) or state.role.value is None:
        return None
    tags = {tag["Key"]: tag["Value"] for tag in state.role.value.role.get("Tags", ())}
    recorded: str | None = tags.get(names.ENVIRONMENT_TAG)
    return recorded
