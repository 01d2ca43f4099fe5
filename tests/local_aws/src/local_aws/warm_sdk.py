"""What programs with the SDK read and compute again and again: 0.3 s of CPU at each start.

A module for `warm_process.py`, to be loaded before modules that import `create_loader`. Each
session of botocore looks for the models of all services and reads those of its clients; here
sessions with the same AWS_DATA_PATH share them, the rules for endpoints and the methods of clients
that are made of them, and their names of events. Of each request they compute the same user agent,
and of many answers the same times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

clients: Any = import_module("botocore.client")
hooks: Any = import_module("botocore.hooks")
loaders: Any = import_module("botocore.loaders")
parsers: Any = import_module("botocore.parsers")
regions: Any = import_module("botocore.regions")
sessions: Any = import_module("botocore.session")
user_agents: Any = import_module("botocore.useragent")

SERVICES = (
    "backup",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "dynamodb",
    "efs",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sns",
    "sqs",
    "ssm",
    "sts",
)
"""Those around AWS Backup; the models of any other are read when they are used."""

loaders.create_loader = sessions.create_loader = cache(loaders.create_loader)


def _once(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, once for the same models. They cannot be hashed, and live as long as the results."""
    results: dict[Any, tuple[Any, Any]] = {}

    def shared(*arguments: Any, **named: Any) -> Any:
        given = (*arguments, *named.values())
        key = tuple(each if isinstance(each, str) else id(each) for each in given)
        if key not in results:
            results[key] = make(*arguments, **named), given
        return results[key][0]

    return shared


clients.ServiceModel = _once(clients.ServiceModel)
regions.EndpointProvider = _once(regions.EndpointProvider)
_create_methods = clients.ClientCreator._create_methods


def _methods(creator: Any, model: Any) -> dict[str, Any]:
    known = vars(model)
    known["_methods"] = known.get("_methods") or _create_methods(creator, model)
    return dict(known["_methods"])


clients.ClientCreator._create_methods = _methods

_alias = hooks.EventAliaser(None)._alias_event_name
hooks.EventAliaser._alias_event_name = lambda _, name: _alias(name)

user_agents.sanitize_user_agent_string_component = lru_cache(10_000)(
    user_agents.sanitize_user_agent_string_component
)
parsers.is_json_value_header = lru_cache(10_000)(parsers.is_json_value_header)

_parse_timestamp = parsers.DEFAULT_TIMESTAMP_PARSER


@lru_cache(100_000)
def _time(value: Any, _zone: object) -> Any:
    return _parse_timestamp(value)


parsers.DEFAULT_TIMESTAMP_PARSER = lambda value: _time(value, (time.tzname, time.timezone))

_session = sessions.Session()
for service in SERVICES:
    _session.create_client(service, "us-west-1", aws_access_key_id="-", aws_secret_access_key="-")
    _session.get_paginator_model(service)
