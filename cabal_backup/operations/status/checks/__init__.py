"""The checks: each a function from what was seen to an outcome.

The ids are a contract: scripts select by them, and docs/status.md explains each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from cabal_backup.operations.status.checks import (
    air_gapped,
    alerts,
    copies,
    deployment,
    drill,
    keys,
    nights,
    plan,
    points,
    restore_tests,
    role,
    sizes,
    tables,
    vaults,
    watching,
)
from cabal_backup.operations.status.checks.outcome import no_answer
from cabal_backup.operations.status.findings import Outcome, Status, Verdict
from cabal_backup.operations.status.state import State

Check = Callable[[State], Outcome]

GROUPS: dict[str, dict[str, Check]] = {
    "vaults": {
        "deployment": deployment.deployment,
        "primary-vault": lambda state: vaults.vault(state, state.primary),
        "primary-lock": lambda state: vaults.lock(state, state.primary),
        "primary-opt-in": lambda state: vaults.opt_in(state.primary),
        "dr-vault": lambda state: vaults.vault(state, state.dr),
        "dr-lock": lambda state: vaults.lock(state, state.dr),
        "dr-opt-in": lambda state: vaults.opt_in(state.dr),
        "keys": keys.keys,
    },
    "plan": {
        "plan": plan.plan,
        "selection": plan.selection,
        "resources": plan.resources,
        "role": role.role,
    },
    "last night": {
        "last-night": nights.last_night,
        "nights": nights.nights,
        "backup-jobs": nights.backup_jobs,
        "clock": deployment.clock,
    },
    "copies": {
        "dr-copies": copies.dr_copies,
        "copy-jobs": copies.copy_jobs,
        "foreign-copies": copies.foreign_copies,
        "copy-back": copies.copy_back,
        "air-gapped": air_gapped.air_gapped,
    },
    "points": {
        "primary-points": lambda state: points.points(
            state, state.primary, state.environment.lifecycle
        ),
        "dr-points": lambda state: points.points(state, state.dr, state.environment.dr_lifecycle),
        "sizes": sizes.sizes,
        "legal-holds": points.legal_holds,
    },
    "tables": {
        "tables": tables.tables,
        "pitr": tables.pitr,
        "deletion-protection": tables.deletion_protection,
    },
    "alerting": {"alerts": alerts.alerts, "watch": watching.watch, "trail": watching.trail},
    "rehearsal": {"restore-tests": restore_tests.restore_tests, "drill": drill.drill},
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
            outcomes[name] = check(state)
            if name == deployment.CHECK and outcomes[name].status is Status.FAIL:
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
