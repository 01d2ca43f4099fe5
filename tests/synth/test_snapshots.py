"""The six templates as they are, for a reviewer to read the difference of.

`make snapshots` writes them anew. The hash of the handler's code is masked: that the
code is the one in the repository is tested elsewhere.
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


@pytest.mark.parametrize("stack", ["cabal-backup", "cabal-backup-dr"])
@pytest.mark.parametrize("environment", ["prod", "stage", "development"])
def test_template(
    synthesized: Synthesize, snapshot: SnapshotAssertion, environment: str, stack: str
) -> None:
    stage = synthesized(an_environment(environment))
    template = (stage.primary if stack == "cabal-backup" else stage.dr).json
    assert masked(template) == snapshot(extension_class=JSONSnapshotExtension)


def masked(template: Any) -> Any:
    """The template without the hashes of its assets."""
    text = json.dumps(template)
    assert re.search(r"\b[0-9a-f]{64}\b", text), "there is an asset whose hash to mask"
    return json.loads(re.sub(r"\b[0-9a-f]{64}\b", "HASH", text))
