"""Writes the generated tables of the sandbox's README: `python -m tests.sandbox.tables`."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.backup import coverage, readings

README = Path(__file__).parent / "README.md"


def with_tables(text: str) -> str:
    """The README's text with its tables as they should be."""
    for name, table in (
        ("readings", readings.as_markdown()),
        ("operations", coverage.as_markdown()),
    ):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->\n")
        text = f"{before}{begin}{table.strip()}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
