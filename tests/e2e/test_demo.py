"""`make demo` and `make sandbox`, as a newcomer runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.shell import HUNG_SECONDS
from tests.sandbox.deployment import PROJECT, aws_cli


def test_the_demo_shows_that_everything_holds_and_leaves_nothing_behind() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.demo"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "6 of 6 expectations of the document hold, and status says protected" in " ".join(
        ended.stdout.replace("│", " ").split()
    )
    assert ended.stdout.count("✔ expected") == 6
    assert "nothing is left running" in ended.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_stays_until_it_is_ended_and_leaves_no_folder(
    how: signal.Signals, tmp_path: Path
) -> None:
    with _staying(tmp_path) as process:
        assert process.stdout is not None
        exported = _exports(process.stdout)
        endpoint = exported["AWS_ENDPOINT_URL"]
        vaults = subprocess.run(
            [aws_cli(), "backup", "list-backup-vaults", "--query", "BackupVaultList[].Locked"],
            env={**os.environ, **exported},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "true" in vaults.stdout.lower()
        with urllib.request.urlopen(f"{endpoint}/_sandbox/now") as answer:
            assert answer.status == 200
        assert list(tmp_path.iterdir())
        process.send_signal(how)
        assert process.wait(timeout=HUNG_SECONDS) == 0
    assert list(tmp_path.iterdir()) == []
    try:
        urllib.request.urlopen(f"{endpoint}/_sandbox/now", timeout=HUNG_SECONDS)
    except OSError:
        return
    raise AssertionError("it still answers")


@contextmanager
def _staying(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.demo", "--stay", "--port", "0"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _exports(output: IO[str]) -> dict[str, str]:
    """The variables it prints, up to the last one."""
    exported: dict[str, str] = {}
    for line in output:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            exported[name] = value.strip("'")
        if "CABAL_ENVIRONMENT" in exported:
            return exported
    raise AssertionError("it ended before it was ready")
