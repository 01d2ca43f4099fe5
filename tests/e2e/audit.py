"""Who changed what: the audit trail, since a moment."""

from __future__ import annotations

from datetime import datetime

from local_aws.client import Sandbox

REGIONS = ("us-east-1", "us-west-1", "us-west-2")
"""Those of the deployment, and the one that records the calls of global services."""

READING = ("Describe", "List", "Get", "Lookup", "Query", "Scan", "BatchGet", "Simulate")


def changes_since(sandbox: Sandbox, moment: datetime) -> list[tuple[str, str]]:
    """Every call since then that may have changed something: its region and its name."""
    return [
        (region, event["EventName"])
        for region in REGIONS
        for page in sandbox.client("cloudtrail", region)
        .get_paginator("lookup_events")
        .paginate(StartTime=moment)
        for event in page["Events"]
        if not event["EventName"].startswith(READING)
    ]
