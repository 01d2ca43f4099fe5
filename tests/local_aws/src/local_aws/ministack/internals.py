"""The names of MiniStack that the local AWS uses, each with the reason.

MiniStack has no extension interface, so these names are private: they were tested
with the version that pyproject.toml pins. They are imported by name and typed `Any` because
MiniStack has no type information. Import this module only after the variables of
`environment` are set.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

app: Any = import_module("ministack.app")
"""The ASGI application, the table of services, `AUTH`."""

responses: Any = import_module("ministack.core.responses")
"""`request_scope`, `get_account_id`, `get_region`: whose state is used."""

router: Any = import_module("ministack.core.router")
"""Region and access key of a request."""

iam_evaluator: Any = import_module("ministack.core.iam_evaluator")
"""Policies, boundaries and trust evaluated as MiniStack does for its own calls."""

iam_actions: Any = import_module("ministack.core.iam_actions")
"""`extract_resource_arn`: the resource on which a call is authorized (AUTH)."""

lambda_runtime: Any = import_module("ministack.core.lambda_runtime")
"""The worker processes of Lambda functions, to stop them with the local AWS."""

cloudformation: Any = import_module("ministack.services.cloudformation")
"""Stacks by name, to find which account and region a handler acts for."""

provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
"""The resource handlers by type, which properties replace, which tags flow down."""

stacks: Any = import_module("ministack.services.cloudformation.stacks")
"""Which resource types are provisioned on a worker thread."""

changesets: Any = import_module("ministack.services.cloudformation.changesets")
"""Identifiers and look-ups of resources that can be imported."""

cloudtrail: Any = import_module("ministack.services.cloudtrail")
"""The event log and the trails."""

cloudwatch: Any = import_module("ministack.services.cloudwatch")
"""Metric points and alarms."""

dynamodb: Any = import_module("ministack.services.dynamodb")
"""Tables, their items, continuous backups."""

efs: Any = import_module("ministack.services.efs")
"""File systems."""

eventbridge: Any = import_module("ministack.services.eventbridge")
"""Rules and their targets."""

iam: Any = import_module("ministack.services.iam")
"""Roles, managed policies, MFA devices."""

kms: Any = import_module("ministack.services.kms")
"""Keys, by id, ARN and alias."""

lambda_service: Any = import_module("ministack.services.lambda_svc")
"""Functions by ARN, and running one."""

logs: Any = import_module("ministack.services.cloudwatch_logs")
"""Log groups by name, to see that a name is taken."""

s3: Any = import_module("ministack.services.s3")
"""Buckets by name, to see whether that of a trail exists."""

ssm: Any = import_module("ministack.services.ssm")
"""Parameters, whose times are compared with the local AWS's."""

sns: Any = import_module("ministack.services.sns")
"""Topics and publishing."""

sqs: Any = import_module("ministack.services.sqs")
"""Queues and their messages."""

tagging: Any = import_module("ministack.services.tagging")
"""What the tagging API lists of each service."""

sts: Any = import_module("ministack.services.sts")
"""Sessions, and those with an MFA code."""

backup: Any = import_module("ministack.services.backup")
"""MiniStack's own AWS Backup, which is replaced."""
