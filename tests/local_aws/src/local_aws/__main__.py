"""`python -m local_aws serve [--port 0] [--data DIR] [--start WHEN] [--auth]`."""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from local_aws import launcher


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve a local AWS on 127.0.0.1 until SIGTERM")
    serve.add_argument("--port", type=int, default=0, help="0 takes a free one (the default)")
    serve.add_argument(
        "--data", type=Path, help="where every file goes; without it a directory that is removed"
    )
    serve.add_argument(
        "--start", type=_moment, help="the sandbox's time at the start (ISO 8601), else now"
    )
    serve.add_argument(
        "--auth", action="store_true", help="check signatures and IAM policies of every call"
    )
    serve.add_argument("--leash", action="store_true", help="also stop when stdin is closed")
    options = parser.parse_args()
    if options.data is not None:
        _serve(options.data.resolve(), options)
        return
    with tempfile.TemporaryDirectory(prefix="local-aws-", ignore_cleanup_errors=True) as name:
        _serve(Path(name), options)


def _serve(data: Path, options: argparse.Namespace) -> None:
    launcher.serve(
        data, port=options.port, start=options.start, auth=options.auth, leash=options.leash
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
