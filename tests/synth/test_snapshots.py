"""The templates of one environment as they are, for a reviewer to read the difference of.

`make snapshots` writes them again. The hashes of the functions' code are masked: that the code is
the one in the repository is tested elsewhere.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.builders import an_environment
from tests.synth.conftest import Synthesize

STACKS = ("cabal-backup", "cabal-backup-dr")


def template(synthesized: Synthesize, environment: str, stack: str) -> str:
    stage = synthesized(an_environment(environment))
    return json.dumps((stage.primary if stack == "cabal-backup" else stage.dr).json)


@pytest.mark.parametrize("stack", STACKS)
def test_template(synthesized: Synthesize, snapshot: SnapshotAssertion, stack: str) -> None:
    text = template(synthesized, "development", stack)
    assert masked(text) == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", ["prod", "stage"])
def test_other_environments_differ_in_their_name_only(
    synthesized: Synthesize, environment: str, stack: str
) -> None:
    other = comparable(synthesized, environment, stack)
    renamed = re.sub(rf"\b{environment}\b", "development", other)
    assert renamed != other
    assert masked(renamed) == masked(comparable(synthesized, "development", stack))


def comparable(synthesized: Synthesize, environment: str, stack: str) -> str:
    """The template; CDK ends the ids of two permissions with the environment's name and a hash."""
    return re.sub(r"AllowEventRule\w+", "AllowEventRule", template(synthesized, environment, stack))


def masked(text: str) -> Any:
    """The template without the hashes of its assets."""
    assert re.search(r"\b[0-9a-f]{64}\b", text), "there is an asset whose hash to mask"
    return json.loads(re.sub(r"\b[0-9a-f]{64}\b", "HASH", text))
