"""The settings of an environment: their names, defaults, and what each accepts.

Values arrive from JSON with their own types and from the command line as text; both
forms mean the same. A value that is not acceptable raises `Rejected`, which carries
the rule and the remedy for `cabal_backup.configuration` to report.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cabal_backup import names
from cabal_backup.environment import MAX_DAYS

Value = Any
"""What JSON or the command line can hold for one setting."""

NEVER = "never"
"""What turns cold storage off. Not a JSON null: CDK drops those before we see them."""

_REGION = re.compile(
    r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov|us-iso[bf]?|eu-isoe|eusc-[a-z]{2})"
    r"-(?:central|north|south|east|west|northeast|northwest|southeast|southwest)-[1-9]"
)
_ACCOUNT = re.compile(r"[0-9]{12}")
_FILE_SYSTEM = re.compile(r"fs-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_EMAIL = re.compile(r"[^\s@,]+@[^\s@,]+\.[^\s@,.]+")
_URL = re.compile(r"https://[^\s/,?#@]+(?:[/?][^\s,#]*)?")
_CRON = re.compile(r"cron\((?:\S+ ){5}\S+\)")
_DAILY = re.compile(r"cron\((?:[0-9]|[1-5][0-9]) (?:[0-9]|1[0-9]|2[0-3]) \* \* \? \*\)")
_PARAMETER = re.compile(r"(?!/(?:aws|ssm)(?:/|$))(?:/[A-Za-z0-9_.-]+){1,15}")


class Rejected(ValueError):
    """A value that a setting does not accept."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.remedy = remedy


@dataclass(frozen=True)
class Setting:
    """One thing an operator may set: what it accepts and what happens without it."""

    name: str
    default: Value
    parse: Callable[[Value], Value]


def _flag(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Rejected("it is either true or false", "write true or false")


def _pattern(pattern: re.Pattern[str], rule: str, remedy: str) -> Callable[[Value], str]:
    def parse(value: Value) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise Rejected(rule, remedy)

    return parse


def _optional(parse: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """Empty text, such as nothing after the `=` on the command line, means it is absent."""
    return lambda value: None if value == "" else parse(value)


def _days(value: Value) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_DAYS:
        return value
    raise Rejected(
        f"it is a whole number of days from 1 to {MAX_DAYS}", f"write a number from 1 to {MAX_DAYS}"
    )


def _days_or_never(value: Value) -> int | None:
    if value == NEVER:
        return None
    try:
        return _days(value)
    except Rejected as rejected:
        raise Rejected(
            f'{rejected.rule}, or "{NEVER}" for no cold storage',
            f'{rejected.remedy}, or "{NEVER}" to keep everything warm',
        ) from None


_table = _pattern(
    _TABLE,
    "it is a DynamoDB table name: 3 to 255 letters, digits, '_', '-' or '.'",
    "write the table's name as `aws dynamodb list-tables` shows it",
)


def _list(parse: Callable[[Value], str], of: str) -> Callable[[Value], tuple[str, ...]]:
    """A list without repetitions; in text its elements are separated by commas."""

    def parse_all(value: Value) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")] if value else []
        if not isinstance(value, list | tuple):
            raise Rejected(
                f"it is a list of {of}",
                "write a JSON list, or separate them by commas on the command line",
            )
        parsed = tuple(parse(element) for element in value)
        repeated = sorted({element for element in parsed if parsed.count(element) > 1})
        if repeated:
            raise Rejected(
                "each is listed once", f"keep one of each of these: {', '.join(repeated)}"
            )
        return parsed

    return parse_all


def _percent(value: Value) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100:
        return value
    raise Rejected("it is a whole number from 0 to 100", "write a number from 0 to 100")


_schedule = _pattern(
    _CRON,
    "it is an AWS cron expression of six fields, in UTC",
    "write one such as cron(0 6 1 * ? *): the first of every month at 06:00",
)

_region = _pattern(
    _REGION,
    "it is the code of an AWS region, such as us-west-1",
    "write the region's code as `aws ec2 describe-regions` shows it",
)

_email = _pattern(_EMAIL, "it is an e-mail address", "write one such as operator@example.com")

_url = _pattern(
    _URL,
    "it is an HTTPS URL without a user name and without a fragment",
    "write one such as https://example.com/alerts",
)

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "account",
            None,
            _optional(
                _pattern(
                    _ACCOUNT,
                    "it is the 12 digits of an AWS account id, as text",
                    'write 12 digits in quotes, such as "123456789012", '
                    "or leave it out to use the account of your credentials",
                )
            ),
        ),
        Setting("region", "us-west-1", _region),
        Setting("dr_region", "us-west-2", _region),
        Setting("backup", False, _flag),
        Setting("addresses_table", names.ADDRESSES_TABLE, _table),
        Setting(
            "mailstore_file_system_id",
            None,
            _optional(
                _pattern(
                    _FILE_SYSTEM,
                    "it is the id of an EFS file system: fs- and 8 or 17 hexadecimal digits",
                    "find it with `aws efs describe-file-systems`; "
                    "Cabal's file system carries the tag Name=cabal-efs",
                )
            ),
        ),
        Setting("pitr_tables", names.PITR_TABLES, _list(_table, "DynamoDB table names")),
        Setting("cold_after_days", 30, _days_or_never),
        Setting("delete_after_days", 365, _days),
        Setting("dr_cold_after_days", 30, _days_or_never),
        Setting("dr_delete_after_days", 365, _days),
        Setting("lock_min_days", 30, _days),
        Setting("lock_max_days", 365, _days),
        Setting("alerts", True, _flag),
        Setting("alert_emails", (), _list(_email, "e-mail addresses")),
        Setting("alert_urls", (), _list(_url, "HTTPS URLs")),
        Setting("alert_on_tampering", True, _flag),
        Setting(
            "watch_schedule",
            "cron(0 12 * * ? *)",
            _pattern(
                _DAILY,
                "it is an AWS cron expression of one moment every day, in UTC",
                "write one such as cron(0 12 * * ? *): every day at 12:00, when the night must be "
                "complete in both regions",
            ),
        ),
        Setting(
            "heartbeat_parameter",
            None,
            _optional(
                _pattern(
                    _PARAMETER,
                    "it is the full name of an SSM parameter: a path such as "
                    "/cabal-backup/heartbeat",
                    "store the URL in a SecureString as docs/watch.md shows, and write the "
                    "parameter's name here, not the URL",
                )
            ),
        ),
        Setting("restore_testing", True, _flag),
        Setting("restore_testing_schedule", "cron(0 6 1 * ? *)", _schedule),
        Setting("dr_restore_testing_table_schedule", "cron(0 6 15 * ? *)", _schedule),
        Setting("dr_restore_testing_mailstore_schedule", "cron(0 6 15 1/3 ? *)", _schedule),
        Setting("restore_testing_tolerance_percent", 10, _percent),
        Setting("access_policies", False, _flag),
    )
}

REMOVED: dict[str, str] = {
    "alert_on_silence": "it was removed: the watch (watch_schedule) reports a night without a "
    "backup or a copy",
    "alert_on_role_changes": "it was removed: the watch (watch_schedule) reports a changed role",
    "dashboard": "it was removed: `cabal-backup status` shows the state of both regions",
}
"""Settings of earlier versions, each with what replaces it."""
