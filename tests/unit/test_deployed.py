"""Which stacks CI finds that the configuration does not have: .github/deployed.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".github" / "deployed.py"

AWS = """\
#!{python} -IS
import json, pathlib, sys
stacks = json.loads(pathlib.Path(__file__).with_name("stacks.json").read_text())
words = sys.argv[1:]
region = next((word[9:] for word in words if word.startswith("--region=")), "us-west-1")
if words[1] == "describe-regions":
    print(json.dumps(sorted(stacks)))
elif stacks[region] is None:
    sys.exit("An error occurred (AccessDenied)")
elif words[1] == "describe-stacks":
    print(json.dumps({{"Stacks": stacks[region]}}))
else:
    print(json.dumps({{"TemplateBody": {{"Resources": {{}}}}}}))
"""
"""An `aws` that answers from a file; tests/e2e/access/test_ci.py uses the real one."""


def stack(name: str, status: str = "CREATE_COMPLETE") -> dict[str, str]:
    return {"StackName": name, "StackStatus": status}


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """A cloud assembly with the two stacks of an environment."""
    nested = tmp_path / "assembly" / "assembly-development"
    nested.mkdir(parents=True)
    artifacts = {}
    for name, region in (("cabal-backup", "us-west-1"), ("cabal-backup-dr", "us-west-2")):
        (nested / f"{name}.json").write_text('{"Resources": {}}')
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://123456789012/{region}",
            "properties": {"stackName": name, "templateFile": f"{name}.json"},
        }
    (nested / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    (tmp_path / "assembly" / "manifest.json").write_text('{"artifacts": {}}')
    return tmp_path / "assembly"


def run(
    assembly: Path, stacks: dict[str, list[dict[str, str]] | None]
) -> subprocess.CompletedProcess[str]:
    folder = assembly.parent / "bin"
    folder.mkdir()
    (folder / "aws").write_text(AWS.format(python=sys.executable))
    (folder / "aws").chmod(0o755)
    (folder / "stacks.json").write_text(json.dumps(stacks))
    return subprocess.run(
        [
            sys.executable,
            "-I",
            str(SCRIPT),
            str(assembly),
            "--to",
            str(assembly / "templates.json"),
        ],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "stacks",
    [
        {"us-west-1": [], "us-west-2": []},
        {
            "us-west-1": [stack("cabal-backup"), stack("cabal-backup-dr", "DELETE_COMPLETE")],
            "us-west-2": [stack("cabal-backup-dr"), stack("another")],
        },
    ],
)
def test_nothing_is_left(assembly: Path, stacks: dict[str, list[dict[str, str]] | None]) -> None:
    ended = run(assembly, stacks)
    assert (ended.returncode, ended.stdout) == (0, "")
    written = json.loads((assembly / "templates.json").read_text())["stacks"]
    assert [(each["name"], each["region"]) for each in written] == [
        ("cabal-backup", "us-west-1"),
        ("cabal-backup-dr", "us-west-2"),
    ]


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("cabal-backup-dr", "us-east-2"),
        ("cabal-backup", "us-east-2"),
        ("cabal-backup-access", "us-west-1"),
        ("cabal-backup-role-changes", "us-east-2"),
    ],
)
def test_a_stack_that_the_configuration_does_not_have(
    assembly: Path, name: str, region: str
) -> None:
    stacks: dict[str, list[dict[str, str]] | None] = {
        "us-east-2": [],
        "us-west-1": [stack("cabal-backup")],
        "us-west-2": [stack("cabal-backup-dr")],
    }
    stacks[region] = [*(stacks[region] or []), stack(name, "ROLLBACK_COMPLETE")]
    ended = run(assembly, stacks)
    assert ended.returncode == 1
    assert f"The stack {name} in {region} is deployed" in ended.stdout
    assert "docs/runbooks/teardown.md" in ended.stdout
    assert "turn the setting on again" in ended.stdout


def test_a_region_that_cannot_be_read_is_no_verdict(assembly: Path) -> None:
    ended = run(assembly, {"us-west-1": None, "us-west-2": []})
    assert ended.returncode == 1
    assert "describe-stacks --region=us-west-1 failed" in ended.stderr
    assert not (assembly / "templates.json").exists()
