"""From what a person wrote to environments, or to every reason why not, in one go."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.config.environment import Environment, Lifecycle, Lock, dump, load
from cabal_backup.config.reader import ConfigurationError, Problem, read_environments
from tests.builders import ACCOUNT, OTHER_ACCOUNT, a_context, an_environment, settings
from tests.unit.config.bad_configurations import BAD, COLD_STORAGE, LOCK, Bad

CDK_JSON = Path(__file__).parents[3] / "cdk.json"


def problems_of(context: dict[str, Any]) -> list[Problem]:
    with pytest.raises(ConfigurationError) as raised:
        read_environments(context)
    return list(raised.value.problems)


# --- What is fine


def test_an_environment_is_read_whole() -> None:
    (environment,) = read_environments(
        a_context(
            account=ACCOUNT,
            profile="cabal-prod",
            region="eu-west-1",
            dr_region="eu-central-1",
            addresses_table="addresses",
            pitr_tables=["one", "two"],
            cold_after_days=10,
            delete_after_days=100,
            dr_cold_after_days="never",
            dr_delete_after_days=200,
            lock_min_days=50,
            lock_max_days=250,
            alert_emails=["operator@example.com"],
            watch_schedule="cron(30 23 * * ? *)",
            heartbeat_parameter="/cabal-backup/heartbeat",
            report_bucket="cabal.reports-1",
            air_gapped=True,
            air_gapped_region="primary",
            air_gapped_min_days=8,
            air_gapped_max_days=20,
            air_gapped_delete_after_days=9,
            air_gapped_share_with=["210987654321"],
            restore_testing_schedule="cron(0 3 ? * SUN *)",
            restore_testing_tolerance_percent=20,
        )
    )
    assert environment == Environment(
        name="prod",
        backup=True,
        account="123456789012",
        profile="cabal-prod",
        region="eu-west-1",
        dr_region="eu-central-1",
        addresses_table="addresses",
        mailstore_file_system_id="fs-0123456789abcdef0",
        pitr_tables=("one", "two"),
        cold_after_days=10,
        delete_after_days=100,
        dr_cold_after_days=None,
        dr_delete_after_days=200,
        lock_min_days=50,
        lock_max_days=250,
        air_gapped=True,
        air_gapped_region="primary",
        air_gapped_min_days=8,
        air_gapped_max_days=20,
        air_gapped_delete_after_days=9,
        air_gapped_share_with=("210987654321",),
        alerts=True,
        alert_emails=("operator@example.com",),
        alert_urls=(),
        alert_on_tampering=True,
        watch_schedule="cron(30 23 * * ? *)",
        heartbeat_parameter="/cabal-backup/heartbeat",
        report_bucket="cabal.reports-1",
        restore_testing=True,
        restore_testing_schedule="cron(0 3 ? * SUN *)",
        dr_restore_testing_table_schedule="cron(0 6 15 * ? *)",
        dr_restore_testing_mailstore_schedule="cron(0 6 15 1/3 ? *)",
        restore_testing_tolerance_percent=20,
        access_policies=False,
    )
    assert environment.lifecycle == Lifecycle(cold_after_days=10, delete_after_days=100)
    assert environment.dr_lifecycle == Lifecycle(cold_after_days=None, delete_after_days=200)
    assert environment.lock == Lock(min_days=50, max_days=250)


def test_a_function_gets_the_environment_as_json() -> None:
    environment = an_environment(cold_after_days="never", alert_emails=["a@example.com"])
    assert load(dump(environment)) == environment
    # A function has no profiles; and another name of one must not change a template.
    assert dump(replace(environment, profile="cabal-prod")) == dump(environment)
    assert "air_gapped" not in dump(environment)
    shared = an_environment(air_gapped=True, air_gapped_share_with=["210987654321"])
    assert load(dump(shared)) == shared


def test_environments_keep_the_order_they_are_written_in() -> None:
    context: dict[str, Any] = {"environments": {name: {} for name in ("zeta", "alpha", "mu")}}
    assert [e.name for e in read_environments(context)] == ["zeta", "alpha", "mu"]


def test_cdk_json_holds_the_three_environments_switched_off() -> None:
    context = json.loads(CDK_JSON.read_text())["context"]
    environments = read_environments(context)
    assert [e.name for e in environments] == ["prod", "stage", "development"]
    assert not any(e.backup for e in environments)
    assert not any(e.account or e.mailstore_file_system_id for e in environments)


def test_the_command_line_switches_an_environment_of_cdk_json_on() -> None:
    context = json.loads(CDK_JSON.read_text())["context"] | {
        "stage.backup": "true",
        "stage.account": ACCOUNT,
        "stage.mailstore_file_system_id": "fs-0123456789abcdef0",
        "environment": "stage",
    }
    assert read_environments(context) == (an_environment("stage"),)


def test_an_override_replaces_a_written_value() -> None:
    context = a_context(delete_after_days=300) | {"prod.delete_after_days": "200"}
    (environment,) = read_environments(context)
    assert environment.lifecycle.delete_after_days == 200


def test_an_override_touches_its_own_environment_only() -> None:
    context = {
        "environments": {"prod": settings(), "stage": settings(account=OTHER_ACCOUNT)},
        "stage.delete_after_days": "200",
    }
    prod, stage = read_environments(context)
    assert (prod.lifecycle.delete_after_days, stage.lifecycle.delete_after_days) == (365, 200)


def test_an_override_can_take_an_account_back() -> None:
    problems = problems_of(a_context(account=ACCOUNT) | {"prod.account": ""})
    assert [problem.setting for problem in problems] == ["prod.account"]


def test_a_bad_value_that_is_overridden_is_no_problem() -> None:
    (environment,) = read_environments(a_context(region="nowhere") | {"prod.region": "us-east-1"})
    assert environment.region == "us-east-1"


def test_keys_of_cdk_itself_are_not_ours() -> None:
    context = a_context() | {
        "@aws-cdk/core:enablePartitionLiterals": True,
        "@aws-cdk/core:target-partitions": ["aws"],
        "aws:cdk:bundling-stacks": ["**"],
        "availability-zones:account=123456789012:region=us-west-1": ["us-west-1a"],
        "hosted-zone:account=123456789012:domainName=example.com:region=us-west-1": {},
    }
    assert read_environments(context) == (an_environment(),)


def test_selecting_one_environment_reads_and_checks_only_that_one() -> None:
    context = {
        "environments": {"prod": settings(), "stage": {"backup": "perhaps", "colour": "red"}},
        "stage.region": "nowhere",
        "environment": "prod",
    }
    assert read_environments(context) == (an_environment(),)


def test_selecting_a_broken_environment_reports_only_its_problems() -> None:
    context = {
        "environments": {"prod": {"backup": "perhaps"}, "stage": {"backup": "perhaps"}},
        "environment": "stage",
    }
    assert [problem.setting for problem in problems_of(context)] == ["stage.backup"]


def test_two_environments_may_share_an_account_when_one_is_off() -> None:
    context = {
        "environments": {
            "prod": settings(account=ACCOUNT),
            "stage": settings(account=ACCOUNT, backup=False),
        }
    }
    assert len(read_environments(context)) == 2


def test_a_protected_environment_that_names_no_account_is_refused_with_the_remedy() -> None:
    context = {"environments": {"prod": settings(account=None), "stage": {"backup": False}}}
    (problem,) = problems_of(context)
    assert str(problem).startswith("prod.account: not set\n")
    assert "with other credentials a command would change another environment" in problem.rule
    assert "aws sts get-caller-identity" in problem.remedy


# --- What is not


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_the_message_shows_setting_value_rule_and_remedy(case: Bad) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_environments(case.context)
    heading, _, problem = str(raised.value).partition("\n\n")
    assert heading == "1 problem in the configuration (cdk.json and -c):"
    first, rule, remedy = problem.splitlines()
    received = "not set" if case.received == "not set" else json.dumps(case.received)
    assert first == f"{case.setting}: {received}"
    assert rule.startswith("    rule:   ")
    assert case.rule in rule
    assert remedy.startswith("    remedy: ")
    assert case.remedy in remedy


# --- Several at once


def test_every_problem_of_every_environment_is_reported_with_their_number() -> None:
    context = {
        "environments": {
            "prod": settings(account="12", region="nowhere", colour="red", lock_min_days=400),
            "stage": settings(dr_region="us-west-1", delete_after_days=100, compliance=True),
            "development": {"backup": True},
            "Test": {},
        },
        "staging.backup": "true",
    }
    with pytest.raises(ConfigurationError) as raised:
        read_environments(context)
    expected = {
        "environments.Test",
        "staging.backup",
        "prod.account",
        "prod.region",
        "prod.colour",
        "prod.lock_min_days",
        "stage.compliance",
        "stage.dr_region",
        "stage.delete_after_days",
        "development.account",
        "development.mailstore_file_system_id",
    }
    assert {problem.setting for problem in raised.value.problems} == expected
    assert len(raised.value.problems) == 11
    message = str(raised.value)
    assert message.startswith("11 problems in the configuration")
    assert all(f"\n{setting}: " in message for setting in expected)


def test_problems_come_in_the_order_of_the_environments() -> None:
    context = {
        "environments": {
            "zeta": settings(backup="?"),
            "alpha": settings(backup="?"),
        }
    }
    assert [p.setting for p in problems_of(context)] == ["zeta.backup", "alpha.backup"]


def test_a_shared_account_is_reported_beside_other_problems() -> None:
    context = {
        "environments": {
            "prod": settings(account=ACCOUNT),
            "stage": settings(account=ACCOUNT, region="nowhere"),
            "development": settings(account=OTHER_ACCOUNT),
        }
    }
    assert {p.setting for p in problems_of(context)} == {"stage.region", "stage.account"}


def test_both_rules_that_one_value_breaks_are_reported() -> None:
    problems = problems_of(a_context(delete_after_days=20))
    assert [p.setting for p in problems] == ["prod.delete_after_days"] * 2
    assert any(COLD_STORAGE in p.rule for p in problems)
    assert any(LOCK in p.rule for p in problems)


def test_an_environment_that_is_off_is_checked_like_any_other() -> None:
    problems = problems_of(a_context(backup=False, delete_after_days=100))
    assert [p.setting for p in problems] == ["prod.delete_after_days"]
