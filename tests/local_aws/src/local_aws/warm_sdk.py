"""What programs with the SDK read and compute again and again: 0.3 s of CPU at each start.

A module for `warm_process.py`, to be loaded before modules that import `create_loader`. Each
session of botocore looks for the models of all services and reads those of its clients; here
sessions with the same AWS_DATA_PATH share them, and their names of events.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

hooks: Any = import_module("botocore.hooks")
loaders: Any = import_module("botocore.loaders")
sessions: Any = import_module("botocore.session")

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

loaders.create_loader = sessions.create_loader = cache(loaders.create_loader)

_alias = hooks.EventAliaser(None)._alias_event_name
hooks.EventAliaser._alias_event_name = lambda _, name: _alias(name)

_session = sessions.Session()
for service in SERVICES:
    _session.create_client(service, "us-west-1", aws_access_key_id="-", aws_secret_access_key="-")
    _session.get_paginator_model(service)
