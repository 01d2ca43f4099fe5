"""The reference documents that derive from the declarations of the settings.

`make reference` writes them; a test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cabal_backup.config.environment import SETTINGS
from cabal_backup.config.reader import NAME
from cabal_backup.config.settings import as_text

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
SCHEMA = ROOT / "docs" / "reference" / "settings.schema.json"

TABLE = re.compile(
    r"(?<=<!-- settings: `make reference` writes this table -->\n).*?(?=<!-- /)", re.S
)


def documents() -> Iterator[tuple[Path, str]]:
    """Each file, and its content as it should be."""
    yield PAGE, TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8"))
    yield SCHEMA, json.dumps(schema(), indent=2) + "\n"


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for name, setting in SETTINGS.items():
        default = as_text(setting.written(setting.default))
        help_ = re.sub(r"docs/([\w/-]+)\.md", r"[\1](\1.md)", setting.help)
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {help_} |")
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of cdk.json, cdk.context.json and ~/.cdk.json.

    Draft 7, which editors support best. It describes the values as JSON has them; the reader also
    accepts their text, such as "true", as on the command line.
    """
    settings = {
        name: {
            "description": setting.help,
            "default": setting.written(setting.default),
            **setting.kind.schema,
        }
        for name, setting in SETTINGS.items()
    }
    override = "^[A-Za-z0-9_-]+\\."
    context = {
        "type": "object",
        "properties": {
            "environment": {"description": "the only environment to read", "type": "string"},
            "environments": {
                "description": "the settings of each environment by its name",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^(?:{NAME})$"},
                "additionalProperties": {"$ref": "#/definitions/environment"},
            },
        },
        "patternProperties": {
            **{
                f"{override}{name}$": {"$ref": f"#/definitions/environment/properties/{name}"}
                for name in settings
            },
            f"{override}(?!(?:{'|'.join(settings)})$)": False,
        },
    }
    environment = {"type": "object", "properties": settings, "additionalProperties": False}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The settings of cabal_backup in cdk.json, cdk.context.json and ~/.cdk.json",
        "allOf": [{"$ref": "#/definitions/context"}],
        "properties": {"context": {"$ref": "#/definitions/context"}},
        "definitions": {"context": context, "environment": environment},
    }


if __name__ == "__main__":
    for path, content in documents():
        path.write_text(content, encoding="utf-8")
