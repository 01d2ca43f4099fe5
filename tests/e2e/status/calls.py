"""What was asked of AWS, read from the audit trail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from local_aws.client import Sandbox

REGIONS = ("us-east-1", "us-west-1", "us-west-2")
"""Those of the deployment, and the one that records the calls of global services."""


def calls(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """How often each operation was called in each region, but for reading the trail here."""
    seen: Counter[tuple[str, str]] = Counter()
    for region in REGIONS:
        pages = sandbox.client("cloudtrail", region).get_paginator("lookup_events").paginate()
        for page in pages:
            seen.update(
                (region, event["EventName"]) for event in page["Events"] if not _is_ours(event)
            )
    return seen


def _is_ours(event: Mapping[str, Any]) -> bool:
    """`calls` looks for everything, and the tool for events of one name."""
    asked = json.loads(event["CloudTrailEvent"])["requestParameters"] or {}
    return event["EventName"] == "LookupEvents" and "lookupAttributes" not in asked
