"""Makes AWS calls with the boto3 of this interpreter: one JSON object a line in, one a line out.

{"service", "operation", "region", "parameters"} -> {"answer": …} or {"error": "Code"}
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(retries={"total_max_attempts": 1})


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.timestamp())
    if hasattr(value, "read"):
        return value.read().decode()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {k: plain(each) for k, each in value.items() if k != "ResponseMetadata"}
    return value


@cache
def client_of(service: Any, region: str) -> Any:
    """Making one takes longer than calling it."""
    return boto3.client(service, region_name=region, config=CONFIG)


for line in sys.stdin:
    call = json.loads(line)
    client = client_of(call["service"], call["region"])
    try:
        answer = getattr(client, xform_name(call["operation"]))(**call["parameters"])
        result = {"answer": plain(answer)}
    except ClientError as error:
        result = {"error": error.response["Error"]["Code"]}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
