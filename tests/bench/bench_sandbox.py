"""How fast the local AWS is: start, fill, a night, a year, going back.

    python -m tests.bench.bench_sandbox

Times are of one run on this machine, in seconds of real time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from local_aws.client import Sandbox

from tests.sandbox import cabal
from tests.sandbox.deployment import DR_REGION, Deployment, bootstrap_regions

NIGHTS = 365


def main() -> None:
    with _timed("start"):
        context = Sandbox.start()
        sandbox = context.__enter__()
    try:
        with _timed("fill with a Cabal of 3,000 addresses and 200 messages"):
            made = cabal.fill(sandbox)
        deployment = Deployment(sandbox, made)
        with _timed("bootstrap both regions"):
            bootstrap_regions(sandbox)
        with _timed("deploy both stacks"):
            deployment.deploy()
        checkpoint = sandbox.checkpoint()
        with _timed("one night"):
            sandbox.run_nights(1)
        with _timed("go back to the checkpoint"):
            sandbox.rollback(checkpoint)
        with _timed(f"{NIGHTS} nights, 2 resources, 2 regions"):
            sandbox.run_nights(NIGHTS)
        held = [
            sandbox.client("backup", region).describe_backup_vault(BackupVaultName=vault)
            for region, vault in ((made.region, "cabal-backup"), (DR_REGION, "cabal-backup-dr"))
        ]
        counts = " and ".join(str(vault["NumberOfRecoveryPoints"]) for vault in held)
        sys.stdout.write(f"{'recovery points at the end':<55}{counts:>9}\n")
    finally:
        context.__exit__(None, None, None)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    sys.stdout.write(f"{what:<55}{time.perf_counter() - began:>9.2f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
