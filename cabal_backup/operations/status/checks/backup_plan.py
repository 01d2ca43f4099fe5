"""The plan, and what it selects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.status.checks.outcome import (
    difference,
    fail,
    known,
    lifecycle_words,
    not_there,
    ok,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import State

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        BackupPlanTypeDef,
        BackupSelectionOutputTypeDef,
        LifecycleTypeDef,
    )

_UTC = (None, "UTC", "Etc/UTC")

_COMPARED = {
    "RuleName",
    "TargetBackupVaultName",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartWindowMinutes",
    "CompletionWindowMinutes",
    "Lifecycle",
    "CopyActions",
}
"""The members of a rule that are compared one by one; any other that is set is a difference.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html
"""


def plan(state: State) -> Outcome:
    """Is the plan as it was deployed?"""
    seen = known(state.plan, looking_at=f"the plan {names.PLAN}")
    if seen is None:
        return fail(
            f"There is no plan {names.PLAN} in {state.environment.region}: no backup will be "
            "taken.",
            state.deploy_command,
        )
    differences = list(_plan_differences(state, seen.plan))
    if seen.others:
        differences.append(f"there are {seen.others + 1} plans with this name, not one")
    if differences:
        return fail(
            f"The plan {names.PLAN} is not as {state.environment.name} is configured.",
            f"Back to the configuration: {state.revert_command}",
            details=differences,
        )
    if not state.environment.backup:
        return warn(
            f"{state.environment.name} has backup: false, but its plan still runs every night and "
            "is billed.",
            "Turn the setting on again, or tear the environment down (docs/runbooks/teardown.md).",
        )
    return ok(
        f"Nightly at 00:00 UTC, {_words(state.environment.lifecycle)}; "
        + "; ".join(
            f"copied to {arn.rpartition(':')[2]}, {_words(lifecycle)}"
            for arn, lifecycle in state.copy_lifecycles.items()
        )
        + "."
    )


def _plan_differences(state: State, plan: BackupPlanTypeDef) -> Iterator[str]:
    yield from _set_beside(plan, {"BackupPlanName", "Rules"}, "the plan")
    rules = plan.get("Rules", [])
    rule = next((rule for rule in rules if rule["RuleName"] == names.RULE), None)
    for other in rules:
        if other is not rule:
            yield f"there is another rule, {other['RuleName']}"
    if rule is None:
        yield f"the rule {names.RULE} is missing"
        return
    yield from difference("schedule", rule.get("ScheduleExpression"), names.SCHEDULE)
    if rule.get("ScheduleExpressionTimezone") not in _UTC:
        yield f"the schedule is in {rule['ScheduleExpressionTimezone']}, not in UTC"
    for what, member, wanted in (
        ("start window", "StartWindowMinutes", names.START_WINDOW_MINUTES),
        ("completion window", "CompletionWindowMinutes", names.COMPLETION_WINDOW_MINUTES),
    ):
        # AWS Backup's defaults, if it leaves them out, are these values.
        seen = rule.get(member, wanted)
        yield from difference(what, f"{seen} minutes", f"{wanted} minutes")
    yield from _set_beside(rule, _COMPARED | {"RuleId"}, "the rule")
    yield from difference("vault", rule["TargetBackupVaultName"], names.VAULT)
    yield from difference(
        "lifecycle", _seen_words(rule.get("Lifecycle")), _words(state.environment.lifecycle)
    )
    yield from _set_beside(rule.get("Lifecycle") or {}, _LIFECYCLE, "the lifecycle")
    copies, lifecycles = rule.get("CopyActions", []), state.copy_lifecycles
    if len(copies) != len(lifecycles):
        count = "one" if len(lifecycles) == 1 else str(len(lifecycles))
        yield f"there are {len(copies)} copy actions, not {count}"
    targets = {copy["DestinationBackupVaultArn"] for copy in copies}
    missing = [arn for arn in lifecycles if arn not in targets]
    for copy in copies:
        seen = copy["DestinationBackupVaultArn"]
        target = seen if seen in lifecycles else missing.pop(0) if missing else state.dr_vault_arn
        yield from difference("target of the copy", seen, target)
        yield from difference(
            "lifecycle of the copy", _seen_words(copy.get("Lifecycle")), _words(lifecycles[target])
        )
        yield from _set_beside(copy, {"DestinationBackupVaultArn", "Lifecycle"}, "the copy action")
        yield from _set_beside(copy.get("Lifecycle") or {}, _LIFECYCLE, "the lifecycle of the copy")


_LIFECYCLE = {"MoveToColdStorageAfterDays", "DeleteAfterDays"}


def selection(state: State) -> Outcome:
    """Does the plan select the table and the mailstore?"""
    seen = known(state.plan, looking_at=f"what the plan {names.PLAN} selects")
    if seen is None:
        return not_there(f"plan {names.PLAN}")
    differences = list(_selection_differences(state, seen.selections))
    if differences:
        return fail(
            f"The plan does not select exactly {' and '.join(state.resources.values())}.",
            f"Back to the configuration: {state.revert_command}",
            details=differences,
        )
    return ok(f"Selects exactly {' and '.join(state.resources.values())}.")


def _selection_differences(
    state: State, selections: tuple[BackupSelectionOutputTypeDef, ...]
) -> Iterator[str]:
    selected: set[str] = set()
    for one in selections:
        arns = set(one.get("Resources", []))
        for arn in sorted(selected & arns):
            yield f"selected twice: {arn}"
        selected |= arns
        for way, value in one.items():
            if way not in ("SelectionName", "IamRoleArn", "Resources") and _is_set(value):
                yield f"{one['SelectionName']} also selects by {way}"
        role = one.get("IamRoleArn", "")
        if role != state.role_arn:
            yield f"{one['SelectionName']} works under {role}, not under {state.role_arn}"
    for arn in sorted(state.resources.keys() - selected):
        yield f"not selected: {arn}"
    for arn in sorted(selected - state.resources.keys()):
        yield f"selected, but not configured: {arn}"


def _set_beside(given: Mapping[str, object], configured: Set[str], where: str) -> Iterator[str]:
    """The members that are set and that the configuration does not have."""
    for member in sorted(given.keys() - configured):
        if _is_set(given[member]):
            yield f"{where} has {member}: {given[member]}"


def _is_set(value: object) -> bool:
    """AWS Backup writes some members that were not set as false, or as empty lists."""
    return any(map(_is_set, value.values())) if isinstance(value, Mapping) else bool(value)


def _words(lifecycle: Lifecycle) -> str:
    return lifecycle_words(lifecycle.cold_after_days, lifecycle.delete_after_days)


def _seen_words(lifecycle: LifecycleTypeDef | None) -> str:
    seen = lifecycle or {}
    return lifecycle_words(seen.get("MoveToColdStorageAfterDays"), seen.get("DeleteAfterDays"))
