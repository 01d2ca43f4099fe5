"""Whether a trail logs the calls that urgent events are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cabal_backup.operations.answers import Known, Unknown
from cabal_backup.operations.status.checks.outcome import Outcome, off, ok, unknown, warn
from cabal_backup.operations.status.state import State
from cabal_backup.operations.status.watching import Trail, trail_regions


def trail(state: State) -> Outcome:
    """A trail that logs what changes something, in each region where tampering would be heard."""
    regions = trail_regions(state.environment)
    if not regions:
        return off("By the settings no changes are reported, so no trail is needed for it.")
    answers = {region: state.watching.trails[region] for region in regions}
    heard: Mapping[str, Trail | None] = {
        region: next((one for one in each.value if one.hears), None)
        for region, each in answers.items()
        if isinstance(each, Known)
    }
    deaf = [region for region, one in heard.items() if one is None]
    if deaf:
        return warn(
            f"No trail logs the calls that change something in {' and '.join(deaf)}: a lock "
            "taken off there, or whatever else is tampered with, is told to nobody.",
            "Have a trail for all regions: aws cloudtrail create-trail --name NAME "
            "--s3-bucket-name BUCKET --is-multi-region-trail; "
            "aws cloudtrail start-logging --name NAME",
            details=[
                f"{one.name} in {region}: {_why_not(one)}"
                for region in deaf
                for one in _known(answers[region])
            ],
        )
    if any(isinstance(each, Unknown) for each in answers.values()):
        return unknown(*answers.values(), looking_at="the trails")
    trails = ", ".join(f"{one.name} in {region}" for region, one in heard.items() if one)
    return ok(f"A trail logs the calls that change something: {trails}.")


def _known(answer: Any) -> list[Trail]:
    return answer.value if isinstance(answer, Known) else []


def _why_not(one: Trail) -> str:
    if not one.is_logging:
        return "it is not logging"
    if one.delivery_error:
        return f"S3 does not take what it logs: {one.delivery_error}"
    return "it leaves out calls that change something"
