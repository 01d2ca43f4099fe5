"""Reading events, of which no member can be relied on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from cabal_backup.text import moment as text_moment

MAX_VALUE = 1500
"""Characters of one value of an event; SNS takes 256 KiB for all of a message."""

MAX_DEPTH = 50
"""Objects and lists in each other."""


class Event:
    """An event, or an object in one: values by their paths, each safe to print on one line."""

    def __init__(self, content: object) -> None:
        self.content = content if isinstance(content, Mapping) else {"event": content}

    def get(self, *paths: str) -> str:
        """The first of these members that is a value and not empty, such as
        `detail.statusMessage` or, of a list, `resources.0`; otherwise "".
        """
        return next(filter(None, (clean(self._at(path)) for path in paths)), "")

    def part(self, path: str) -> Event:
        """The object at a path; an empty one where there is none."""
        found = self._at(path)
        return Event(found if isinstance(found, Mapping) else {})

    def flat(self) -> Iterator[tuple[str, str]]:
        """Every value in it with its path; also inside JSON in a text."""
        return _flat(self.content, "")

    def _at(self, path: str) -> object:
        found: object = self.content
        for key in path.split("."):
            if isinstance(found, list):
                found = {str(place): member for place, member in enumerate(found)}
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def _flat(value: object, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if depth > MAX_DEPTH:
        yield clean(path), "…"
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _flat(member, f"{path}.{key}" if path else clean(key), depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _flat(member, path, depth + 1)
    elif value is not None:
        yield clean(path), clean(value)


def clean(value: object) -> str:
    """A value on one line, without control characters, of at most MAX_VALUE characters."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    text = " ".join(str(value).split())
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def moment(text: str) -> str:
    """A time in UTC, to the minute; anything else as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text_moment(when.astimezone(UTC)) if when.tzinfo else text
