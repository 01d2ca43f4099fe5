"""Prepared sandboxes: slow setups are built once and loaded by every test that needs them.

The checkpoint of a setup is written to `.prepared/`, under a digest of everything that it
depends on, so that the processes of one test run share it, and the next run has it already.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import inspect
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from local_aws.client import Sandbox

from tests.sandbox.deployment import PROJECT, bootstrap_regions

Made = TypeVar("Made")

FOLDER = PROJECT / ".prepared"

_APPLICATION = ("app.py", "cdk.json", "requirements.txt", "package-lock.json", "cabal_backup")
_NOT_DEPLOYED = (
    "cabal_backup/cli",
    "cabal_backup/operations/drill",
    "cabal_backup/operations/restore",
    "cabal_backup/operations/teardown",
)
_TESTS = ("tests/local_aws", "tests/sandbox", "tests/e2e")


def prepare(sandbox: Sandbox, name: str, make: Callable[[], Made], *needs: str) -> tuple[Made, str]:
    """What `make` returns, and the checkpoint of the sandbox right after it.

    `make` is run only where no earlier run, of this or another process, has left both. What
    it returns is pickled. `needs` are further inputs: of what is made from something prepared,
    an id in that, which is another one each time it is built. The module of `make` is always one.
    """
    source = Path(inspect.getfile(make)).read_bytes()
    digest = hashlib.sha256(b"\0".join([_inputs(), source, *map(str.encode, needs)]))
    folder = FOLDER / f"{name}-{digest.hexdigest()[:20]}"
    with _locked(name):
        if not folder.exists():
            made = make()
            checkpoint = sandbox.checkpoint()
            _keep(sandbox, checkpoint, made, folder)
            return made, checkpoint
    with (folder / "made.pickle").open("rb") as file:
        made = pickle.load(file)
    return made, sandbox.load(folder)


def bootstrapped(sandbox: Sandbox, empty: str) -> str:
    """The checkpoint of a sandbox with what `cdk bootstrap` makes in both regions, and no more.

    :param empty: the checkpoint of the same sandbox without any resource.
    """

    def bootstrap() -> None:
        sandbox.rollback(empty)
        bootstrap_regions(sandbox)

    return prepare(sandbox, "bootstrapped", bootstrap)[1]


def _keep(sandbox: Sandbox, checkpoint: str, made: object, folder: Path) -> None:
    """Write both to `folder`, in one step; older versions of the same are removed."""
    name = folder.name.rpartition("-")[0]
    for old in FOLDER.glob(f"{name}-" + "?" * 20):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        written = Path(scratch) / "whole"
        sandbox.save(checkpoint, written)
        with (written / "made.pickle").open("wb") as file:
            pickle.dump(made, file)
        written.rename(folder)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One process builds; the others wait for it."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def _inputs() -> bytes:
    """A digest of the application and of the local AWS, as files."""
    digest = hashlib.sha256(f"{sys.version} {importlib.metadata.version('ministack')}".encode())
    for path in _files():
        digest.update(f"{path.relative_to(PROJECT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.digest()


def _files() -> Iterable[Path]:
    for root in (PROJECT / name for name in (*_APPLICATION, *_TESTS)):
        if root.is_file():
            yield root
        for path in sorted(root.rglob("*.py")):
            if path.name.startswith("test_"):
                continue
            if not any(path.is_relative_to(PROJECT / name) for name in _NOT_DEPLOYED):
                yield path
