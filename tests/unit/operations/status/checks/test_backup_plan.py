"""The plan, the selection, what it protects, and the role."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.role_permissions import Denial
from cabal_backup.operations.status.state import Role, TableState
from cabal_backup.text import moment
from tests.unit.operations.status.builders import (
    CREATED,
    DENIED,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_copy_action,
    a_copy_limit,
    a_described_table,
    a_mailstore,
    a_plan,
    a_point,
    a_region,
    a_restore_job,
    a_role,
    a_rule,
    a_selection,
    a_state,
    a_statement,
    a_table,
    finding,
    with_tables,
)

ANOTHER = a_rule(RuleName="hourly")
A_YEAR = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365}


def planned(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"plan": Known(a_plan(*rules, **changes))}


def test_the_plan_as_configured() -> None:
    assert finding("plan").evidence == (
        "Nightly at 00:00 UTC, cold after 30 days, deleted after 365; copied to cabal-backup-dr, "
        "cold after 30 days, deleted after 365."
    )


@pytest.mark.parametrize(
    ("rules", "difference"),
    [
        (
            [a_rule(ScheduleExpression="cron(0 5 * * ? *)")],
            "schedule: cron(0 5 * * ? *), should be cron(0 0 * * ? *)",
        ),
        (
            [a_rule(ScheduleExpressionTimezone="America/Los_Angeles")],
            "the schedule is in America/Los_Angeles, not in UTC",
        ),
        ([a_rule(TargetBackupVaultName="Default")], "vault: Default, should be cabal-backup"),
        (
            [a_rule(Lifecycle={"DeleteAfterDays": 365})],
            "lifecycle: never cold, deleted after 365, should be cold after 30 days, "
            "deleted after 365",
        ),
        (
            [a_rule(Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": -1})],
            "lifecycle: cold after 30 days, never deleted, should be cold after 30 days, "
            "deleted after 365",
        ),
        (
            [{k: v for k, v in a_rule().items() if k != "Lifecycle"}],
            "lifecycle: never cold, never deleted, should be cold after 30 days, deleted after 365",
        ),
        ([a_rule(CopyActions=[])], "there are 0 copy actions, not one"),
        (
            [a_rule(CopyActions=[a_copy_action(), a_copy_action()])],
            "there are 2 copy actions, not one",
        ),
        (
            [a_rule(CopyActions=[a_copy_action(Lifecycle={"DeleteAfterDays": 365})])],
            "lifecycle of the copy: never cold, deleted after 365, should be cold after 30 days, "
            "deleted after 365",
        ),
        ([a_rule(), ANOTHER], "there is another rule, hourly"),
        (
            [a_rule(StartWindowMinutes=60)],
            "start window: 60 minutes, should be 480 minutes",
        ),
        (
            [a_rule(CompletionWindowMinutes=540)],
            "completion window: 540 minutes, should be 10080 minutes",
        ),
        ([a_rule(EnableContinuousBackup=True)], "the rule has EnableContinuousBackup: True"),
        (
            [a_rule(TargetLogicallyAirGappedBackupVaultArn="arn:aws:backup:::elsewhere")],
            "the rule has TargetLogicallyAirGappedBackupVaultArn: arn:aws:backup:::elsewhere",
        ),
        (
            [a_rule(RecoveryPointTags={"made": "by hand"})],
            "the rule has RecoveryPointTags: {'made': 'by hand'}",
        ),
        (
            [a_rule(CopyActions=[a_copy_action(Novelty="x")])],
            "the copy action has Novelty: x",
        ),
        (
            [a_rule(Lifecycle={**A_YEAR, "DeleteAfterEvent": "DELETE_AFTER_COPY"})],
            "the lifecycle has DeleteAfterEvent: DELETE_AFTER_COPY",
        ),
    ],
)
def test_each_change_by_hand_is_named(rules: list[dict[str, Any]], difference: str) -> None:
    seen = finding("plan", **planned(*rules))

    assert seen.status == "fail"
    assert seen.details == (difference,)
    assert "--revert-drift" in seen.hint


def test_a_copy_to_elsewhere_is_named() -> None:
    elsewhere = "arn:aws:backup:us-east-1:123456789012:backup-vault:cabal-backup-dr"
    action = a_copy_action(DestinationBackupVaultArn=elsewhere)

    (detail,) = finding("plan", **planned(a_rule(CopyActions=[action]))).details

    assert detail.startswith(
        f"target of the copy: {elsewhere}, should be arn:aws:backup:us-west-2:"
    )


def test_settings_of_the_plan_itself_are_named() -> None:
    plan = a_plan()
    set_beside: Any = {**plan.plan, "AdvancedBackupSettings": [{"ResourceType": "EC2"}]}

    (detail,) = finding("plan", plan=Known(replace(plan, plan=set_beside))).details

    assert detail.startswith("the plan has AdvancedBackupSettings: ")


def test_a_second_plan_of_the_same_name_is_a_failure() -> None:
    seen = finding("plan", plan=Known(replace(a_plan(), others=1)))

    assert seen.status == "fail"
    assert seen.details == ("there are 2 plans with this name, not one",)


def test_what_aws_backup_writes_for_nothing_set_is_no_difference() -> None:
    unset = {"EnableContinuousBackup": False, "RecoveryPointTags": {}, "IndexActions": []}
    lifecycle = {**A_YEAR, "OptInToArchiveForSupportedResources": False}

    assert finding("plan", **planned(a_rule(**unset, Lifecycle=lifecycle))).status == "ok"


def test_a_renamed_rule_is_another_and_the_real_one_is_missing() -> None:
    assert finding("plan", **planned(ANOTHER)).details == (
        "there is another rule, hourly",
        "the rule cabal-backup-plan-rule is missing",
    )


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC"])
def test_utc_may_be_spelled_out(zone: str) -> None:
    assert finding("plan", **planned(a_rule(ScheduleExpressionTimezone=zone))).status == "ok"


@pytest.mark.parametrize("cold", [None, -1])
def test_never_cold_is_written_in_two_ways(cold: int | None) -> None:
    lifecycle = {"MoveToColdStorageAfterDays": cold, "DeleteAfterDays": 365}
    rule = a_rule(Lifecycle=lifecycle, CopyActions=[a_copy_action(Lifecycle=lifecycle)])
    state = a_state({"cold_after_days": "never", "dr_cold_after_days": "never"}, **planned(rule))

    assert finding("plan", state).status == "ok"


def test_without_a_plan_nothing_is_taken_and_nothing_selected() -> None:
    assert finding("plan", plan=Known(None)).status == "fail"
    assert finding("selection", plan=Known(None)).status == "unknown"


@pytest.mark.parametrize("check", ["plan", "selection"])
def test_a_plan_that_cannot_be_read_is_unknown(check: str) -> None:
    assert finding(check, plan=DENIED).status == "unknown"


# --- selection


@pytest.mark.parametrize(
    ("selections", "difference"),
    [
        ([a_selection(Resources=[TABLE_ARN])], f"not selected: {MAILSTORE_ARN}"),
        (
            [a_selection(Resources=[TABLE_ARN, MAILSTORE_ARN, "arn:aws:s3:::a-bucket"])],
            "selected, but not configured: arn:aws:s3:::a-bucket",
        ),
        (
            [a_selection(), a_selection(SelectionName="more", Resources=["arn:aws:s3:::a-bucket"])],
            "selected, but not configured: arn:aws:s3:::a-bucket",
        ),
        (
            [a_selection(ListOfTags=[{"ConditionKey": "a", "ConditionValue": "b"}])],
            "cabal-backup also selects by ListOfTags",
        ),
        ([a_selection(NotResources=[TABLE_ARN])], "cabal-backup also selects by NotResources"),
        (
            [a_selection(Conditions={"StringEquals": [{"ConditionKey": "a"}]})],
            "cabal-backup also selects by Conditions",
        ),
        (
            [a_selection(IamRoleArn="arn:aws:iam::123456789012:role/admin")],
            "cabal-backup works under arn:aws:iam::123456789012:role/admin, not under "
            "arn:aws:iam::123456789012:role/cabal-backup-role",
        ),
        (
            [a_selection(IamRoleArn="arn:aws:iam::210987654321:role/cabal-backup-role")],
            "cabal-backup works under arn:aws:iam::210987654321:role/cabal-backup-role, not under "
            "arn:aws:iam::123456789012:role/cabal-backup-role",
        ),
        (
            [a_selection(), a_selection(SelectionName="again", Resources=[TABLE_ARN])],
            f"selected twice: {TABLE_ARN}",
        ),
        ([a_selection(Novelty=["x"])], "cabal-backup also selects by Novelty"),
    ],
)
def test_each_difference_of_the_selection_is_named(
    selections: list[dict[str, Any]], difference: str
) -> None:
    seen = finding("selection", **planned(selections=selections))

    assert seen.status == "fail"
    assert seen.details == (difference,)


def test_a_pattern_selects_something_else() -> None:
    pattern = "arn:aws:dynamodb:*:*:table/cabal-*"

    seen = finding("selection", **planned(selections=[a_selection(Resources=[pattern])]))

    assert seen.details == (
        f"not selected: {TABLE_ARN}",
        f"not selected: {MAILSTORE_ARN}",
        f"selected, but not configured: {pattern}",
    )


def test_two_selections_may_share_the_work() -> None:
    halves = [a_selection(Resources=[TABLE_ARN]), a_selection(Resources=[MAILSTORE_ARN])]

    assert finding("selection", **planned(selections=halves)).status == "ok"


def test_no_selection_selects_nothing() -> None:
    assert len(finding("selection", **planned(selections=[])).details) == 2


# --- resources


def described(**changes: Any) -> TableState:
    return a_table(table=Known(a_described_table(**changes)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mailstore": Known(None)}, "fs-0123456789abcdef0 does not exist"),
        (
            {"mailstore": Known(a_mailstore(LifeCycleState="deleting"))},
            "fs-0123456789abcdef0 is deleting",
        ),
        (
            {"mailstore": Known(a_mailstore(NumberOfMountTargets=0))},
            "fs-0123456789abcdef0 has no mount target",
        ),
        *(
            (
                {"tables": with_tables(cabal_addresses=described(TableStatus=status))},
                f"cabal-addresses is {status}",
            )
            for status in (
                "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
                "ARCHIVING",
                "ARCHIVED",
                "DELETING",
                "CREATING",
            )
        ),
        (
            {"tables": with_tables(cabal_addresses=a_table(table=Known(None)))},
            "cabal-addresses does not exist",
        ),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], words: str) -> None:
    seen = finding("resources", **changes)

    assert seen.status == "fail"
    assert words in seen.evidence
    assert "mailstore_file_system_id" in seen.hint


@pytest.mark.parametrize("status", ["ACTIVE", "UPDATING"])
def test_a_table_that_is_changed_is_still_backed_up(status: str) -> None:
    tables = with_tables(
        cabal_addresses=described(TableStatus=status), cabal_counter=described(TableStatus=status)
    )

    assert finding("resources", tables=tables).status == "ok"
    assert finding("tables", tables=tables).status == "ok"


def test_another_file_system_with_the_mailstores_tag_is_a_warning() -> None:
    seen = finding("resources", other_mailstores=Known(["fs-0fedcba9876543210"]))

    assert seen.status == "warn"
    assert "fs-0fedcba9876543210 has the tag Name=cabal-efs too" in seen.evidence


@pytest.mark.parametrize(
    ("age", "status"),
    [
        # Of the same deployment as the vaults.
        (NOW - CREATED - timedelta(days=1), "ok"),
        (timedelta(days=35), "ok"),
        (timedelta(days=34), "warn"),
        (timedelta(hours=1), "warn"),
    ],
)
@pytest.mark.parametrize(
    ("table", "check"), [("cabal_addresses", "resources"), ("cabal_counter", "tables")]
)
def test_a_table_younger_than_the_backup_may_be_another_one(
    table: str, check: str, age: timedelta, status: str
) -> None:
    young = described(CreationDateTime=NOW - age)

    seen = finding(check, tables=with_tables(**{table: young}))

    assert seen.status == status
    if status == "warn":
        assert f"{table.replace('_', '-')} was created at" in seen.evidence
        assert "6a2b9c1e-0000-4000-8000-000000000001" in seen.evidence


RESTORED = NOW - timedelta(days=3)
LATE = NOW - timedelta(days=34)


@pytest.mark.parametrize(
    ("created", "job", "point", "status"),
    [
        pytest.param(RESTORED, {}, {}, "ok", id="restored"),
        pytest.param(RESTORED, {"Status": "FAILED"}, {}, "warn", id="failed"),
        pytest.param(RESTORED, {"CreatedResourceArn": f"{TABLE_ARN}-2"}, {}, "warn", id="beside"),
        pytest.param(RESTORED + timedelta(hours=3), {}, {}, "warn", id="replaced-later"),
        pytest.param(RESTORED - timedelta(hours=3), {}, {}, "warn", id="replaced-earlier"),
        pytest.param(
            RESTORED, {}, {"resource_arn": f"{TABLE_ARN}-2"}, "warn", id="of-another-table"
        ),
        pytest.param(LATE, None, {"last_restored": LATE}, "ok", id="the-job-is-forgotten"),
        pytest.param(LATE, None, {}, "warn", id="never-restored"),
        pytest.param(
            LATE, None, {"last_restored": LATE + timedelta(days=2)}, "warn", id="restored-later"
        ),
        pytest.param(RESTORED, None, {"last_restored": RESTORED}, "warn", id="no-job"),
        pytest.param(
            RESTORED, {}, {"created": RESTORED - timedelta(days=8)}, "warn", id="of-a-week-before"
        ),
    ],
)
def test_a_table_that_was_restored_is_no_other_one(
    created: datetime, job: dict[str, Any] | None, point: dict[str, Any], status: str
) -> None:
    then = created - timedelta(days=7)
    backup = a_point(**{"created": then, "arn": "arn:aws:backup:::a-backup", **point})
    made = a_restore_job("DynamoDB", RESTORED - timedelta(hours=1)) | {
        "RecoveryPointArn": backup.arn,
        "CreatedResourceArn": TABLE_ARN,
        "CompletionDate": RESTORED + timedelta(hours=1),
    }

    seen = finding(
        "resources",
        tables=with_tables(cabal_addresses=described(CreationDateTime=created)),
        primary=a_region("primary", points=Known([backup])),
        restore_jobs=Known([made | job] if job is not None else []),
    )

    assert seen.status == status
    if status == "ok":
        assert f"as it was at {moment(then)}" in seen.details[0]


@pytest.mark.parametrize(
    ("source", "days", "status"),
    [(TABLE_ARN, 7, "ok"), (TABLE_ARN, 8, "warn"), (f"{TABLE_ARN}-2", 7, "warn")],
)
def test_a_table_that_dynamodb_restored(source: str, days: int, status: str) -> None:
    then = RESTORED - timedelta(days=days)
    summary = {"SourceTableArn": source, "RestoreDateTime": then}
    young = described(CreationDateTime=RESTORED, RestoreSummary=summary)

    assert finding("resources", tables=with_tables(cabal_addresses=young)).status == status


def test_missing_outweighs_unknown() -> None:
    tables = with_tables(cabal_addresses=a_table(table=DENIED))

    assert finding("resources", tables=tables).status == "unknown"
    assert finding("resources", mailstore=DENIED).status == "unknown"
    assert finding("resources", tables=tables, mailstore=Known(None)).status == "fail"


# --- role


def test_the_role_as_deployed() -> None:
    assert finding("role").status == "ok"


@pytest.mark.parametrize(
    ("policy", "purpose"),
    [
        ("AWSBackupServiceRolePolicyForBackup", "back up, copy or expire"),
        ("AWSBackupServiceRolePolicyForRestores", "restore"),
    ],
)
def test_each_policy_has_its_purpose(policy: str, purpose: str) -> None:
    kept = [arn for arn in a_role().policies if not arn.endswith(policy)]

    seen = finding("role", role=Known(a_role(policies=kept)))

    assert seen.status == "fail"
    assert seen.details == (f"it cannot {purpose}: AWS's policy {policy} is not attached",)


CONDITION = {"StringEquals": {"aws:SourceAccount": "000000000000"}}


@pytest.mark.parametrize(
    ("statements", "assumable"),
    [
        ([a_statement()], True),
        ([a_statement(Condition={})], True),
        ([a_statement(Action=["sts:AssumeRole", "sts:TagSession"])], True),
        ([a_statement(Action="sts:*")], True),
        ([a_statement(Principal={"Service": ["ec2.amazonaws.com", "backup.amazonaws.com"]})], True),
        ([a_statement(Condition={"StringEquals": {"AWS:SourceAccount": ["123456789012"]}})], True),
        ([a_statement(Principal={"Service": "ec2.amazonaws.com"})], False),
        ([a_statement(Principal={"AWS": "arn:aws:iam::123456789012:root"})], False),
        ([a_statement(Action="sts:TagSession")], False),
        ([a_statement(Condition=CONDITION)], False),
        ([a_statement(Condition={"Bool": {"aws:SecureTransport": "true"}})], False),
        ([a_statement(), a_statement(Effect="Deny")], False),
        ([a_statement(Effect="Deny", Condition={})], False),
        ([a_statement(Condition=CONDITION), a_statement()], True),
    ],
)
def test_who_may_assume_the_role(statements: list[dict[str, Any]], assumable: bool) -> None:
    seen = finding("role", role=Known(a_role(*statements)))

    assert (seen.status != "fail") is assumable
    assert ("AWS Backup cannot assume it: see its trust policy" in seen.details) is not assumable


def test_a_single_statement_may_stand_without_brackets() -> None:
    trust = {"Statement": a_statement()}

    assert finding("role", role=Known(a_role(AssumeRolePolicyDocument=trust))).status == "ok"


def test_a_boundary_is_named() -> None:
    boundary = "arn:aws:iam::123456789012:policy/developers"
    role = a_role(PermissionsBoundary={"PermissionsBoundaryArn": boundary})

    assert finding("role", role=Known(role)).details == (
        f"a permissions boundary limits it: {boundary}",
    )


def test_without_the_role_nothing_works() -> None:
    assert finding("role", role=Known(None)).status == "fail"
    assert finding("role", role=DENIED).status == "unknown"


# --- the role is more or less than what was deployed

BACKUP_ARN = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
RESTORE_ARN = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"
MORE = "arn:aws:iam::123456789012:policy/more"
DENIAL = Denial("backup:CopyIntoBackupVault", "*", explicitly=True, depends_on=())
DEPENDING = replace(DENIAL, depends_on=("aws:SourceVpce",))


def test_a_policy_of_the_account_with_the_name_of_aws_s_does_not_count() -> None:
    mine = "arn:aws:iam::123456789012:policy/service-role/AWSBackupServiceRolePolicyForBackup"

    seen = finding("role", role=Known(a_role(policies=[mine, RESTORE_ARN])))

    assert seen.status == "fail"
    assert seen.details == (
        "it cannot back up, copy or expire: AWS's policy AWSBackupServiceRolePolicyForBackup is "
        "not attached",
        f"attached: {mine}",
    )


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (a_role(policies=[BACKUP_ARN, RESTORE_ARN, MORE]), "warn"),
        (a_role(inline={"more": None}), "warn"),
        (a_role(denied=Known((DENIAL,))), "fail"),
        (a_role(denied=Known((DEPENDING,))), "unknown"),
        (a_role(denied=DENIED), "ok"),
        (a_role(policies=[BACKUP_ARN, RESTORE_ARN, MORE], denied=DENIED), "unknown"),
        (a_role(inline={"more": None}, denied=DENIED), "unknown"),
        (a_role(inline={"more": None}, denied=Known((DENIAL,))), "fail"),
    ],
)
def test_what_the_simulator_says_decides(role: Role, status: str) -> None:
    assert finding("role", role=Known(role)).status == status


LIMIT = "cabal-backup-copy-targets"


def test_without_the_limit_on_copies_the_role_warns() -> None:
    seen = finding("role", role=Known(replace(a_role(), inline={})))
    assert seen.status == "warn"
    assert seen.details == (
        f"it may copy into the vaults of others: there is no inline policy {LIMIT}",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Allow"},
        {"Action": "s3:GetObject"},
        {"Resource": "arn:aws:backup:us-west-1:123456789012:recovery-point:1"},
        {"Condition": {}},
        {"Condition": {"ForAnyValue:ArnNotLike": {"backup:CopyTargets": "arn:aws:backup:*"}}},
    ],
)
def test_another_limit_on_copies_warns(changes: dict[str, Any]) -> None:
    seen = finding("role", role=Known(a_role(inline={LIMIT: a_copy_limit(**changes)})))
    assert seen.status == "warn"
    assert seen.details == (f"inline policy {LIMIT}: not as deployed",)


def test_iam_may_write_the_limit_on_copies_with_lists() -> None:
    lists = a_copy_limit(Action=["backup:CopyFromBackupVault"], Resource=["*"])
    assert finding("role", role=Known(a_role(inline={LIMIT: lists}))).status == "ok"


OWN = {"StringNotEquals": {"aws:SourceAccount": "123456789012"}}
EVERYONE = {"AWS": "*"}


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        (a_statement(Effect="Deny", Condition=OWN), "ok"),
        (a_statement(Effect="Deny", Principal="*", Condition=OWN), "ok"),
        (a_statement(Effect="Deny", Principal="*", Condition={}), "fail"),
        (a_statement(Effect="Deny", Principal=EVERYONE, Condition={}), "fail"),
        (a_statement(Effect="Deny", Action="sts:Assume*", Condition={}), "fail"),
        (a_statement(Effect="Deny", Action=[], NotAction="sts:TagSession", Condition={}), "fail"),
        (
            a_statement(
                Effect="Deny",
                Principal=None,
                NotPrincipal={"Service": "backup.amazonaws.com"},
                Condition={},
            ),
            "ok",
        ),
        (a_statement(Principal=EVERYONE, Condition={}), "fail"),
        (a_statement(Principal="*", Condition={}), "fail"),
        (a_statement(Principal=EVERYONE), "warn"),
        (a_statement(Principal={"AWS": "arn:aws:iam::123456789012:root"}), "warn"),
        (a_statement(Principal={"Service": "ec2.amazonaws.com"}), "warn"),
    ],
)
def test_another_statement_of_the_trust_policy(statement: dict[str, Any], status: str) -> None:
    assert finding("role", role=Known(a_role(a_statement(), statement))).status == status


@pytest.mark.parametrize("state", ["available", "updating"])
def test_a_mailstore_that_is_being_updated_is_there(state: str) -> None:
    assert finding("resources", mailstore=Known(a_mailstore(LifeCycleState=state))).status == "ok"
