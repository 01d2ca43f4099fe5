"""Writes the generated tables of the README: `python -m local_aws_tests.readme_tables`."""

from __future__ import annotations

from pathlib import Path

from local_aws.backup import coverage, readings

README = Path(__file__).parents[1] / "README.md"


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
