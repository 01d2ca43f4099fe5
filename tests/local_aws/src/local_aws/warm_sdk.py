"""What functions that use the SDK load: otherwise 0.3 s of CPU at each cold start.

A module for `warm_process.py`. Each session of botocore would read the models of the services
again; here they are read once.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import boto3

loaders: Any = import_module("botocore.loaders")

SERVICES = (
    "backup",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "efs",
    "iam",
    "kms",
    "s3",
    "sns",
    "sqs",
    "sts",
)
"""Those around AWS Backup; the models of any other are read when they are used."""


@cache
def _load_once(path: str) -> Any:
    return _load_file(loaders.JSONFileLoader(), path)


_load_file = loaders.JSONFileLoader.load_file
loaders.JSONFileLoader.load_file = lambda _, file_path: _load_once(file_path)
boto3.Session("-", "-", region_name="us-west-1").client("sts")
for service in SERVICES:
    for kind in ("service-2", "paginators-1", "endpoint-rule-set-1"):
        loaders.create_loader().load_service_model(service, kind)
