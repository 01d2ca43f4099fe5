"""`make demo` and `make sandbox`, as a newcomer runs them."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from unittest import mock

import pytest
from local_aws.client import Sandbox

from tests.e2e.shell import HUNG_SECONDS
from tests.sandbox import demo
from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import PROJECT, Deployment

pytestmark = pytest.mark.usefixtures("real_commands")


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
    assert "3,000 addresses and 41 messages are as before" in ended.stdout
    page = (PROJECT / "demo-report.html").read_text("utf-8")
    assert "development is protected" in page
    assert "nothing is left running" in ended.stdout


def test_the_sandbox_stays_until_it_is_ended_and_leaves_no_folder(
    first_deployment: tuple[Deployment, str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It begins with a deployment of the other tests: the demo shows that it makes one."""
    deployment, checkpoint = first_deployment
    state = tmp_path_factory.mktemp("state") / "deployed"
    deployment.sandbox.save(checkpoint, state)
    (state / "cabal.pickle").write_bytes(pickle.dumps(deployment.cabal))
    with _running(tmp_path, "--stay", module="tests.e2e.test_demo", STATE=str(state)) as process:
        assert process.stdout is not None
        variables, commands = _printed(process.stdout)
        (endpoint,) = re.findall(r"AWS_ENDPOINT_URL=(\S+)", variables)
        assert commands == ["cabal-backup status", "local-aws advance 1d", "local-aws fault --help"]
        # Once more after the day: the command has the time of the local AWS, so it finds no skew.
        for command in (*commands, commands[0], "aws backup list-backup-vaults"):
            ended = subprocess.run(
                ["bash", "-e", "-c", f"{variables}{command}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            assert ended.returncode == 0, f"$ {command}\n{ended.stdout}{ended.stderr}"
        assert list(tmp_path.iterdir())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=HUNG_SECONDS) == 0
    assert list(tmp_path.iterdir()) == []
    try:
        urllib.request.urlopen(f"{endpoint}/_sandbox/now", timeout=HUNG_SECONDS)
    except OSError:
        return
    raise AssertionError("it still answers")


def test_ctrl_c_while_it_is_prepared_leaves_no_folder(tmp_path: Path) -> None:
    with _running(tmp_path) as process:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("Bootstrap"))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=HUNG_SECONDS) == 130
    # A CDK CLI that was ended in the middle may leave a folder of jsii's.
    assert list(tmp_path.glob("local-aws-*")) == []


@contextmanager
def _running(
    temporary: Path, *arguments: str, module: str = "tests.sandbox.demo", **variables: str
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, "--port", "0"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary), **variables},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _printed(output: IO[str]) -> tuple[str, list[str]]:
    """The variables that it prints, as commands of a shell, and the commands to try."""
    variables, commands = "", []
    for line in output:
        if line.startswith(("export ", "cd ")):
            variables += line
        elif line.startswith("  ") and variables:
            commands.append(line.strip())
        if "Ctrl-C" in line:
            return variables, commands
    raise AssertionError("it ended before it was ready")


def _load(sandbox: Sandbox) -> Deployment:
    """What the demo prepares, without alerts, from the test's checkpoint."""
    state = Path(os.environ["STATE"])
    sandbox.rollback(sandbox.load(state))
    filled: Cabal = pickle.loads((state / "cabal.pickle").read_bytes())
    sandbox.run_nights(1)
    sandbox.advance_to(sandbox.now().replace(hour=13))
    return Deployment(sandbox, filled.found_in(sandbox))


if __name__ == "__main__":
    with mock.patch.object(demo, "_prepare", _load):
        sys.exit(demo.main())
