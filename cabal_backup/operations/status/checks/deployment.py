"""What the other checks rest on: the deployment in this account, and this machine's clock."""

from __future__ import annotations

from datetime import timedelta

from cabal_backup import names
from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.status.checks.outcome import deploy, fail, ok, unknown
from cabal_backup.operations.status.findings import Outcome, Status
from cabal_backup.operations.status.state import State
from cabal_backup.text import duration

CHECK = "deployment"
"""Its id."""

MOST_SKEW = timedelta(minutes=3)
"""How far from AWS's the clock may be; the answer of a call that was tried again is old."""


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
    role = state.role.value_or(None)
    tags = {tag["Key"]: tag["Value"] for tag in role.role.get("Tags", ())} if role else {}
    return tags.get(names.ENVIRONMENT_TAG)


def clock(state: State) -> Outcome:
    """Is this machine's clock right?"""
    if isinstance(state.clock_skew, Unknown):
        return unknown(state.clock_skew, looking_at="AWS's time")
    skew = state.clock_skew.value
    if abs(skew) > MOST_SKEW:
        side = "ahead of" if skew > timedelta() else "behind"
        return Outcome(
            Status.UNKNOWN,
            f"This machine's clock is {duration(abs(skew))} {side} AWS's: what is due, and what is "
            "late, cannot be judged.",
            "Set the clock, for instance by switching time synchronisation on, and run it again.",
        )
    return ok(f"This machine's clock agrees with AWS's to within {duration(MOST_SKEW)}.")
