"""docs/runbooks/drill.md: every command typed as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.drill.conftest import QUICK, left
from tests.e2e.exercise import catch_up
from tests.e2e.shell import make_checkout, sections, type_in
from tests.sandbox.deployment import Deployment

RUNBOOK = "docs/runbooks/drill.md"


@pytest.fixture
def lived(recent: Deployment) -> Deployment:
    """A few nights, up to the machine's present: the commands look at its clock."""
    # Every job has ended when it is asked about for the first time.
    recent.sandbox.settings(**dict.fromkeys(QUICK, 0))
    catch_up(recent.sandbox)
    return recent


def test_every_command_of_the_runbook(lived: Deployment, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, lived)
    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
    for name, value in (("user.name", "Operator"), ("user.email", "operator@example.com")):
        subprocess.run(["git", "config", name, value], cwd=checkout, check=True)
    blocks = [
        block.replace("/home", str(lived.cabal.file_system_root))
        for part in sections(RUNBOOK).values()
        for block in part
    ]

    said = type_in(blocks, checkout, lived)

    assert said.count("PASSED: ") == 7
    assert re.search(r"development: 1 of \d+ checks, 1 ok\.", said)
    committed = subprocess.run(
        ["git", "ls-files", "drills"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.split()
    kinds = [json.loads((checkout / name).read_text())["drill"] for name in committed[::2]]
    assert Counter(kinds) == {"addresses": 2, "mailbox": 3, "copy-back": 2, "all": 1}
    assert left(lived.sandbox) == []
