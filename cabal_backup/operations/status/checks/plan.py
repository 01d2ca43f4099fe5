"""The plan, what it selects, and whether that is still there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cabal_backup import names
from cabal_backup.environment import Lifecycle
from cabal_backup.operations.answers import Unknown
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    deploy,
    fail,
    lifecycle_words,
    not_there,
    ok,
    revert_drift,
    unknown,
)
from cabal_backup.operations.status.state import State

_UTC = (None, "UTC", "Etc/UTC")


def plan(state: State) -> Outcome:
    if isinstance(state.plan, Unknown):
        return unknown(state.plan, looking_at=f"the plan {names.PLAN}")
    if state.plan.value is None:
        return fail(
            f"There is no plan {names.PLAN} in {state.environment.region}: no backup will be "
            "taken.",
            deploy(state.environment.name),
        )
    differences = list(_plan_differences(state, state.plan.value.plan))
    if differences:
        return fail(
            f"The plan {names.PLAN} is not as {state.environment.name} is configured.",
            f"Back to the configuration: {revert_drift(state.environment.name)}",
            details=differences,
        )
    return ok(
        f"Nightly at 00:00 UTC, {_words(state.environment.lifecycle)}; copied to "
        f"{names.DR_VAULT}, {_words(state.environment.dr_lifecycle)}."
    )


def _plan_differences(state: State, plan: Mapping[str, Any]) -> Iterator[str]:
    rules = plan.get("Rules", [])
    rule = next((rule for rule in rules if rule["RuleName"] == names.RULE), None)
    for other in rules:
        if other is not rule:
            yield f"there is another rule, {other['RuleName']}"
    if rule is None:
        yield f"the rule {names.RULE} is missing"
        return
    yield from _difference("schedule", rule.get("ScheduleExpression"), names.SCHEDULE)
    if rule.get("ScheduleExpressionTimezone") not in _UTC:
        yield f"the schedule is in {rule['ScheduleExpressionTimezone']}, not in UTC"
    yield from _difference("vault", rule["TargetBackupVaultName"], names.VAULT)
    yield from _difference(
        "lifecycle", _seen_words(rule.get("Lifecycle")), _words(state.environment.lifecycle)
    )
    copies = rule.get("CopyActions", [])
    if len(copies) != 1:
        yield f"there are {len(copies)} copy actions, not one"
    for copy in copies:
        yield from _difference(
            "target of the copy", copy["DestinationBackupVaultArn"], state.dr_vault_arn
        )
        yield from _difference(
            "lifecycle of the copy",
            _seen_words(copy.get("Lifecycle")),
            _words(state.environment.dr_lifecycle),
        )


def selection(state: State) -> Outcome:
    if isinstance(state.plan, Unknown):
        return unknown(state.plan, looking_at=f"what the plan {names.PLAN} selects")
    if state.plan.value is None:
        return not_there(f"plan {names.PLAN}")
    differences = list(_selection_differences(state, state.plan.value.selections))
    if differences:
        return fail(
            f"The plan does not select exactly {' and '.join(state.resources.values())}.",
            f"Back to the configuration: {revert_drift(state.environment.name)}",
            details=differences,
        )
    return ok(f"Selects exactly {' and '.join(state.resources.values())}.")


def _selection_differences(
    state: State, selections: tuple[Mapping[str, Any], ...]
) -> Iterator[str]:
    selected: set[str] = set()
    for one in selections:
        selected.update(one.get("Resources", []))
        for way in ("ListOfTags", "NotResources"):
            if one.get(way):
                yield f"{one['SelectionName']} also selects by {way}"
        if any(one.get("Conditions", {}).values()):
            yield f"{one['SelectionName']} also selects by Conditions"
        role = one.get("IamRoleArn", "")
        if not role.endswith(f":role/{names.ROLE}"):
            yield f"{one['SelectionName']} works under {role}, not under {names.ROLE}"
    for arn in sorted(state.resources.keys() - selected):
        yield f"not selected: {arn}"
    for arn in sorted(selected - state.resources.keys()):
        yield f"selected, but not configured: {arn}"


def resources(state: State) -> Outcome:
    table = state.tables[state.environment.addresses_table].table
    gone = []
    if not isinstance(table, Unknown) and table.value is None:
        gone.append(f"{state.environment.addresses_table} does not exist")
    mailstore = state.mailstore
    if not isinstance(mailstore, Unknown):
        if mailstore.value is None:
            gone.append(f"{state.environment.mailstore_file_system_id} does not exist")
        elif mailstore.value["LifeCycleState"] not in ("available", "updating"):
            gone.append(
                f"{state.environment.mailstore_file_system_id} is "
                f"{mailstore.value['LifeCycleState']}"
            )
    if gone:
        return fail(
            f"What the plan protects is not there: {' and '.join(gone)}. Nights without it fail "
            "or are skipped in silence.",
            "If it was replaced on purpose, set addresses_table or mailstore_file_system_id of "
            f"{state.environment.name} to the new one, then: {deploy(state.environment.name)}",
        )
    if isinstance(table, Unknown) or isinstance(mailstore, Unknown):
        return unknown(table, mailstore, looking_at="the table and the mailstore")
    return ok(f"{' and '.join(state.resources.values())} exist.")


def _difference(what: str, seen: object, wanted: object) -> Iterator[str]:
    if seen != wanted:
        yield f"{what}: {seen}, should be {wanted}"


def _words(lifecycle: Lifecycle) -> str:
    return lifecycle_words(lifecycle.cold_after_days, lifecycle.delete_after_days)


def _seen_words(lifecycle: Mapping[str, Any] | None) -> str:
    seen = lifecycle or {}
    return lifecycle_words(seen.get("MoveToColdStorageAfterDays"), seen.get("DeleteAfterDays"))
