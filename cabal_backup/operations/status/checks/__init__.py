"""The checks: each a function from what was seen to an outcome.

The ids are a contract: scripts select by them, and docs/status.md explains each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from cabal_backup.operations.status.checks import (
    air_gapped,
    alert_delivery,
    backup_plan,
    copies,
    drills,
    keys,
    nights,
    resources,
    restore_tests,
    service_role,
    stored_points,
    vaults,
    watching,
)
from cabal_backup.operations.status.checks.outcome import CannotLook, no_answer
from cabal_backup.operations.status.findings import Outcome, Status, Verdict
from cabal_backup.operations.status.state import State

Check = Callable[[State], Outcome]

GROUPS: dict[str, dict[str, Check]] = {
    "vaults": {
        "deployment": vaults.deployment,
        "primary-vault": lambda state: vaults.vault(state, state.primary),
        "primary-lock": lambda state: vaults.lock(state, state.primary),
        "primary-opt-in": lambda state: vaults.opt_in(state.primary),
        "dr-vault": lambda state: vaults.vault(state, state.dr),
        "dr-lock": lambda state: vaults.lock(state, state.dr),
        "dr-opt-in": lambda state: vaults.opt_in(state.dr),
        "keys": keys.keys,
    },
    "plan": {
        "plan": backup_plan.plan,
        "selection": backup_plan.selection,
        "resources": resources.resources,
        "role": service_role.role,
    },
    "last night": {
        "last-night": nights.last_night,
        "nights": nights.nights,
        "backup-jobs": nights.backup_jobs,
        "clock": nights.clock,
    },
    "copies": {
        "dr-copies": copies.dr_copies,
        "copy-jobs": copies.copy_jobs,
        "foreign-copies": copies.foreign_copies,
        "copy-back": copies.copy_back,
        "air-gapped": air_gapped.air_gapped,
    },
    "points": {
        "primary-points": lambda state: stored_points.points(state, state.primary),
        "dr-points": lambda state: stored_points.points(state, state.dr),
        "sizes": stored_points.sizes,
        "legal-holds": stored_points.legal_holds,
    },
    "tables": {
        "tables": resources.tables,
        "pitr": resources.pitr,
        "deletion-protection": resources.deletion_protection,
    },
    "alerting": {"alerts": alert_delivery.alerts, "watch": watching.watch, "trail": watching.trail},
    "rehearsal": {"restore-tests": restore_tests.restore_tests, "drill": drills.drill},
}
"""The checks of each subject, as `status` shows them."""

CHECKS: dict[str, Check] = {
    name: check for group in GROUPS.values() for name, check in group.items()
}


def run_checks(state: State, ids: Collection[str]) -> Verdict:
    """The findings of the named checks, in the order of `CHECKS`.

    Where nothing is deployed, or another environment, that is the only finding: all others would
    follow from it. Where a region does not answer, one finding explains all that follow from it.
    """
    outcomes: dict[str, Outcome] = {}
    for name, check in CHECKS.items():
        if name in ids:
            try:
                outcomes[name] = check(state)
            except CannotLook as ended:
                outcomes[name] = ended.outcome
            if name == vaults.DEPLOYMENT and outcomes[name].status is Status.FAIL:
                break
    without_answer = [name for name, outcome in outcomes.items() if outcome.unreachable]
    explaining = ""
    if without_answer and (explained := no_answer(state, without_answer)):
        explaining = without_answer[0]
        outcomes[explaining] = explained
    findings = {name: outcome.of(name) for name, outcome in outcomes.items()}
    if explaining:
        for name in without_answer[1:]:
            findings[name] = replace(findings[name], hint="", explained_by=explaining)
    return Verdict(tuple(findings.values()))
