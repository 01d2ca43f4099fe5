"""Processes of functions: forked, but as if each had an interpreter of its own."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local_aws.client import ACCOUNT, Sandbox
from local_aws_tests.served.backups import make_function_role

ENDING = """
import os
def handler(event, context):
    if event["end"]:
        os._exit(3)
    return os.getpid()
"""
SLEEPING = """
import os, pathlib, time
def handler(event, context):
    pathlib.Path(event).write_text(str(os.getpid()))
    time.sleep(600)
"""
LOOKING = """
import os, sys
import boto3
def handler(event, context):
    return {
        "arguments": len(sys.argv),
        "folder": os.path.samefile(os.getcwd(), os.path.dirname(__file__)),
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "account": boto3.client("sts").get_caller_identity()["Account"],
        "setting": os.environ["SETTING"],
    }
"""


def packed(files: dict[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, source in files.items():
            writer.writestr(name, source)
    return archive.getvalue()


def make(sandbox: Sandbox, files: dict[str, str], **more: Any) -> None:
    """Create the function `it` of these files, whose handler is index.handler."""
    sandbox.client("lambda").create_function(
        FunctionName="it",
        Runtime="python3.13",
        Role=make_function_role(sandbox, "it"),
        Code={"ZipFile": packed(files)},
        **{"Handler": "index.handler", **more},
    )


def call(sandbox: Sandbox, event: object = None) -> Any:
    answer = sandbox.client("lambda").invoke(FunctionName="it", Payload=json.dumps(event))
    return json.load(answer["Payload"])


def test_it_has_its_own_environment_and_folder(sandbox: Sandbox) -> None:
    make(sandbox, {"index.py": LOOKING}, Environment={"Variables": {"SETTING": "one"}})

    assert call(sandbox) == {
        "arguments": 1,
        "folder": True,
        "function": "it",
        "account": ACCOUNT,
        "setting": "one",
    }


@pytest.mark.parametrize("name", ["botocore/__init__.py", "dateutil.py"])
def test_it_has_the_packages_that_it_brings(sandbox: Sandbox, name: str) -> None:
    module = name.partition("/")[0].removesuffix(".py")
    source = f"import {module}\ndef handler(event, context):\n    return {module}.MINE\n"
    make(sandbox, {"index.py": source, name: "MINE = 'brought'\n"})

    assert call(sandbox) == "brought"


def test_its_module_may_have_the_name_of_one_that_python_has(sandbox: Sandbox) -> None:
    source = "def handler(event, context):\n    return 'mine'\n"
    make(sandbox, {"calendar.py": source}, Handler="calendar.handler")

    assert call(sandbox) == "mine"


def test_it_has_the_settings_of_the_interpreter(sandbox: Sandbox) -> None:
    source = "import sys\ndef handler(event, context):\n    return sys.flags.optimize\n"
    make(sandbox, {"index.py": source}, Environment={"Variables": {"PYTHONOPTIMIZE": "1"}})

    assert call(sandbox) == 1


def test_its_process_is_replaced_after_it_has_ended(sandbox: Sandbox) -> None:
    make(sandbox, {"index.py": ENDING})
    first = call(sandbox, {"end": False})

    assert call(sandbox, {"end": False}) == first
    assert "errorMessage" in call(sandbox, {"end": True})
    assert call(sandbox, {"end": False}) not in (first, None)


def test_its_process_is_ended_after_its_timeout(sandbox: Sandbox, tmp_path: Path) -> None:
    make(sandbox, {"index.py": SLEEPING}, Timeout=5)

    assert "timed out" in call(sandbox, str(tmp_path / "process-id"))["errorMessage"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "process-id").read_text()), 0)


def test_an_error_in_its_module_is_reported(sandbox: Sandbox) -> None:
    make(sandbox, {"index.py": "raise ValueError('no words for this')\n"})

    assert "no words for this" in call(sandbox)["errorMessage"]


def test_an_answer_has_the_lines_of_its_invocation_and_no_others(sandbox: Sandbox) -> None:
    source = (
        "def handler(event, context):\n"
        "    for number in range(100 * event):\n"
        "        print(event, number)\n"
    )
    make(sandbox, {"index.py": source})
    for event in (2, 0, 1, 0, 3):
        answer = sandbox.client("lambda").invoke(
            FunctionName="it", LogType="Tail", Payload=json.dumps(event)
        )
        lines = base64.b64decode(answer.get("LogResult", "")).decode().splitlines()
        assert lines == [f"{event} {number}" for number in range(100 * event)]


def test_new_code_is_loaded(sandbox: Sandbox) -> None:
    make(sandbox, {"index.py": "def handler(event, context):\n    return 1\n"})
    assert call(sandbox) == 1

    code = packed({"index.py": "def handler(event, context):\n    return 2\n"})
    sandbox.client("lambda").update_function_code(FunctionName="it", ZipFile=code)

    assert call(sandbox) == 2
