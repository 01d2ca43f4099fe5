from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sandbox.backup.cabal import Cabal


@pytest.fixture
def cabal(tmp_path: Path) -> Iterator[Cabal]:
    """A sandbox, with the check that every answer it gave fits AWS's model."""
    sandbox = Cabal(tmp_path)
    yield sandbox
    assert sandbox.service.model_violations == []
    assert [response for response in sandbox.responses if response.status == 500] == []
