"""What a setting is, and the kinds of values that settings accept.

`Environment` declares the settings. Values arrive from JSON with their own types and from the
command line as text; both forms mean the same.

docs/decisions/settings.md states why the declarations are plain dataclasses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Value = Any
"""What JSON or the command line can hold for one setting."""

NEVER = "never"
"""Turns cold storage off. Not a JSON null: CDK removes those from the context."""

MAX_DAYS = 36500
"""The longest retention that AWS Backup accepts, in days (about 100 years)."""


class Rejected(ValueError):
    """A value that a setting does not accept."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.remedy = remedy


@dataclass(frozen=True)
class Kind:
    """The values that a setting accepts."""

    parse: Callable[[Value], Value]
    """From JSON or text to the value in use. Raises Rejected."""

    schema: Mapping[str, object]
    """The JSON Schema of the values, as JSON has them."""

    none: str = ""
    """How the value None is written."""


@dataclass(frozen=True)
class Setting:
    """One setting of an environment."""

    kind: Kind
    default: Value
    help: str
    """What it is, with the document that explains more."""

    sensitive: bool = False
    """Whether its value must not be in public output, such as the log of a workflow."""

    def written(self, value: Value) -> Value:
        """A value as JSON; `kind.parse` reads it back."""
        if value is None:
            return self.kind.none
        return list(value) if isinstance(value, tuple) else value


def as_text(written: Value) -> str:
    """A value that is written as JSON, as the command line takes it."""
    text = ",".join(written) if isinstance(written, list) else written
    return text if isinstance(text, str) else json.dumps(text)


def _pattern(pattern: str, rule: str, remedy: str) -> Kind:
    def parse(value: Value) -> str:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        raise Rejected(rule, remedy)

    return Kind(parse, {"type": "string", "pattern": f"^(?:{pattern})$"})


def _optional(kind: Kind) -> Kind:
    """Empty text, such as nothing after the `=` on the command line, means no value."""
    return Kind(
        lambda value: None if value == "" else kind.parse(value),
        {"anyOf": [{"const": ""}, kind.schema]},
    )


def _number(least: int, most: int, of: str = "") -> Kind:
    def parse(value: Value) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise Rejected(
            f"it must be a whole number{of} from {least} to {most}",
            f"write a number from {least} to {most}",
        )

    return Kind(parse, {"type": "integer", "minimum": least, "maximum": most})


def _choice(*choices: str) -> Kind:
    words = " or ".join(f'"{choice}"' for choice in choices)

    def parse(value: Value) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise Rejected(f"it must be {words}", f"write {words}")

    return Kind(parse, {"enum": list(choices)})


def _or_never(kind: Kind) -> Kind:
    def parse(value: Value) -> Value:
        if value == NEVER:
            return None
        try:
            return kind.parse(value)
        except Rejected as rejected:
            raise Rejected(
                f'{rejected.rule}, or "{NEVER}" for no cold storage',
                f'{rejected.remedy}, or "{NEVER}" to keep everything warm',
            ) from None

    return Kind(parse, {"anyOf": [{"const": NEVER}, kind.schema]}, NEVER)


def _list(kind: Kind, of: str) -> Kind:
    """A list without repetitions; in text its elements are separated by commas."""

    def parse(value: Value) -> tuple[Value, ...]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")] if value else []
        if not isinstance(value, list | tuple):
            raise Rejected(
                f"it must be a list of {of}",
                "write a JSON list, or separate them by commas on the command line",
            )
        parsed = tuple(kind.parse(element) for element in value)
        repeated = sorted({element for element in parsed if parsed.count(element) > 1})
        if repeated:
            raise Rejected(
                "each must be listed once", f"keep one of each of these: {', '.join(repeated)}"
            )
        return parsed

    return Kind(parse, {"type": "array", "items": kind.schema, "uniqueItems": True})


def _flag(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Rejected("it must be either true or false", "write true or false")


FLAG = Kind(_flag, {"type": "boolean"})
DAYS = _number(1, MAX_DAYS, " of days")
COLD_DAYS = _or_never(DAYS)
PERCENT = _number(0, 100)
AIR_GAPPED_DAYS = _number(7, MAX_DAYS, " of days")
WHICH_REGION = _choice("primary", "dr")
_ACCOUNT = _pattern(
    "[0-9]{12}",
    "it must be the 12 digits of an AWS account id, as text",
    'write 12 digits in quotes, such as "123456789012"',
)
ACCOUNT = _optional(_ACCOUNT)
ACCOUNTS = _list(_ACCOUNT, "AWS account ids")
PROFILE = _optional(
    _pattern(
        r"[A-Za-z0-9_.:/@+=-]{1,128}",
        "it must be the name of a profile: letters, digits and _ . : / @ + = -",
        "write a profile's name as `aws configure list-profiles` shows it",
    )
)
REGION = _pattern(
    "(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov|us-iso[bf]?|eu-isoe|eusc-[a-z]{2})"
    "-(?:central|north|south|east|west|northeast|northwest|southeast|southwest)-[1-9]",
    "it must be the code of an AWS region, such as us-west-1",
    "write the region's code as `aws ec2 describe-regions` shows it",
)
FILE_SYSTEM = _optional(
    _pattern(
        "fs-(?:[0-9a-f]{8}|[0-9a-f]{17})",
        "it must be the id of an EFS file system: fs- and 8 or 17 hexadecimal digits",
        "find it with `aws efs describe-file-systems`; "
        "Cabal's file system carries the tag Name=cabal-efs",
    )
)
TABLE = _pattern(
    "[A-Za-z0-9_.-]{3,255}",
    "it must be a DynamoDB table name: 3 to 255 letters, digits, '_', '-' or '.'",
    "write the table's name as `aws dynamodb list-tables` shows it",
)
TABLES = _list(TABLE, "DynamoDB table names")
SCHEDULE = _pattern(
    r"cron\((?:\S+ ){5}\S+\)",
    "it must be an AWS cron expression of six fields, in UTC",
    "write one such as cron(0 6 1 * ? *): the first of every month at 06:00",
)
DAILY = _pattern(
    r"cron\((?:[0-9]|[1-5][0-9]) (?:[0-9]|1[0-9]|2[0-3]) \* \* \? \*\)",
    "it must be an AWS cron expression of one moment every day, in UTC",
    "write one such as cron(0 12 * * ? *): every day at 12:00, when the night must be complete in "
    "both regions",
)
PARAMETER = _optional(
    _pattern(
        "(?!/(?:aws|ssm)(?:/|$))(?:/[A-Za-z0-9_.-]+){1,15}",
        "it must be the full name of an SSM parameter: a path such as /cabal-backup/heartbeat",
        "store the URL in a SecureString as docs/watch.md shows, and write the parameter's name "
        "here, not the URL",
    )
)
BUCKET = _optional(
    _pattern(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "it must be the name of an S3 bucket: 3 to 63 lowercase letters, digits, '-' or '.'",
        "write the name of a bucket of the account as `aws s3api list-buckets` shows it",
    )
)
EMAILS = _list(
    _pattern(
        r"[^\s@,]+@[^\s@,]+\.[^\s@,.]+",
        "it must be an e-mail address",
        "write one such as operator@example.com",
    ),
    "e-mail addresses",
)
URLS = _list(
    _pattern(
        r"https://[^\s/,?#@]+(?:[/?][^\s,#]*)?",
        "it must be an HTTPS URL without a user name and without a fragment",
        "write one such as https://example.com/alerts",
    ),
    "HTTPS URLs",
)

REMOVED: dict[str, str] = {
    "alert_on_silence": "it was removed: the watch (watch_schedule) reports a night without a "
    "backup or a copy",
    "alert_on_role_changes": "it was removed: the watch (watch_schedule) reports a changed role",
    "dashboard": "it was removed: `cabal-backup status` shows the state of both regions",
}
"""Settings of earlier versions, each with what replaces it."""
