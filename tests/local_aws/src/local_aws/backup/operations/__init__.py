"""The operations of the API, one module per noun. Importing this package registers all of them."""

from local_aws.backup.operations import (
    audit,
    jobs,
    legal_holds,
    plans,
    points,
    protected,
    restore_testing,
    selections,
    settings,
    shares,
    summaries,
    tags,
    vault_controls,
    vaults,
)

__all__ = [
    "audit",
    "jobs",
    "legal_holds",
    "plans",
    "points",
    "protected",
    "restore_testing",
    "selections",
    "settings",
    "shares",
    "summaries",
    "tags",
    "vault_controls",
    "vaults",
]
