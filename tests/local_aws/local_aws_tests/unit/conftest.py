from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws_tests.unit.account import Account


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """An account. Afterwards every answer is checked against AWS's model."""
    made = Account(tmp_path)
    yield made
    assert made.service.model_violations == []
    assert [response for response in made.responses if response.status == 500] == []
