"""What can be chosen where AWS has no fixed behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

LockedDeleteError = Literal[
    "InvalidRequestException", "AccessDeniedException", "InvalidParameterValueException"
]


@dataclass
class Settings:
    """Durations in the local AWS's time, and the readings that can be chosen.

    The readings are explained in `readings.py`; their defaults are the stricter ones.
    """

    on_demand_start_delay: timedelta = timedelta(seconds=5)
    scheduled_start_delay: timedelta = timedelta(minutes=20)
    """How long after its schedule a job starts: AWS says only "within the window"."""
    scheduled_creation_delay: timedelta = timedelta(minutes=15)
    """How long after its schedule a job is created: 10 to 38 minutes were observed."""
    longest_expiry_delay: timedelta = timedelta(hours=8)
    """How long after DeleteAt a recovery point may still exist."""
    dynamodb_backup: timedelta = timedelta(minutes=4)
    efs_backup: timedelta = timedelta(minutes=10)
    dynamodb_copy: timedelta = timedelta(minutes=8)
    efs_copy: timedelta = timedelta(minutes=15)
    dynamodb_restore: timedelta = timedelta(minutes=6)
    efs_restore: timedelta = timedelta(minutes=9)
    cold_restore_extra: timedelta = timedelta(hours=4)
    copy_start_delay: timedelta = timedelta(seconds=5)
    restore_start_delay: timedelta = timedelta(seconds=5)
    restore_test_start_delay: timedelta = timedelta(minutes=30)
    restore_test_cleanup: timedelta = timedelta(minutes=5)
    stop_duration: timedelta = timedelta(seconds=5)
    deletion_duration: timedelta = timedelta(seconds=10)
    """How long a deleted recovery point stays in the lists as DELETING."""
    legal_hold_duration: timedelta = timedelta(seconds=10)
    """How long a legal hold is CREATING, and CANCELING."""
    held_points_cool: bool = False
    """Whether recovery points under a legal hold move to cold storage on their date."""
    metric_period: timedelta = timedelta(minutes=5)
    job_history: timedelta = timedelta(days=30)
    air_gapped_creation: timedelta = timedelta(minutes=3)
    """How long a logically air-gapped vault is CREATING: AWS says 1 to 3 minutes."""
    air_gapped_deletion: timedelta = timedelta(minutes=3)
    """How long a deleted one is still there: longer than the call was observed."""
    invitation_validity: timedelta = timedelta(hours=12)
    """How long an invitation to a resource share can be accepted."""
    iam_propagation: timedelta = timedelta(0)
    """How long after a change of a role AWS Backup still sees the earlier version."""
    trail_event_delay: timedelta = timedelta(0)
    """How long after a call EventBridge gets its event from CloudTrail."""
    table_restore: timedelta = timedelta(seconds=4)
    """How long DynamoDB restores a table, which is CREATING."""
    table_creation: timedelta = timedelta(seconds=4)
    """How long a table of CreateTable is CREATING."""
    table_update: timedelta = timedelta(seconds=2)
    """How long a table is UPDATING."""
    table_deletion: timedelta = timedelta(seconds=2)
    """How long a deleted table is DELETING."""
    table_visibility: timedelta = timedelta(seconds=2)
    """How long DescribeTable does not find a new table."""
    table_tags: timedelta = timedelta(seconds=2)
    """How long ListTagsOfResource shows the tags of a table from before a change."""

    restored_second: Literal["included", "excluded"] = "included"
    """Whether RestoreTableToPointInTime restores what was written within the second it names."""
    locked_delete_error: LockedDeleteError = "InvalidRequestException"
    missing_vault_error: Literal["AccessDeniedException", "ResourceNotFoundException"] = (
        "AccessDeniedException"
    )
    """The error of reading calls for a vault that does not exist."""
    delete_missing_lock_refused: bool = True
    emptied_vault_refuses_once: bool = True
    same_selection_name_refused: bool = True
    """Two selections of one plan must have different names."""
    advanced_features_needed_everywhere: bool = False
    """Copying or restoring an advanced DynamoDB point needs the opt-in in that region too."""
    restore_item_limit: int = 5
