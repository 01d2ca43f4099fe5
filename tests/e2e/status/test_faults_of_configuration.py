"""One thing is changed by hand, and exactly the checks meant for it turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import Deployment

Fault = Callable[[Deployment], object]
NotOk = Mapping[str, str]

COUNTER_ARN = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-counter"

VAULTS: Mapping[str, tuple[Fault, NotOk]] = {
    "the lock of the primary vault is removed": (
        lambda d: hand.unlock(d.sandbox, PRIMARY),
        {"primary-lock": "fail"},
    ),
    "the lock of the DR vault is removed": (
        lambda d: hand.unlock(d.sandbox, DR),
        {"dr-lock": "fail"},
    ),
    "a lock is widened": (
        lambda d: hand.lock(d.sandbox, PRIMARY, least=1, most=36500),
        {"primary-lock": "fail"},
    ),
    "a lock is narrowed": (
        lambda d: hand.lock(d.sandbox, DR, least=60),
        {"dr-lock": "fail"},
    ),
    "a lock is in compliance mode": (
        lambda d: hand.lock(d.sandbox, DR, ChangeableForDays=3),
        {"dr-lock": "fail"},
    ),
    "the primary vault is deleted": (
        lambda d: hand.delete_vault(d.sandbox, PRIMARY),
        {
            "primary-vault": "fail",
            "primary-lock": "unknown",
            "last-night": "fail",
            "nights": "fail",
            "primary-points": "warn",
        },
    ),
    "the DR vault is deleted": (
        lambda d: hand.delete_vault(d.sandbox, DR),
        {
            "dr-vault": "fail",
            "dr-lock": "unknown",
            "dr-copies": "fail",
            "copy-back": "warn",
            "dr-points": "warn",
        },
    ),
    "the opt-in of the service is off in the primary region": (
        lambda d: hand.opt_in(d.sandbox, "us-west-1", protected=False),
        {"primary-opt-in": "fail"},
    ),
    "full management is off in the primary region": (
        lambda d: hand.opt_in(d.sandbox, "us-west-1", managed=False),
        {"primary-opt-in": "fail"},
    ),
    "full management is off in the DR region": (
        lambda d: hand.opt_in(d.sandbox, "us-west-2", managed=False),
        {"dr-opt-in": "fail"},
    ),
}


def edited(**changes: object) -> Fault:
    return lambda d: hand.edit_rule(d.sandbox, **changes)


PLAN: Mapping[str, tuple[Fault, NotOk]] = {
    "the plan runs at another hour": (
        edited(ScheduleExpression="cron(0 5 * * ? *)"),
        {"plan": "fail"},
    ),
    "the plan runs in another time zone": (
        edited(ScheduleExpressionTimezone="America/Los_Angeles"),
        {"plan": "fail"},
    ),
    "the plan keeps for a shorter time": (
        edited(Lifecycle={"DeleteAfterDays": 90}),
        {"plan": "fail"},
    ),
    "the copy action is removed": (edited(CopyActions=[]), {"plan": "fail"}),
    "copies are never cold": (
        edited(
            CopyActions=[
                {
                    "DestinationBackupVaultArn": hand.DR_VAULT_ARN,
                    "Lifecycle": {"DeleteAfterDays": 365},
                }
            ]
        ),
        {"plan": "fail"},
    ),
    "another rule is added": (
        lambda d: hand.edit_plan(
            d.sandbox, lambda rules: rules.append({**rules[0], "RuleName": "hourly"})
        ),
        {"plan": "fail"},
    ),
    "a job may start for an hour only": (edited(StartWindowMinutes=60), {"plan": "fail"}),
    "a job has to complete in nine hours": (
        edited(CompletionWindowMinutes=540),
        {"plan": "fail"},
    ),
    "backups are made in an air-gapped vault too": (
        edited(
            TargetLogicallyAirGappedBackupVaultArn=f"arn:aws:backup:us-west-1:{ACCOUNT}:"
            "backup-vault:air-gapped"
        ),
        {"plan": "fail"},
    ),
    "backups are continuous": (edited(EnableContinuousBackup=True), {"plan": "fail"}),
    "there is a second plan of the same name": (
        lambda d: hand.add_plan(d.sandbox),
        {"plan": "fail"},
    ),
    "the plan is deleted": (
        lambda d: hand.delete_plan(d.sandbox),
        {"plan": "fail", "selection": "unknown"},
    ),
    "the selection is deleted": (
        lambda d: hand.delete_selections(d.sandbox),
        {"selection": "fail"},
    ),
    "another table is selected too": (
        lambda d: hand.select(d.sandbox, "more", Resources=[COUNTER_ARN]),
        {"selection": "fail"},
    ),
    "the table is selected twice": (
        lambda d: hand.select(d.sandbox, "again", Resources=[d.cabal.addresses_table_arn]),
        {"selection": "fail"},
    ),
    "more is selected by tags": (
        lambda d: hand.select(
            d.sandbox,
            "tagged",
            ListOfTags=[
                {
                    "ConditionType": "STRINGEQUALS",
                    "ConditionKey": "environment",
                    "ConditionValue": "development",
                }
            ],
        ),
        {"selection": "fail"},
    ),
    "the mailstore is deleted": (hand.delete_file_system, {"resources": "fail"}),
    "the addresses table is deleted": (
        lambda d: delete_table(d.sandbox, "cabal-addresses"),
        {"resources": "fail"},
    ),
}

ROLE_AND_TABLES: Mapping[str, tuple[Fault, NotOk]] = {
    "the role may no longer restore": (
        lambda d: hand.strip(d.sandbox, hand.FOR_RESTORES),
        {"role": "fail"},
    ),
    "the role may no longer back up": (
        lambda d: hand.strip(d.sandbox, hand.FOR_BACKUP),
        {"role": "fail"},
    ),
    "the role trusts another service": (
        lambda d: hand.trust(d.sandbox, Principal={"Service": "ec2.amazonaws.com"}),
        {"role": "fail"},
    ),
    "the role trusts AWS Backup of another account": (
        lambda d: hand.trust(
            d.sandbox, Condition={"StringEquals": {"aws:SourceAccount": "000000000000"}}
        ),
        {"role": "fail"},
    ),
    "the role is deleted": (lambda d: hand.delete_role(d.sandbox), {"role": "fail"}),
    "the role gets a permissions boundary": (
        lambda d: hand.bound(d.sandbox),
        {"role": "fail"},
    ),
    "PITR is off on a table outside the plan": (
        lambda d: hand.pitr(d.sandbox, "cabal-counter", enabled=False),
        {"pitr": "fail"},
    ),
    "PITR is off on the table in the plan": (
        lambda d: hand.pitr(d.sandbox, "cabal-addresses", enabled=False),
        {"pitr": "fail"},
    ),
    "a table outside the plan is deleted": (
        lambda d: delete_table(d.sandbox, "cabal-user-preferences"),
        {"tables": "fail"},
    ),
    "deletion protection is off": (
        lambda d: hand.protect(d.sandbox, "cabal-dmarc-reports", protected=False),
        {"deletion-protection": "warn"},
    ),
}

FAULTS = {**VAULTS, **PLAN, **ROLE_AND_TABLES}


@pytest.mark.parametrize("fault", FAULTS)
def test_exactly_the_expected_checks_change(operator: Operator, fault: str) -> None:
    inject, expected = FAULTS[fault]

    inject(operator.deployment)

    assert operator.not_ok() == expected


def test_settings_that_were_not_deployed_are_noticed(operator: Operator) -> None:
    """The mailstore was replaced, and the configuration says so, but it was not deployed."""
    findings = operator.run(
        "status", "--json", mailstore_file_system_id="fs-0123456789abcdef0"
    ).json["findings"]

    troubled = (each for each in findings if each["status"] not in ("ok", "off"))
    assert {each["check"]: each["status"] for each in troubled} == {
        "selection": "fail",
        "resources": "fail",
        "last-night": "fail",
    }
