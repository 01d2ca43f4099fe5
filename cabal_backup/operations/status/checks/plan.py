"""The plan, what it selects, and whether that is still there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cabal_backup import names
from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.clock import SERVICES_APART
from cabal_backup.operations.aws.results import Answer, Known, Unknown
from cabal_backup.operations.status.checks.outcome import (
    deploy,
    fail,
    lifecycle_words,
    not_there,
    ok,
    revert_drift,
    unknown,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import LOOK_BACK, State
from cabal_backup.text import moment

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        BackupPlanTypeDef,
        BackupSelectionOutputTypeDef,
        LifecycleTypeDef,
    )
    from types_boto3_dynamodb.type_defs import TableDescriptionTypeDef

_RECENT = timedelta(days=7)
"""How old the backup may be that a table was restored from; an older one is reported, because the
table may have lost more than a few nights.
"""

PITR_WINDOW = timedelta(days=35)
"""The longest window of point-in-time recovery, which Cabal's tables have.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html
"""

DEPLOYED_TOGETHER = timedelta(days=1)
"""A table that is younger than the vault by less was made in the same deployment."""

LONGEST_RESTORE = timedelta(days=1)
"""How far apart a restore job and the creation of its table may be, at most."""

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

_READABLE = {"ACTIVE", "UPDATING"}
"""The statuses of a table that can be backed up.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
"""

_RUNNING = {"available", "updating"}
"""The states of a file system that can be backed up: `updating` is a change of a setting.

https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemDescription.html
"""


def plan(state: State) -> Outcome:
    """Is the plan as it was deployed?"""
    if isinstance(state.plan, Unknown):
        return unknown(state.plan, looking_at=f"the plan {names.PLAN}")
    if state.plan.value is None:
        return fail(
            f"There is no plan {names.PLAN} in {state.environment.region}: no backup will be "
            "taken.",
            deploy(state.environment.name),
        )
    differences = list(_plan_differences(state, state.plan.value.plan))
    if others := state.plan.value.others:
        differences.append(f"there are {others + 1} plans with this name, not one")
    if differences:
        return fail(
            f"The plan {names.PLAN} is not as {state.environment.name} is configured.",
            f"Back to the configuration: {revert_drift(state.environment.name)}",
            details=differences,
        )
    if not state.environment.backup:
        return warn(
            f"{state.environment.name} has backup: false, but its plan goes on every night and is "
            "billed.",
            "Turn the setting on again, or take the environment down (docs/runbooks/teardown.md).",
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
    yield from _difference("schedule", rule.get("ScheduleExpression"), names.SCHEDULE)
    if rule.get("ScheduleExpressionTimezone") not in _UTC:
        yield f"the schedule is in {rule['ScheduleExpressionTimezone']}, not in UTC"
    for what, member, wanted in (
        ("start window", "StartWindowMinutes", names.START_WINDOW_MINUTES),
        ("completion window", "CompletionWindowMinutes", names.COMPLETION_WINDOW_MINUTES),
    ):
        # AWS Backup's defaults, should it leave them out, are these values.
        seen = rule.get(member, wanted)
        yield from _difference(what, f"{seen} minutes", f"{wanted} minutes")
    yield from _set_beside(rule, _COMPARED | {"RuleId"}, "the rule")
    yield from _difference("vault", rule["TargetBackupVaultName"], names.VAULT)
    yield from _difference(
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
        yield from _difference("target of the copy", seen, target)
        yield from _difference(
            "lifecycle of the copy", _seen_words(copy.get("Lifecycle")), _words(lifecycles[target])
        )
        yield from _set_beside(copy, {"DestinationBackupVaultArn", "Lifecycle"}, "the copy action")
        yield from _set_beside(copy.get("Lifecycle") or {}, _LIFECYCLE, "the lifecycle of the copy")


_LIFECYCLE = {"MoveToColdStorageAfterDays", "DeleteAfterDays"}


def selection(state: State) -> Outcome:
    """Does the plan select the table and the mailstore?"""
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


def resources(state: State) -> Outcome:
    """The table and the mailstore exist, are in use, and are the same ones as before."""
    name = state.environment.addresses_table
    table, mailstore = state.tables[name].table, state.mailstore
    of_table, of_mailstore = list(table_trouble(name, table)), list(_mailstore_trouble(state))
    if missing := [*of_table, *of_mailstore]:
        return fail(
            f"What the plan protects is not there or not in use: {' and '.join(missing)}. Nights "
            "without it fail, are skipped, or contain nothing new.",
            _restore(state, table=bool(of_table), mailstore=bool(of_mailstore))
            + "If it was replaced on purpose, set addresses_table or mailstore_file_system_id of "
            f"{state.environment.name} to the new one, then: {deploy(state.environment.name)}",
        )
    if isinstance(table, Unknown) or isinstance(mailstore, Unknown):
        return unknown(table, mailstore, looking_at="the table and the mailstore")
    odd, hints = list(replaced(state, name)), list[str]()
    if odd:
        hints.append(
            "If the table was replaced on purpose, nothing is to be done; this warning "
            f"ends {PITR_WINDOW.days} days after the table was created. Otherwise find out who "
            "replaced it. Recovery points from before are still there: "
            f"cabal-backup points -e {state.environment.name}"
        )
    if isinstance(state.other_mailstores, Known) and state.other_mailstores.value:
        odd.append(
            f"{' and '.join(state.other_mailstores.value)} has the tag Name={names.MAILSTORE} too"
        )
        hints.append(
            "Find out which file system Cabal mounts. If it is not the configured one, set "
            f"mailstore_file_system_id of {state.environment.name} and deploy; otherwise delete "
            "the other or remove its tag"
        )
    if odd:
        return warn(
            "The plan may not protect what Cabal uses: " + "; ".join(odd) + ".", ". ".join(hints)
        )
    return ok(
        f"{' and '.join(state.resources.values())} exist and are in use.",
        details=restored(state, name),
    )


def _restore(state: State, *, table: bool, mailstore: bool) -> str:
    """How to restore what does not exist; empty where it exists and is out of use."""
    environment, words = state.environment, ""
    if table and state.tables[environment.addresses_table].table == Known(None):
        words += (
            f"To restore the table: cabal-backup restore addresses -e {environment.name} "
            "(docs/runbooks/restore-tables.md). "
        )
    if mailstore and state.mailstore == Known(None):
        words += (
            f"To restore the mailstore: cabal-backup restore mailstore -e {environment.name} "
            "(docs/runbooks/restore-mail.md#the-whole-mailstore). "
        )
    elif mailstore:
        words += (
            f"Without mount targets: aws efs create-mount-target --region {environment.region} "
            f"--file-system-id={environment.mailstore_file_system_id} --subnet-id SUBNET "
            "--security-groups GROUP; if it is not AVAILABLE, wait. "
        )
    return words


def table_trouble(name: str, answer: Answer[Any]) -> Iterator[str]:
    """Why a table cannot be backed up and recovered; nothing where that is not known."""
    if isinstance(answer, Unknown):
        return
    if answer.value is None:
        yield f"{name} does not exist"
    elif answer.value["TableStatus"] not in _READABLE:
        yield f"{name} is {answer.value['TableStatus']}"


def replaced(state: State, name: str) -> Iterator[str]:
    """Says when a table is younger than the backup, its PITR window is not full again, and it was
    not restored from a backup of its own.

    DynamoDB gives every table a new id and AWS Backup records none, so that the time of
    creation is what distinguishes a table from an earlier one of the same name.
    """
    for table in _young(state, name):
        if _restored_as_of(state, name, table) is None:
            yield (
                f"{name} was created at {moment(table['CreationDateTime'])}, after the backup "
                f"was deployed (id {table.get('TableId')}), and cannot be recovered to an earlier "
                "moment"
            )


def restored(state: State, name: str) -> Iterator[str]:
    """Says when a table as young as that was restored from a backup of its own."""
    for table in _young(state, name):
        if (then := _restored_as_of(state, name, table)) is not None:
            yield (
                f"{name} was restored at {moment(table['CreationDateTime'])} as it was at "
                f"{moment(then)}, and cannot be recovered to a moment before it was restored"
            )


def _young(state: State, name: str) -> Iterator[TableDescriptionTypeDef]:
    table, since = state.tables[name].table.value_or(None), state.primary.vault_created
    if table is None or since is None:
        return
    created = table["CreationDateTime"]
    if created - since > DEPLOYED_TOGETHER and state.now - created < PITR_WINDOW:
        yield table


def _restored_as_of(state: State, name: str, table: TableDescriptionTypeDef) -> datetime | None:
    """The moment of the table's own backup that it was restored from; None where that is unknown,
    and where it was much older than the table.

    DynamoDB shows the source of what it restored itself; of a restore of AWS Backup there is the
    job for 30 days, and afterwards only when a recovery point was last restored, to whatever name:
    a table that another one replaced was reported for 29 days then.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreSummary.html
    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointByBackupVault.html
    """
    arn, created = f"{state.table_arn.rpartition('/')[0]}/{name}", table["CreationDateTime"]
    summary = table.get("RestoreSummary")
    if summary is not None and summary.get("SourceTableArn") == arn:
        then = summary["RestoreDateTime"]
        return then if created - then <= _RECENT else None
    points = state.primary.points.value if isinstance(state.primary.points, Known) else []
    own = {
        point.arn: point
        for point in points
        if point.resource_arn == arn and timedelta() <= created - point.created <= _RECENT
    }
    jobs = state.restore_jobs.value if isinstance(state.restore_jobs, Known) else []
    for job in jobs:
        point = own.get(job.get("RecoveryPointArn", ""))
        began, ended = job["CreationDate"] - SERVICES_APART, job.get("CompletionDate", state.now)
        made_it = job["Status"] == "COMPLETED" and job.get("CreatedResourceArn") == arn
        if point and made_it and began <= created <= ended + SERVICES_APART:
            return point.created
    if state.now - created > LOOK_BACK - LONGEST_RESTORE:
        for point in own.values():
            if point.last_restored and abs(point.last_restored - created) < LONGEST_RESTORE:
                return point.created
    return None


def _mailstore_trouble(state: State) -> Iterator[str]:
    identity, answer = state.environment.mailstore_file_system_id, state.mailstore
    if isinstance(answer, Unknown):
        return
    if answer.value is None:
        yield f"{identity} does not exist"
    elif answer.value["LifeCycleState"] not in _RUNNING:
        yield f"{identity} is {answer.value['LifeCycleState']}"
    elif not answer.value["NumberOfMountTargets"]:
        yield f"{identity} has no mount target, so that nothing can use it"


def _set_beside(given: Mapping[str, object], known: Set[str], where: str) -> Iterator[str]:
    """The members that are set and that the configuration does not have."""
    for member in sorted(given.keys() - known):
        if _is_set(given[member]):
            yield f"{where} has {member}: {given[member]}"


def _is_set(value: object) -> bool:
    """AWS Backup writes some members that were not set as false, or as empty lists."""
    return any(map(_is_set, value.values())) if isinstance(value, Mapping) else bool(value)


def _difference(what: str, seen: object, wanted: object) -> Iterator[str]:
    if seen != wanted:
        yield f"{what}: {seen}, should be {wanted}"


def _words(lifecycle: Lifecycle) -> str:
    return lifecycle_words(lifecycle.cold_after_days, lifecycle.delete_after_days)


def _seen_words(lifecycle: LifecycleTypeDef | None) -> str:
    seen = lifecycle or {}
    return lifecycle_words(seen.get("MoveToColdStorageAfterDays"), seen.get("DeleteAfterDays"))
