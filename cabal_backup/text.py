"""Text for people: what others wrote, made safe to print, and the form of times and durations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # control characters, but not tab and line feed
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # what changes the direction of writing
)
"""What a terminal obeys instead of showing it.

https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
"""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text with a replacement character for each that could steer a terminal."""
    return _STEERS.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """The text, printable and on one line, so that it cannot look like several messages."""
    return " ".join(printable(text).split())


_CLAUSE = r"(?:'[^']*'|(?![;,.](?: |$)| shows | lists | \(|`).)"
_COMMAND = re.compile(
    r"`[^`]*`"
    r"|\b(?:cabal-backup|aws|cdk|make|python3|mount) "
    rf"(?=(?:(?!: ){_CLAUSE})*?(?<= )(?:-|[A-Z]+=))(?:{_CLAUSE})*"
)
"""A command in a message: between backticks; or, if it has an option or a variable, up to the end
of its clause or a parenthesis. Without either it may be a word or a vault of that name."""


def wrap(text: str, width: int) -> str:
    """Wrap each line at words; the lines that continue it have its indentation.

    Commands, and words such as ARNs, stay in one piece even if they are longer than `width`.
    """
    return "\n".join(_wrap_line(line, width) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    # A space that must stay is replaced by a character that no printable text has.
    kept = _COMMAND.sub(lambda command: command[0].replace(" ", "\0"), line)
    first, *words = re.split("(?<! ) ", kept.lstrip())
    lines = [indent + first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if len(longer.rstrip()) > width:
            lines.append(indent + word.lstrip())
        else:
            lines[-1] = longer
    return "\n".join(lines).replace("\0", " ")


def moment(when: datetime, *, seconds: bool = False) -> str:
    """A moment for people, such as `2026-11-20 00:20 UTC`.

    :param when: in UTC, as everywhere in this package.
    """
    return f"{when:%Y-%m-%d %H:%M:%S UTC}" if seconds else f"{when:%Y-%m-%d %H:%M UTC}"


def day(when: date) -> str:
    """The day alone, such as `2026-11-20`."""
    return f"{when:%Y-%m-%d}"


_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? UTC\b")
"""What `moment` writes."""


def with_local_time(text: str) -> str:
    """The text with the time of this machine's zone after each moment, where it is not UTC's.

    For people only: what programs read, and what is stored, is in UTC.
    """

    def both(found: re.Match[str]) -> str:
        when = datetime.fromisoformat(found[0].replace(" UTC", "+00:00"))
        local = when.astimezone()
        if not local.utcoffset():
            return found[0]
        prefix = "" if local.date() == when.date() else f"{day(local)} "
        return f"{found[0]} ({prefix}{local:%H:%M %Z})"

    return _MOMENT.sub(both, text)


MAX_BODY = 60_000
"""Characters of a message, of up to four bytes each; SNS takes 256 KiB."""


def mail_body(text: str) -> str:
    """The text of a message, cut where it is too long for SNS."""
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]} …\n\nThis message is cut."


SUBJECT_LENGTH = 99
"""Characters of a subject; SNS takes fewer than 100, ASCII, and no line breaks.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""


def mail_subject(environment: str, text: str) -> str:
    """The subject of a message about an environment, as SNS takes it."""
    plain = one_line(f"[cabal-backup {environment}] {text}").encode("ascii", "replace").decode()
    return plain if len(plain) <= SUBJECT_LENGTH else f"{plain[: SUBJECT_LENGTH - 3]}..."


def timestamp(when: datetime) -> str:
    """A moment without spaces, such as `2026-11-20T00:20:00Z`: for columns and options.

    :param when: in UTC.
    """
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def name_stamp(when: datetime) -> str:
    """A moment as a part of names, such as `20261120-002000`."""
    return f"{when:%Y%m%d-%H%M%S}"


def columns(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> Iterator[str]:
    """The rows as lines, with their cells one below the other.

    :param numbers: the columns but for the first one are flush right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<", *((">" if numbers else "<") * (len(widths) - 1))]
    for row in rows:
        cells = zip(row, sides, widths, strict=True)
        yield "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """A count with its noun; `nouns` where the plural is not the noun and an s."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def minutes(seconds: float) -> str:
    """A measured time in minutes, at least one, such as `91 minutes`."""
    return plural(max(1, round(seconds / 60)), "minute")


def duration(length: timedelta) -> str:
    """A length of time for people, in the unit that says most: minutes, hours or days."""
    seconds = max(timedelta(), length).total_seconds()
    if seconds < 5400:
        return plural(round(seconds / 60), "minute")
    if seconds < 48 * 3600:
        return plural(round(seconds / 3600), "hour")
    return plural(round(seconds / 86400), "day")
