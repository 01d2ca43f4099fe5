"""Writes the generated tables of the sandbox's README: `python -m tests.sandbox.tables`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.sandbox.backup import coverage, readings

README = Path(__file__).parent / "README.md"


def with_tables(text: str) -> str:
    """The README's text with its tables as they should be."""
    for name, table in (
        ("readings", readings.as_markdown()),
        ("operations", coverage.as_markdown()),
    ):
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        section = f"{begin}\n{table.strip()}\n{end}"
        text = re.sub(f"{begin}.*?{end}", lambda _, new=section: new, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
