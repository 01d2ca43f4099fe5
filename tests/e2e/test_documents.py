"""Every command in the README and the documents is run, as it stands there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.exercise import catch_up, exercise_restores, write_reports
from tests.e2e.shell import BLOCK, HUNG_SECONDS, make_checkout
from tests.sandbox.deployment import PROJECT, Deployment, aws_cli

DOCUMENTS = (
    "README.md",
    "docs/costs.md",
    "docs/doctor.md",
    "docs/status.md",
    "docs/points.md",
    "docs/json.md",
    "docs/report.md",
    "tests/sandbox/README.md",
)

TESTED_ON_THEIR_OWN = {
    "docs/access.md",
    "docs/adopt.md",
    "docs/alerts.md",
    "docs/ci.md",
    "docs/first-deployment.md",
    "docs/install.md",
    "docs/reference/cli.md",
    "docs/restore-testing.md",
    "docs/watch.md",
    "tests/local_aws/README.md",
}
"""tests/e2e/adopt starts from what Terraform made, tests/e2e/access has roles for which IAM
decides, tests/e2e/status/test_verify_aws.py is a first deployment, tests/unit/cli parses the
examples of the reference, tests/e2e/test_install.py has Python environments of its own, and
tests/e2e/alerts and tests/e2e/rehearsing are about settings that are off elsewhere.
The local AWS tests its own README.
"""

RUN_ELSEWHERE = {
    "make test": "it is what runs this",
    "make demo": "tests/e2e/test_demo.py",
    "make sandbox": "tests/e2e/test_demo.py",
}


def commands(document: str) -> list[str]:
    """What a reader would type, line by line; a comment at the end of a line is not typed."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    lines = "\n".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def test_every_document_with_commands_is_run_here_or_has_a_test_of_its_own() -> None:
    with_commands = {
        str(path.relative_to(PROJECT))
        for path in [
            PROJECT / "README.md",
            *PROJECT.glob("docs/**/*.md"),
            *PROJECT.glob("tests/**/*.md"),
        ]
        if "node_modules" not in path.parts and BLOCK.search(path.read_text(encoding="utf-8"))
    }
    runbooks = {name for name in with_commands if name.startswith("docs/runbooks/")}
    assert with_commands - runbooks - TESTED_ON_THEIR_OWN == set(DOCUMENTS)


@pytest.fixture(scope="module")
def exercised(
    first_recent: tuple[Deployment, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Deployment, str, Path]:
    """Some nights and an exercise up to the machine's present, the checkpoint after them, and a
    checkout: each document starts there.
    """
    recent, checkpoint = first_recent
    recent.sandbox.rollback(checkpoint)
    recent.sandbox.run_nights(1)
    exercise_restores(recent)
    catch_up(recent.sandbox)
    checkout = make_checkout(tmp_path_factory.mktemp("checkout"), recent, synthesized=())
    write_reports(checkout / "drills", recent.environment, recent.sandbox.now())
    return recent, recent.sandbox.checkpoint(), checkout


@pytest.mark.parametrize("document", DOCUMENTS)
def test_its_commands_work(exercised: tuple[Deployment, str, Path], document: str) -> None:
    recent, checkpoint, checkout = exercised
    recent.sandbox.rollback(checkpoint)
    # The commands look at the machine's clock.
    catch_up(recent.sandbox)
    environment = {
        **recent.sandbox.environ(),
        "PATH": os.pathsep.join([str(Path(aws_cli()).parent), os.environ["PATH"]]),
        # There is no terminal to ask on.
        "ARGS": "--require-approval never" if document == "README.md" else "",
        "COLUMNS": "120",
    }
    for command in commands(document):
        if command in RUN_ELSEWHERE:
            continue
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HUNG_SECONDS,
        )
        assert ended.returncode == 0, f"$ {command}\n{ended.stdout}\n{ended.stderr}"
        assert ended.stdout or ended.stderr, f"$ {command} said nothing"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_there_are_commands_to_run(document: str) -> None:
    assert commands(document)
