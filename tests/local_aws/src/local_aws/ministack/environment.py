"""The environment variables a sandboxed MiniStack runs with.

MiniStack reads most of its settings while it is imported, so this module imports
nothing of it: the launcher applies `variables()` first and imports afterwards.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
"""The only address the sandbox listens on. An address, not `localhost`: the SDKs then
use path-style S3 URLs, which need no name resolution."""

HOME_REGION = "us-west-1"
"""Where requests that name no region go."""

NO_ACCOUNT = "000000000000"
"""Where requests go whose credentials name no account."""


def variables(data: Path, *, port: int, auth: bool) -> dict[str, str]:
    """What to set, with every file under `data` and every listener but ours off."""
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
        "PYTHONDONTWRITEBYTECODE": "1",
        # Lambda handlers run as children of this process: `node` and the interpreter
        # beside this one come first, and no profile of the person at the keyboard is read.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment less whatever would tie a process to a real AWS account."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
