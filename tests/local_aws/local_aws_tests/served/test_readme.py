"""The README: its tables are generated, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
from botocore.loaders import Loader

from local_aws.backup.coverage import coverage
from local_aws_tests.readme_tables import README, with_tables

TEXT = README.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(python|sh)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_tables_are_up_to_date() -> None:
    """To write them: python -m local_aws_tests.readme_tables"""
    assert with_tables(TEXT) == TEXT


def test_the_table_has_every_operation_that_is_not_served() -> None:
    model = Loader().load_service_model("backup", "service-2")
    rows = {row.operation: row for row in coverage()}
    assert rows.keys() == model["operations"].keys()
    (table,) = re.findall(r"<!-- operations -->(.*?)<!-- /", TEXT, flags=re.DOTALL)
    assert {name for name, row in rows.items() if not row.served} == set(
        re.findall(r"`(\w+)`", table)
    )


@pytest.mark.parametrize(("language", "example"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_works(language: str, example: str, tmp_path: Path) -> None:
    if "\ncdk deploy " in example and not (which("cdk") and find_spec("aws_cdk")):
        pytest.skip("the CDK is not installed")
    file = tmp_path / "test_example.py"
    file.write_text(example)
    interpreter = {
        "sh": ["bash", "-e"],
        "python": [sys.executable, "-m", "pytest"] if "def test_" in example else [sys.executable],
    }[language]
    beside_python = str(Path(sys.executable).parent)
    ended = subprocess.run(
        [*interpreter, str(file)],
        cwd=tmp_path,
        env={**os.environ, "PATH": os.pathsep.join([beside_python, os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout


def test_there_are_examples_of_both_languages() -> None:
    assert {language for language, _ in EXAMPLES} == {"python", "sh"}
