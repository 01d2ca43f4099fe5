"""The reference documents follow from the declarations of the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from cabal_backup.config.environment import SETTINGS
from cabal_backup.config.settings import Rejected
from tests.builders import a_context
from tests.reference import ROOT, SCHEMA, documents
from tests.unit.config.bad_configurations import BAD

CHECK = Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))

NOT_IN_ONE_FILE = {
    "environments-missing",
    "environment-unknown",
    "environment-unlike-any",
    "environment-empty",
    "accounts-shared",
}
"""What a schema of one file cannot find."""

NOT_COMPARABLE = {
    "account-with-a-line-end",
    "mailstore-missing-as-text",
    "override-unknown-environment",
}
"""In Python, but not in JSON Schema, `$` matches before a line end; and the schema refuses text
such as "true" where JSON has a value of its own, which the reader accepts.
"""


@pytest.mark.parametrize(("path", "content"), list(documents()))
def test_a_reference_is_current(path: Path, content: str) -> None:
    assert path.read_text("utf-8") == content, "run `make reference`"


def is_valid_alone(name: str, value: object) -> bool:
    try:
        SETTINGS[name].kind.parse(value)
    except (KeyError, Rejected):
        return False
    return True


@pytest.mark.parametrize("key", sorted(BAD.keys() - NOT_COMPARABLE))
def test_the_schema_refuses_all_but_conflicts(key: str) -> None:
    case = BAD[key]
    name = case.setting.partition(".")[2]
    expected = (
        key in NOT_IN_ONE_FILE or case.received == "not set" or is_valid_alone(name, case.received)
    )
    assert CHECK.is_valid(case.context) == expected
    assert CHECK.is_valid({"app": "python3 app.py", "context": case.context}) == expected


def test_the_schema_accepts_what_cdk_reads() -> None:
    cdk_json = json.loads((ROOT / "cdk.json").read_text("utf-8"))
    assert CHECK.is_valid(cdk_json)
    assert CHECK.is_valid(a_context() | {"availability-zones:account=1:region=eu-west-1.a": []})
    assert (ROOT / cdk_json["$schema"]).samefile(SCHEMA)
