"""What was asked of AWS, read from the audit trail."""

from __future__ import annotations

from collections import Counter

from tests.sandbox.client import Sandbox

REGIONS = ("us-east-1", "us-west-1", "us-west-2")
"""Those of the deployment, and the one that records the calls of global services."""


def calls(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """How often each operation was called in each region, but for reading the trail itself."""
    seen: Counter[tuple[str, str]] = Counter()
    for region in REGIONS:
        pages = sandbox.client("cloudtrail", region).get_paginator("lookup_events").paginate()
        for page in pages:
            seen.update((region, event["EventName"]) for event in page["Events"])
    return Counter({key: n for key, n in seen.items() if key[1] != "LookupEvents"})
