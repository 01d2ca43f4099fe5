"""A warm command does what the real one does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.conftest import REAL_AWS_CLI
from tests.sandbox.deployment import aws_cli

REAL = {"aws": Path(REAL_AWS_CLI), "cabal-backup": Path(sys.executable).with_name("cabal-backup")}

COMMANDS = (
    ("aws", "--version"),
    ("aws", "backup", "no-such-operation"),
    ("aws", "configure", "get", "region"),
    ("aws", "configure"),
    ("aws", "configure", "set", "region", "us-west-2", "--profile", "here"),
    ("aws", "dynamodb", "get-item", "--generate-cli-skeleton", "output"),
    ("cabal-backup", "--version"),
    ("cabal-backup", "no-such-command"),
    ("cabal-backup", "config", "show", "-e", "development"),
    ("cabal-backup", "status", "-e", "development", "--json"),
)


def ended(command: Path, arguments: Sequence[str], folder: Path) -> tuple[int, str, str, str]:
    """How it ended, what it said, and the file that it may have written."""
    folder.mkdir()
    config = folder / "config"
    config.write_text("[default]\nregion = eu-west-3\n")
    run = subprocess.run(
        [command, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        input="AKIAIOSFODNN7EXAMPLE\nsecret\neu-central-1\ntext\n",
        capture_output=True,
        text=True,
    )
    written = config.read_text()
    shutil.rmtree(folder)
    return run.returncode, run.stdout, run.stderr, written


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_it_ends_as_the_real_one(command: tuple[str, ...], tmp_path: Path) -> None:
    name, *arguments = command
    warm = Path(aws_cli()).with_name(name)
    assert warm != REAL[name]

    assert ended(warm, arguments, tmp_path / "here") == ended(
        REAL[name], arguments, tmp_path / "here"
    )
