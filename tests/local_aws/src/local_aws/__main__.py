"""The command line: starts a local AWS, and controls a running one over HTTP."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
import tempfile
import urllib.error
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws import launcher
from local_aws.backup.faults import ENDS, HOLDABLE, KINDS
from local_aws.client import SandboxFailed, control, shell_variables

DEFAULT_PORT = 4566

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, or 1 if the local AWS refused it or does not answer."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except SandboxFailed as error:
        print(f"local-aws: {error}", file=sys.stderr)
        return 1
    except urllib.error.URLError as error:
        print(
            f"local-aws: no local AWS answers at {options.endpoint_url} ({error.reason}). Start "
            "one with `local-aws start`, or set AWS_ENDPOINT_URL.",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"local-aws: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local-aws", description="A local AWS with AWS Backup.")
    parser.add_argument(
        "--endpoint-url",
        metavar="URL",
        default=os.environ.get("AWS_ENDPOINT_URL", f"http://127.0.0.1:{DEFAULT_PORT}"),
        help=f"the running local AWS (default: AWS_ENDPOINT_URL, otherwise port {DEFAULT_PORT})",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Any, help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=f"{help_}.")
        command.set_defaults(run=run)
        return command

    start = add("start", _start, "start a local AWS on 127.0.0.1; it runs until Ctrl-C")
    start.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="0: a free port (default: %(default)s)"
    )
    start.add_argument(
        "--data", type=Path, help="the folder of its files (default: temporary, deleted at the end)"
    )
    start.add_argument(
        "--time", type=_moment, help="its time at the start, ISO 8601 (default: now)"
    )
    start.add_argument(
        "--auth", action="store_true", help="check the signature and the IAM policies of each call"
    )
    start.add_argument(
        "--json", action="store_true", help="print one line of JSON instead of variables"
    )
    start.add_argument("--leash", action="store_true", help="also stop when stdin is closed")

    add("now", _now, "print the time of the local AWS")
    advance = add("advance", _advance, "move its time forward; schedules, jobs and expiry happen")
    advance.add_argument("duration", type=_duration, help="for example 5d, 36h or 1d12h30m")
    add("faults", _faults, "print the faults that are on, as JSON")
    fault = add("fault", None, "turn a fault on; `fault clear` turns all faults off")
    _add_faults(fault)
    return parser


def _add_faults(parser: argparse.ArgumentParser) -> None:
    faults = parser.add_subparsers(metavar="FAULT", required=True)

    def add(name: str, body: Any, help_: str) -> argparse.ArgumentParser:
        fault = faults.add_parser(name, help=help_, description=f"{help_}.")
        fault.set_defaults(run=_fault, body=body)
        return fault

    fail = add("fail-next", _fail_next, "let the next jobs of a kind fail")
    fail.add_argument("kind", choices=KINDS)
    fail.add_argument("--type", help="only jobs of this resource type, for example EFS")
    fail.add_argument("--message", default="Internal failure", help="(default: %(default)s)")
    fail.add_argument("--count", type=int, default=1, help="so many jobs (default: 1)")
    fail.add_argument(
        "--state",
        choices=sorted({state for states in ENDS.values() for state in states}),
        default="FAILED",
        help="(default: FAILED)",
    )
    throttle = add(
        "throttle", lambda o: {"throttle": {"fraction": o.fraction}}, "throttle AWS Backup's calls"
    )
    throttle.add_argument("fraction", type=float, help="0 to 1; 0 turns it off")
    deny = add(
        "deny", lambda o: {"deny": [{"operation": o.operation}]}, "deny an operation of AWS Backup"
    )
    deny.add_argument("operation", help="for example StartCopyJob")
    lose = add(
        "lose-regions", lambda o: {"lost_regions": o.region}, "let no service in a region answer"
    )
    lose.add_argument("region", nargs="*", help="without one, all regions answer again")
    hold = add(
        "hold", lambda o: {"hold": o.kind}, "keep jobs from finishing or points from expiring"
    )
    hold.add_argument("kind", nargs="*", help=f"of {', '.join(HOLDABLE)}; none releases all")
    any_ = add("json", lambda o: o.faults, "any faults, in the form that `local-aws faults` prints")
    any_.add_argument("faults", type=_object, metavar="JSON")
    add("clear", lambda _: {"clear": True}, "turn all faults off")


def _fail_next(options: argparse.Namespace) -> Mapping[str, Any]:
    failure = {
        "kind": options.kind,
        "resource_type": options.type,
        "message": options.message,
        "count": options.count,
        "state": options.state,
    }
    return {"fail_next": [failure]}


def _start(options: argparse.Namespace) -> None:
    temporary = tempfile.TemporaryDirectory(prefix="local-aws-", ignore_cleanup_errors=True)
    with temporary if options.data is None else nullcontext(options.data) as data:
        launcher.serve(
            Path(data).resolve(),
            port=options.port,
            start=options.time,
            auth=options.auth,
            leash=options.leash,
            ready=_print_json if options.json else _print_variables,
        )


def _print_json(ready: Mapping[str, Any]) -> None:
    print(json.dumps(ready), flush=True)


def _print_variables(ready: Mapping[str, Any]) -> None:
    """As commands of a POSIX shell, in one write: a file of them is complete or empty."""
    variables = shell_variables(ready["endpoint"]).items()
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables]
    print("".join(lines), end="", flush=True)


def _now(options: argparse.Namespace) -> None:
    print(control(options.endpoint_url, "GET", "now")["now"])


def _advance(options: argparse.Namespace) -> None:
    body = {"seconds": options.duration.total_seconds()}
    print(control(options.endpoint_url, "POST", "advance", body)["now"])


def _faults(options: argparse.Namespace) -> None:
    print(json.dumps(control(options.endpoint_url, "GET", "faults"), indent=2))


def _fault(options: argparse.Namespace) -> None:
    control(options.endpoint_url, "POST", "faults", options.body(options))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a time like 2026-01-01T12:00Z"
        raise argparse.ArgumentTypeError(message) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"this is not JSON: {error}") from error


def _duration(text: str) -> timedelta:
    parts = re.findall(r"([0-9]+)([dhms])", text)
    if not parts or "".join(map("".join, parts)) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration like 5d, 36h or 1d12h30m")
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})


if __name__ == "__main__":
    sys.exit(main())
