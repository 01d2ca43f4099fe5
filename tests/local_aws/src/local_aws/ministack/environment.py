"""The environment variables of MiniStack.

MiniStack reads most of its settings while it is imported, so this module imports
nothing of it: the launcher sets `variables()` first and imports MiniStack afterwards.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
"""The only address that the local AWS listens on. An address, not `localhost`: the SDKs then
use path-style S3 URLs, which need no name resolution."""

HOME_REGION = "us-west-1"
"""The region of requests that name none."""

NO_ACCOUNT = "000000000000"
"""The account of requests whose credentials name none."""


def variables(data: Path, *, port: int, auth: bool) -> dict[str, str]:
    """The variables; all files are below `data`, and only the local AWS listens."""
    scratch = data / "tmp"
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": HOME_REGION,
        "MINISTACK_ACCOUNT_ID": NO_ACCOUNT,
        "AUTH": "true" if auth else "false",
        "CLOUDTRAIL_RECORDING": "1",
        "CLOUDTRAIL_MAX_EVENTS": "100000",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "INFO",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "S3_DATA_DIR": str(data / "s3"),
        "STATE_DIR": str(data / "state"),
        "TMPDIR": str(scratch),
        "HOME": str(scratch),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # A socket that does not exist: MiniStack never looks for containers.
        "DOCKER_HOST": f"unix://{scratch / 'no-docker.sock'}",
        # Lambda handlers run as children of this process: `node` and the interpreter
        # next to this one come first, and the profiles of the user are not read.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that connect a process to an AWS account."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
