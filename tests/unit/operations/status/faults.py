"""Faults of a healthy state, each a change of what AWS would answer then.

`test_any_faults.py` combines them with those of every other module here that has `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.role_permissions import Denial
from cabal_backup.operations.status.state import RegionState, Role, State
from tests.unit.operations.status.builders import (
    DENIED,
    DR_MAILSTORE_PLAN,
    DR_TABLE_PLAN,
    LAST_NIGHT,
    NOW,
    a_backup_job,
    a_copy_action,
    a_copy_job,
    a_deployed_plan,
    a_described_table,
    a_drill,
    a_plan,
    a_point,
    a_restore_test,
    a_role,
    a_rule,
    a_selection,
    a_statement,
    a_table,
    a_testing_plan,
    a_vault,
    an_event,
    at,
    with_testing,
)

Fault = Callable[[State], State]


def fields(**changes: Any) -> Fault:
    """Other answers, whatever there was."""
    return lambda state: replace(state, **changes)


def in_order(*faults: Fault) -> Fault:
    def apply(state: State) -> State:
        for fault in faults:
            state = fault(state)
        return state

    return apply


def region(which: str, change: Callable[[RegionState], RegionState]) -> Fault:
    def changed(state: State) -> State:
        other: dict[str, Any] = {which: change(getattr(state, which))}
        return replace(state, **other)

    return changed


def vault(which: str, **changes: Any) -> Fault:
    """A vault that is there is different."""
    name = "cabal-backup" if which == "primary" else "cabal-backup-dr"
    return region(which, lambda seen: replace(seen, vault=Known(a_vault(name, **changes))))


def points(which: str, change: Callable[[RecoveryPoint], RecoveryPoint | None]) -> Fault:
    """Each recovery point of a vault becomes another one, or is no longer there."""

    def changed(seen: RegionState) -> RegionState:
        if not isinstance(seen.points, Known):
            return seen
        left = [after for point in seen.points.value if (after := change(point)) is not None]
        return replace(seen, points=Known(left))

    return region(which, changed)


def more_points(which: str, *added: RecoveryPoint) -> Fault:
    def changed(seen: RegionState) -> RegionState:
        if not isinstance(seen.points, Known):
            return seen
        return replace(seen, points=Known([*added, *seen.points.value]))

    return region(which, changed)


def only(since: datetime) -> Callable[[RecoveryPoint], RecoveryPoint | None]:
    return lambda point: point if point.created >= since else None


def but(night: datetime) -> Callable[[RecoveryPoint], RecoveryPoint | None]:
    return lambda point: None if point.created == night else point


def jobs(kind: str, *added: Mapping[str, Any]) -> Fault:
    def changed(state: State) -> State:
        listed = getattr(state, kind)
        if not isinstance(listed, Known):
            return state
        longer: dict[str, Any] = {kind: Known([*added, *listed.value])}
        return replace(state, **longer)

    return changed


def no_jobs_of(night: datetime) -> Fault:
    """Nothing ran in a night."""

    def changed(state: State) -> State:
        for kind in ("backup_jobs", "copy_jobs"):
            listed = getattr(state, kind)
            if isinstance(listed, Known):
                kept = [j for j in listed.value if j["CreationDate"].date() != night.date()]
                shorter: dict[str, Any] = {kind: Known(kept)}
                state = replace(state, **shorter)
        return state

    return changed


def role(seen: Role) -> Fault:
    return fields(role=Known(seen))


def table(**changes: Any) -> Fault:
    return lambda state: replace(
        state, tables={**state.tables, "cabal-counter": a_table(**changes)}
    )


RECENT = NOW - timedelta(days=1)
AN_EARLIER_NIGHT = LAST_NIGHT - timedelta(days=7)
NEXT_MONTH = NOW + timedelta(days=30)
SHORT = Lifecycle(cold_after_days=None, delete_after_days=40)
REMOVAL = an_event(NOW - timedelta(days=3), "DeleteBackupVaultLockConfiguration")
DENIAL = Denial("backup:CopyIntoBackupVault", "*", explicitly=True, depends_on=())

FAULTS: Mapping[str, Fault] = {
    # --- the history
    "both vaults were wiped": in_order(points("primary", only(RECENT)), points("dr", only(RECENT))),
    "the primary vault was wiped": points("primary", only(RECENT)),
    "the copies were wiped": points("dr", only(RECENT)),
    "the older copies were deleted": points("dr", only(NOW - timedelta(days=31))),
    "both vaults were wiped of what no job remembers": in_order(
        points("primary", only(NOW - timedelta(days=31))),
        points("dr", only(NOW - timedelta(days=31))),
    ),
    "a night is in neither vault": in_order(
        points("primary", but(AN_EARLIER_NIGHT)),
        points("dr", but(AN_EARLIER_NIGHT)),
        no_jobs_of(AN_EARLIER_NIGHT),
    ),
    "older recovery points are being deleted": points(
        "primary",
        lambda point: replace(point, status="DELETING") if point.created < RECENT else point,
    ),
    "older copies are being deleted": points(
        "dr",
        lambda point: replace(point, status="DELETING") if point.created < RECENT else point,
    ),
    "the plan is younger than the vaults, which were wiped": in_order(
        fields(plan=Known(a_plan(created=RECENT))),
        points("primary", only(RECENT)),
        points("dr", only(RECENT)),
    ),
    "the last night was missed": in_order(
        points("primary", but(LAST_NIGHT)), points("dr", but(LAST_NIGHT)), no_jobs_of(LAST_NIGHT)
    ),
    "the last night failed": in_order(
        points("primary", but(LAST_NIGHT)),
        points("dr", but(LAST_NIGHT)),
        no_jobs_of(LAST_NIGHT),
        jobs("backup_jobs", a_backup_job(LAST_NIGHT, State="FAILED")),
    ),
    "a copy was deleted": points("dr", but(AN_EARLIER_NIGHT)),
    "a copy failed": in_order(
        points("dr", but(LAST_NIGHT)),
        no_jobs_of(LAST_NIGHT),
        jobs("copy_jobs", a_copy_job(a_point(), State="FAILED")),
    ),
    "all copies are cold": points("dr", lambda point: replace(point, cold_at=point.created)),
    "an earlier backup failed": jobs(
        "backup_jobs", a_backup_job(AN_EARLIER_NIGHT, State="EXPIRED")
    ),
    "a backup completed with a message": jobs(
        "backup_jobs", a_backup_job(LAST_NIGHT, StatusMessage="Some are left out.")
    ),
    "a copy completed with a message": jobs(
        "copy_jobs", a_copy_job(a_point(), StatusMessage="Some are left out.")
    ),
    # --- single recovery points
    "a recovery point expires too early": more_points("primary", a_point(RECENT, lifecycle=SHORT)),
    "a copy expires too early": more_points("dr", a_point(RECENT, vault="dr", lifecycle=SHORT)),
    "a recovery point never expires": more_points("primary", a_point(RECENT, lifecycle=None)),
    "a recovery point is PARTIAL": more_points("primary", a_point(RECENT, status="PARTIAL")),
    "a recovery point could not be deleted": more_points("dr", a_point(RECENT, status="EXPIRED")),
    "a recovery point outlives its end": more_points(
        "primary", a_point(RECENT, delete_at=NOW - timedelta(days=3))
    ),
    "a recovery point is of the future": more_points("primary", a_point(NEXT_MONTH)),
    "a recovery point was made under another role": more_points(
        "primary", a_point(RECENT, role_arn="arn:aws:iam::123456789012:role/other")
    ),
    # --- the vaults
    "the primary vault is not there": region(
        "primary", lambda seen: replace(seen, vault=Known(None), points=Known([]))
    ),
    "the DR vault is not there": region(
        "dr", lambda seen: replace(seen, vault=Known(None), points=Known([]))
    ),
    "a vault is FAILED": vault("dr", VaultState="FAILED"),
    "the primary lock is off": vault("primary", Locked=False),
    "the DR lock is off": vault("dr", Locked=False),
    "a lock is wider": vault("primary", MinRetentionDays=1),
    "a lock is in compliance mode": vault("dr", LockDate=NEXT_MONTH),
    "the primary lock was off": region(
        "primary", lambda seen: replace(seen, lock_removals=Known([REMOVAL]))
    ),
    "the DR lock was off": region("dr", lambda seen: replace(seen, lock_removals=Known([REMOVAL]))),
    "recovery points were deleted by a call": region(
        "primary", lambda seen: replace(seen, deletions=Known([an_event(RECENT)]))
    ),
    "a vault has an access policy": region(
        "dr", lambda seen: replace(seen, policy=Known('{"Statement": []}'))
    ),
    "the opt-in is off": region("primary", lambda seen: replace(seen, settings=Known[Any]({}))),
    # --- the plan
    "there is no plan": fields(plan=Known(None)),
    "the plan has no copy action": fields(plan=Known(a_plan(a_rule(CopyActions=[])))),
    "the plan copies elsewhere": fields(
        plan=Known(
            a_plan(a_rule(CopyActions=[a_copy_action(DestinationBackupVaultArn="arn:aws:other")]))
        )
    ),
    "the plan keeps for a shorter time": fields(
        plan=Known(a_plan(a_rule(Lifecycle={"DeleteAfterDays": 90})))
    ),
    "the plan has another rule": fields(plan=Known(a_plan(a_rule(), a_rule(RuleName="hourly")))),
    "nothing is selected": fields(plan=Known(a_plan(selections=[]))),
    "more is selected": fields(
        plan=Known(a_plan(selections=[a_selection(ListOfTags=[{"ConditionKey": "a"}])]))
    ),
    "the mailstore is not there": fields(mailstore=Known(None)),
    # --- the role
    "there is no role": fields(role=Known(None)),
    "the role may not restore": role(a_role(policies=a_role().policies[:1])),
    "the role has another policy": role(
        a_role(policies=[*a_role().policies, "arn:aws:iam::123456789012:policy/more"])
    ),
    "the role has an inline policy": role(a_role(inline={"more": None})),
    "the role is denied copying": role(a_role(denied=Known((DENIAL,)))),
    "the role has a boundary": role(
        a_role(PermissionsBoundary={"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/b"})
    ),
    "the role trusts no one": role(
        a_role(a_statement(), a_statement(Effect="Deny", Principal="*", Condition={}))
    ),
    "the role trusts anyone": role(
        a_role(a_statement(), a_statement(Principal={"AWS": "*"}, Condition={}))
    ),
    # --- tables, exercises, time
    "a table is not there": table(table=Known(None)),
    "PITR is off": table(
        backups=Known({"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}})
    ),
    "a table is not protected": table(
        table=Known(a_described_table(DeletionProtectionEnabled=False))
    ),
    "restore testing restored no mailstore in a year": fields(
        restore_jobs=Known([]), testing=with_testing(CreationTime=NOW - timedelta(days=371))
    ),
    "restore testing was not deployed": fields(testing=dict.fromkeys(with_testing(), Known(None))),
    "the copy of the mailstore is not tested": fields(
        testing=with_testing({DR_MAILSTORE_PLAN: a_deployed_plan(DR_MAILSTORE_PLAN, selections=[])})
    ),
    "copies are tested from another vault": fields(
        testing=with_testing(
            {
                DR_TABLE_PLAN: a_deployed_plan(
                    DR_TABLE_PLAN,
                    RecoveryPointSelection={
                        **a_testing_plan(DR_TABLE_PLAN)["RecoveryPointSelection"],
                        "IncludeVaults": ["*"],
                    },
                )
            }
        )
    ),
    "the test of a copy failed": fields(
        dr_restore_jobs=Known(
            [a_restore_test("DynamoDB", RECENT, plan=DR_TABLE_PLAN, ValidationStatus="FAILED")]
        )
    ),
    "the test of a copy was never validated": fields(
        dr_restore_jobs=Known(
            [a_restore_test("DynamoDB", RECENT, plan=DR_TABLE_PLAN, ValidationStatus="TIMED_OUT")]
        )
    ),
    "the test of a copy does not end": fields(
        dr_restore_jobs=Known(
            [
                a_restore_test("DynamoDB", RECENT, plan=DR_TABLE_PLAN),
                a_restore_test("DynamoDB", RECENT, plan=DR_TABLE_PLAN, Status="RUNNING"),
            ]
        )
    ),
    "the tests of copies stay away": fields(
        dr_restore_jobs=Known([]),
        testing=with_testing(
            {
                DR_MAILSTORE_PLAN: a_deployed_plan(
                    DR_MAILSTORE_PLAN, LastExecutionTime=at("2025-10-15 06:20")
                )
            }
        ),
    ),
    "nothing was drilled": fields(drills=Known([])),
    "a drill is of the future": fields(
        drills=Known([a_drill(kind, NEXT_MONTH) for kind in ("addresses", "mailbox", "copy-back")])
    ),
    "the clock is wrong": fields(clock_skew=Known(timedelta(minutes=5))),
    # --- what cannot be asked
    "the points cannot be listed": region("primary", lambda seen: replace(seen, points=DENIED)),
    "the copies cannot be listed": region("dr", lambda seen: replace(seen, points=DENIED)),
    "the vaults cannot be listed": region("primary", lambda seen: replace(seen, vault=DENIED)),
    "a policy cannot be read": region("primary", lambda seen: replace(seen, policy=DENIED)),
    "removals cannot be looked up": region("dr", lambda seen: replace(seen, lock_removals=DENIED)),
    "deletions cannot be looked up": region("dr", lambda seen: replace(seen, deletions=DENIED)),
    "a rule was off": region("dr", lambda seen: replace(seen, rule_changes=Known([REMOVAL]))),
    "changes of rules cannot be looked up": region(
        "dr", lambda seen: replace(seen, rule_changes=DENIED)
    ),
    "the settings cannot be read": region("dr", lambda seen: replace(seen, settings=DENIED)),
    "the plan cannot be read": fields(plan=DENIED),
    "the role cannot be read": fields(role=DENIED),
    "backup jobs cannot be listed": fields(backup_jobs=DENIED),
    "copy jobs cannot be listed": fields(copy_jobs=DENIED),
    "a testing plan cannot be read": fields(testing=with_testing({DR_TABLE_PLAN: DENIED})),
    "restore jobs cannot be listed": fields(restore_jobs=DENIED),
    "restore jobs of copies cannot be listed": fields(dr_restore_jobs=DENIED),
    "the mailstore cannot be read": fields(mailstore=DENIED),
    "the reports cannot be read": fields(drills=DENIED),
    "AWS's time is not known": fields(clock_skew=DENIED),
}
