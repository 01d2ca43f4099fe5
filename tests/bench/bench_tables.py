"""How fast tables are copied, and how much memory that takes, beside two other ways.

    python -m tests.bench.bench_tables [--items 10000 100000 1000000] [--dynamodump PYTHON]

Each copy is a process of its own; what is measured is the whole of it, its start included.
Writes the table into docs/proof/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_aws.client import ACCOUNT, Sandbox

from tests.bench.fast_server import address

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "proof" / "benchmarks.md"
PLACE = re.compile(r"(?<=<!-- tables: begin -->\n).*?(?=<!-- tables: end -->)", re.DOTALL)

SANDBOX_MOST = 100_000
"""With more the local AWS takes minutes a copy, and measures nothing but itself."""

_DYNAMODUMP = "from dynamodump import dynamodump as d; d.THREAD_START_DELAY = 0; d.main()"
"""It starts 25 threads a second apart, twice a copy; those 50 seconds are not held against it."""

WAYS = {
    "ours": "cabal-backup",
    "few-lines": "a few lines of boto3",
    "dynamodump": "dynamodump 1.11.1",
}


@dataclass(frozen=True)
class Measurement:
    server: str
    items: int
    way: str
    seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--dynamodump", metavar="PYTHON", help="a Python that has dynamodump; without, left out"
    )
    parser.add_argument(
        "--others-most",
        type=int,
        default=1_000_000,
        metavar="ITEMS",
        help="measure the other ways up to so many items; they take long (default: a million)",
    )
    options = parser.parse_args()
    measured: list[Measurement] = []
    starts: dict[str, float] = {}
    with fast_server(1) as environment:
        everything = [way for way in WAYS if way != "dynamodump" or options.dynamodump]
        for one in measure("fast", 1, environment, everything, options.dynamodump):
            starts[one.way] = one.seconds
    for items in options.items:
        ways = [way for way in WAYS if way == "ours" or items <= options.others_most]
        if options.dynamodump is None:
            ways = [way for way in ways if way != "dynamodump"]
        with fast_server(items) as environment:
            measured += measure("fast", items, environment, ways, options.dynamodump)
        if items <= SANDBOX_MOST:
            with sandbox(items) as environment:
                measured += measure("sandbox", items, environment, ways, options.dynamodump)
    write(measured, starts)


def measure(
    server: str,
    items: int,
    environment: dict[str, str],
    ways: Sequence[str],
    dynamodump: str | None,
) -> Iterator[Measurement]:
    for way in ways:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            peak = 0.0
            for command in _commands(way, dynamodump):
                peak = max(peak, _peak_of(command, environment, folder))
            seconds = time.monotonic() - began
        if server == "fast":
            _check_written(environment["AWS_ENDPOINT_URL"], items, way)
        found = Measurement(server, items, way, seconds, peak)
        sys.stderr.write(f"{server} {items:,} {way}: {found.rate:,.0f}/s, {peak:.0f} MB\n")
        yield found


def _commands(way: str, dynamodump: str | None) -> list[list[str]]:
    if way != "dynamodump":
        return [[sys.executable, "-m", "tests.bench.copies", way]]
    common = [str(dynamodump), "-c", _DYNAMODUMP, "-r", "us-west-1", "-s", "source", "--noConfirm"]
    common += ["--accessKey", ACCOUNT, "--secretKey", "bench"]
    only_items = ["-d", "target", "--dataOnly", "--skipThroughputUpdate"]
    return [[*common, "-m", "backup"], [*common, "-m", "restore", *only_items]]


def _peak_of(command: Sequence[str], environment: dict[str, str], folder: str) -> float:
    """Run a command to its end in a folder of its own; the most memory it had, in MB."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        assert process.returncode == 0, output.read().decode()[-2000:]
    return used.ru_maxrss / 1024


def _check_written(endpoint: str, items: int, way: str) -> None:
    request = urllib.request.Request(
        endpoint, data=b"", headers={"X-Amz-Target": "Bench.Written"}, method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        written = int(answer.read())
    assert written == items, f"{way} wrote {written:,} of {items:,} items"


@contextmanager
def fast_server(items: int) -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.fast_server", str(items)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield _environment(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def sandbox(items: int) -> Iterator[dict[str, str]]:
    with Sandbox.start() as local:
        dynamodb = local.client("dynamodb")
        for name in ("source", "target"):
            dynamodb.create_table(
                TableName=name,
                # dynamodump hangs on a table that is on demand.
                ProvisionedThroughput={"ReadCapacityUnits": 100, "WriteCapacityUnits": 100},
                KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
            )
        local.advance(seconds=5)  # until they are ACTIVE
        for start in range(0, items, 25):
            puts = [
                {"PutRequest": {"Item": address(number)}}
                for number in range(start, min(start + 25, items))
            ]
            dynamodb.batch_write_item(RequestItems={"source": puts})
        yield _environment(local.endpoint)


def _environment(endpoint: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def write(measured: list[Measurement], starts: Mapping[str, float]) -> None:
    """Put the measurements into the report, between its marks.

    :param starts: seconds that each way takes for a table of one item.
    """
    said = ", ".join(f"{WAYS[way]} {seconds:.1f} s" for way, seconds in starts.items())
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores shared by server and copy. The start, which is a copy of one "
        f"item: {said}.",
        "",
        "| server | items | | items/s | times the few lines | without the start | peak MB |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    few = {(m.server, m.items): m.seconds for m in measured if m.way == "few-lines"}
    for m in measured:
        beside = few.get((m.server, m.items))
        times = net = "not measured"
        if beside:
            times = f"{beside / m.seconds:.1f}"
            net = f"{(beside - starts['few-lines']) / (m.seconds - starts[m.way]):.1f}"
        lines.append(
            f"| {m.server} | {m.items:,} | {WAYS[m.way]} | {m.rate:,.0f} | {times} | {net} | "
            f"{m.peak_mb:.0f} |"
        )
    text = REPORT.read_text("utf-8")
    assert PLACE.search(text), f"{REPORT} has lost its marks"
    table = "\n".join(lines) + "\n"
    REPORT.write_text(PLACE.sub(lambda _: table, text), "utf-8")


if __name__ == "__main__":
    main()
