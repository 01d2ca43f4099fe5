"""How long `cabal-backup status` takes, against two runs of the aws CLI.

python -m tests.bench.bench_status [RUNS]

The goal: every check of an environment in no more wall time than two invocations of `aws`.
Both are whole processes, asking the same local AWS, one after the other and in turns, so
that a busy machine slows both. On a real AWS every call takes longer, which is to the
tool's advantage: it makes its calls side by side.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from local_aws.client import Sandbox

from tests.sandbox import cabal
from tests.sandbox.deployment import PROJECT, Deployment, aws_cli, bootstrap_regions

NIGHTS = 30
TWO_QUESTIONS = (
    ("backup", "describe-backup-vault", "--backup-vault-name", "cabal-backup"),
    (
        "backup",
        "list-recovery-points-by-backup-vault",
        "--backup-vault-name",
        "cabal-backup",
    ),
)
"""The first two things the operating document verifies by hand."""


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with Sandbox.start() as sandbox:
        _say("Deploying …")
        deployment = Deployment(sandbox, cabal.fill(sandbox))
        bootstrap_regions(sandbox)
        deployment.deploy()
        sandbox.run_nights(NIGHTS)
        # Once each, so that bytecode and file caches are warm for both.
        _status(deployment)
        _two_questions(deployment)
        pairs = [(_status(deployment), _two_questions(deployment)) for _ in range(runs)]
    tool, aws = ([pair[side] for pair in pairs] for side in (0, 1))
    _say(f"{runs} runs of each, on {os.cpu_count()} cores: median (fastest to slowest), seconds")
    _say(_row("cabal-backup status, all checks", tool))
    _say(_row("aws, two invocations", aws))
    _say(f"{'ratio of the medians':<34}{statistics.median(tool) / statistics.median(aws):>6.2f}")


def _status(deployment: Deployment) -> float:
    """Seconds for one run; some checks fail, because no restore was exercised here."""
    return _timed(
        deployment.sandbox,
        [
            sys.executable,
            "-m",
            "cabal_backup",
            "status",
            "-e",
            deployment.environment,
            *deployment.context_arguments(),
        ],
        # The sandbox's time is ahead of this machine's: "last night" is not what is measured.
        expected=(0, 1),
    )


def _two_questions(deployment: Deployment) -> float:
    """Seconds for two invocations of the aws CLI."""
    return sum(
        _timed(deployment.sandbox, [aws_cli(), *question], expected=(0,))
        for question in TWO_QUESTIONS
    )


def _timed(sandbox: Sandbox, command: Sequence[str], *, expected: Sequence[int]) -> float:
    began = time.perf_counter()
    ended = subprocess.run(command, cwd=PROJECT, env=sandbox.environ(), capture_output=True)
    took = time.perf_counter() - began
    if ended.returncode not in expected:
        raise SystemExit(f"{command} ended {ended.returncode}: {ended.stderr.decode()}")
    return took


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _row(what: str, seconds: Sequence[float]) -> str:
    median = statistics.median(seconds)
    return f"{what:<34}{median:>6.2f}  ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
