"""The settings one by one: defaults, the two forms of each value, and every limit."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import pytest
from jsonschema import Draft7Validator

from cabal_backup.config.environment import SETTINGS
from cabal_backup.config.reader import ConfigurationError, read_environments
from cabal_backup.config.settings import Rejected
from tests.builders import MAILSTORE, a_context, an_environment
from tests.unit.config.test_environment import every_region

SCHEMA = Draft7Validator(True)


def read_one(name: str, value: Any) -> Any:
    """What the setting becomes, with every other setting wide enough not to mind."""
    wide: dict[str, Any] = {
        "cold_after_days": "never",
        "dr_cold_after_days": "never",
        "lock_min_days": 1,
        "lock_max_days": 36500,
    }
    return getattr(an_environment(**{**wide, name: value}), name)


def test_the_defaults_are_what_cabal_promises() -> None:
    (environment,) = read_environments({"environments": {"prod": {}}})
    assert asdict(environment) == {
        "name": "prod",
        "other_options": (),
        "account": None,
        "profile": None,
        "region": "us-west-1",
        "dr_region": "us-west-2",
        "backup": False,
        "addresses_table": "cabal-addresses",
        "mailstore_file_system_id": None,
        "pitr_tables": (
            "cabal-counter",
            "cabal-user-preferences",
            "cabal-user-domain-access",
            "cabal-dmarc-reports",
        ),
        "cold_after_days": 30,
        "delete_after_days": 365,
        "dr_cold_after_days": 30,
        "dr_delete_after_days": 365,
        "lock_min_days": 30,
        "lock_max_days": 365,
        "air_gapped": False,
        "air_gapped_region": "dr",
        "air_gapped_min_days": 7,
        "air_gapped_max_days": 30,
        "air_gapped_delete_after_days": 14,
        "air_gapped_share_with": (),
        "alerts": True,
        "alert_emails": (),
        "alert_urls": (),
        "alert_on_tampering": True,
        "watch_schedule": "cron(0 12 * * ? *)",
        "heartbeat_parameter": None,
        "report_bucket": None,
        "restore_testing": True,
        "restore_testing_schedule": "cron(0 6 1 * ? *)",
        "dr_restore_testing_table_schedule": "cron(0 6 15 * ? *)",
        "dr_restore_testing_mailstore_schedule": "cron(0 6 15 1/3 ? *)",
        "restore_testing_tolerance_percent": 10,
        "access_policies": False,
    }


@pytest.mark.parametrize(
    ("name", "as_json", "as_text", "meaning"),
    [
        ("account", "123456789012", "123456789012", "123456789012"),
        ("region", "eu-west-1", "eu-west-1", "eu-west-1"),
        ("dr_region", "eu-west-1", "eu-west-1", "eu-west-1"),
        ("backup", True, "true", True),
        ("backup", False, "false", False),
        ("addresses_table", "addresses", "addresses", "addresses"),
        ("mailstore_file_system_id", "fs-01234567", "fs-01234567", "fs-01234567"),
        ("pitr_tables", ["one", "two"], "one,two", ("one", "two")),
        ("pitr_tables", ["one", "two"], " one , two ", ("one", "two")),
        ("pitr_tables", ["one"], "one", ("one",)),
        ("pitr_tables", [], "", ()),
        ("cold_after_days", 7, "7", 7),
        ("cold_after_days", "never", "never", None),
        ("delete_after_days", 400, "400", 400),
        ("dr_cold_after_days", 7, "7", 7),
        ("dr_cold_after_days", "never", "never", None),
        ("dr_delete_after_days", 400, "400", 400),
        ("lock_min_days", 7, "7", 7),
        ("lock_max_days", 400, "400", 400),
        ("alerts", False, "false", False),
        ("alert_emails", ["a@example.com"], "a@example.com", ("a@example.com",)),
        ("alert_urls", ["https://x.org/?a=b"], "https://x.org/?a=b", ("https://x.org/?a=b",)),
        ("alert_urls", [], "", ()),
        ("alert_on_tampering", False, "false", False),
        ("restore_testing", False, "false", False),
        (
            "restore_testing_schedule",
            "cron(30 5 ? * SUN *)",
            "cron(30 5 ? * SUN *)",
            "cron(30 5 ? * SUN *)",
        ),
        (
            "dr_restore_testing_table_schedule",
            "cron(30 5 ? * SUN *)",
            "cron(30 5 ? * SUN *)",
            "cron(30 5 ? * SUN *)",
        ),
        (
            "dr_restore_testing_mailstore_schedule",
            "cron(30 5 ? * SUN *)",
            "cron(30 5 ? * SUN *)",
            "cron(30 5 ? * SUN *)",
        ),
        ("restore_testing_tolerance_percent", 0, "0", 0),
        ("restore_testing_tolerance_percent", 100, "100", 100),
        ("access_policies", True, "true", True),
    ],
)
def test_json_and_the_command_line_say_the_same(
    name: str, as_json: Any, as_text: str, meaning: Any
) -> None:
    assert read_one(name, as_json) == meaning
    assert read_one(name, as_text) == meaning
    assert read_one(name, SETTINGS[name].written(meaning)) == meaning
    assert SCHEMA.evolve(schema=SETTINGS[name].kind.schema).is_valid(as_json)


@pytest.mark.parametrize(
    "name",
    ["region", "addresses_table", "pitr_tables", "cold_after_days", "delete_after_days"],
)
def test_null_means_the_default_as_if_the_setting_were_absent(name: str) -> None:
    """CDK drops a null from the context before the application sees it.

    So nothing but the default can be meant by it; were it read as something else, what
    is operated from cdk.json would differ from what is deployed.
    """
    nothing: dict[str, Any] = {name: None}
    assert an_environment(**nothing) == an_environment()


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        *[
            (name, accepted, refused)
            for name in ("cold_after_days", "dr_cold_after_days")
            # Kept for at least 90 days more, and never longer than 36500 altogether.
            for accepted, refused in (((1, "1", 36410), (0, "0", -1, "-1")),)
        ],
        *[
            (name, (1, "1", 36500, "36500"), (0, "0", -1, "-1", 36501, "36501"))
            for name in ("delete_after_days", "dr_delete_after_days")
        ],
        ("lock_min_days", (1, "1", 365), (0, "0", -1, "-1", 36501)),
        ("lock_max_days", (365, "365", 36500, "36500"), (0, 36501, "36501")),
        ("account", ("0" * 12, "9" * 12), ("1" * 11, "1" * 13)),
        (
            "mailstore_file_system_id",
            ("fs-" + "a" * 8, "fs-" + "f" * 17),
            ("fs-" + "a" * 7, "fs-" + "a" * 9, "fs-" + "a" * 16, "fs-" + "a" * 18),
        ),
        ("addresses_table", ("abc", "a" * 255), ("ab", "a" * 256)),
        ("pitr_tables", (["abc"], ["a" * 255]), (["ab"], ["a" * 256])),
    ],
)
def test_each_limit_from_both_sides(
    name: str, accepted: tuple[Any, ...], refused: tuple[Any, ...]
) -> None:
    others: dict[str, Any] = {
        "cold_after_days": "never",
        "dr_cold_after_days": "never",
        "lock_min_days": 1,
        "lock_max_days": 36500,
    }
    if name == "lock_max_days":
        others["lock_min_days"] = 30
    if name.endswith("cold_after_days"):
        others[name.replace("cold", "delete")] = 36500
    allowed = SCHEMA.evolve(schema=SETTINGS[name].kind.schema)
    for value in accepted:
        an_environment(**{**others, name: value})
        as_json = int(value) if name.endswith("_days") else value
        assert allowed.is_valid(as_json), f"the schema refuses {as_json!r}"
    for value in refused:
        assert not allowed.is_valid(value), f"the schema accepts {value!r}"
        with pytest.raises(ConfigurationError) as raised:
            an_environment(**{**others, name: value})
        assert [problem.setting for problem in raised.value.problems] == [f"prod.{name}"]


def test_the_examples_of_an_error_are_accepted() -> None:
    found = set()
    for name, setting in SETTINGS.items():
        with pytest.raises(Rejected) as raised:
            setting.kind.parse("!")
        words = f"{raised.value.rule} {raised.value.remedy}"
        for example in re.findall(r'such as "?(cron\(.*?\)|[^\s",]+)', words):
            setting.kind.parse(example)
            found.add(name)
    assert found >= {"account", "region", "watch_schedule", "alert_emails", "alert_urls"}


@pytest.mark.parametrize("region", sorted(every_region()))
def test_every_region_aws_has_is_accepted(region: str) -> None:
    """As far as its own pattern goes; with us-west-2 it may not share a partition."""
    try:
        an_environment(region=region, restore_testing=False)
    except ConfigurationError as error:
        assert [problem.setting for problem in error.problems] == ["prod.dr_region"]  # noqa: PT017 (or none at all)


def test_a_table_name_may_hold_all_that_dynamodb_allows() -> None:
    name = "Cabal_addresses.2-b"
    assert an_environment(addresses_table=name).addresses_table == name


def test_backup_off_needs_no_account_and_no_mailstore() -> None:
    environment = an_environment(backup=False, account="", mailstore_file_system_id="")
    assert (environment.backup, environment.account) == (False, None)


def test_the_order_of_pitr_tables_is_kept() -> None:
    assert an_environment(pitr_tables=["zzz", "aaa"]).pitr_tables == ("zzz", "aaa")


def test_a_mailstore_is_taken_as_it_is_written() -> None:
    (environment,) = read_environments(a_context())
    assert environment.mailstore_file_system_id == MAILSTORE == "fs-0123456789abcdef0"
