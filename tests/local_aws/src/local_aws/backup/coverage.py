"""Which operations of AWS's model this service serves."""

from __future__ import annotations

from dataclasses import dataclass

from local_aws.backup import operations
from local_aws.backup.core import OPERATIONS
from local_aws.backup.model import model_of

LEFT_OUT = {
    "Framework": "Audit Manager",
    "Report": "Audit Manager",
    "RestoreAccess": "multi-party approval",
    "MpaApproval": "multi-party approval",
    "Tiering": "S3 tiering",
    "Scan": "malware scans",
    "AccessPoint": "backup access points",
    "Index": "search indexes",
    "Template": "AWS's plan templates",
    "Disassociate": "continuous and composite recovery points",
    "GlobalSettings": "cross-account settings of an organization",
}
"""Part of an operation's name -> the feature it belongs to, which is not served."""


@dataclass(frozen=True)
class Coverage:
    """One operation; `feature` names the feature of an operation that is not served."""

    operation: str
    served: bool
    feature: str | None


def coverage() -> list[Coverage]:
    """Every operation in AWS's model, in alphabetical order."""
    assert operations.__all__  # The import registers them.
    return [
        Coverage(name, name in OPERATIONS, None if name in OPERATIONS else _feature(name))
        for name in model_of("backup").operations
    ]


def as_markdown() -> str:
    """The table for the README: what is not served, by feature."""
    rows = coverage()
    served = sum(row.served for row in rows)
    features: dict[str, list[str]] = {}
    for row in rows:
        if row.feature is not None:
            features.setdefault(row.feature, []).append(f"`{row.operation}`")
    lines = [
        f"{served} of the {len(rows)} operations in AWS's model are served. Not served are:",
        "",
        "| feature | operations |",
        "| --- | --- |",
        *(f"| {feature} | {', '.join(names)} |" for feature, names in sorted(features.items())),
    ]
    return "\n".join(lines) + "\n"


def _feature(name: str) -> str:
    return next((feature for part, feature in LEFT_OUT.items() if part in name), "not needed")
