"""What is reported at once: the EventBridge rules of each region, and what they are about; and
the alarm on the watch.

`infrastructure` deploys these, `functions.notify` puts their events into words, and
`operations.status` compares what is deployed with them.

https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cabal_backup import names

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

Pattern = dict[str, object]
"""An event pattern of EventBridge."""

ALARM_HOURS = 25
"""After how many hours without a successful run of the watch the alarm is raised.

The watch runs every 24 hours. Alarms whose periods are an hour or longer may look back up to
seven days: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

ALARM: MetricAlarmTypeDef = {
    "Metrics": [
        # CloudWatch looks further back than the periods while some of them have no data, so that
        # a run of long ago would count. An hour without a run counts as a failed one.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
        {"Id": "failed", "Expression": "FILL(errors, 1)", "ReturnData": True},
        {
            "Id": "errors",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Errors",
                    "Dimensions": [{"Name": "FunctionName", "Value": names.WATCH}],
                },
                "Period": 3600,
                # Zero in an hour with a run that did not fail.
                "Stat": "Minimum",
            },
            "ReturnData": False,
        },
    ],
    "EvaluationPeriods": ALARM_HOURS,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    # Where there is no data at all, FILL may have nothing to fill.
    "TreatMissingData": "breaching",
}
"""When the alarm on the watch is raised, in the words of DescribeAlarms."""

FAILED_STATES = ("FAILED", "ABORTED", "EXPIRED", "PARTIAL")
"""How a job ends that did not succeed."""

CLOUDTRAIL = "AWS API Call via CloudTrail"
"""The detail-type of an API call; EventBridge gets it only where a trail logs management events."""

CALLS: Mapping[str, Mapping[str, str]] = {
    "lock": {
        "DeleteBackupVaultLockConfiguration": "removal of the lock",
        "PutBackupVaultLockConfiguration": "change of the lock",
    },
    "points": {
        "DeleteRecoveryPoint": "deletion of a recovery point",
        "UpdateRecoveryPointLifecycle": "new lifecycle of a recovery point",
        "DisassociateRecoveryPoint": "disassociation of a recovery point",
        "DisassociateRecoveryPointFromParent": "disassociation of a recovery point",
    },
    "vault": {
        "PutBackupVaultAccessPolicy": "change of the vault's access policy",
        "DeleteBackupVaultAccessPolicy": "deletion of the vault's access policy",
        "DeleteBackupVault": "deletion of the vault",
    },
    "plan": {
        "CreateBackupPlan": "a new backup plan that uses our vaults",
        "UpdateBackupPlan": "change of a backup plan",
        "DeleteBackupPlan": "deletion of the backup plan",
        "CreateBackupSelection": "a new selection in a backup plan",
        "DeleteBackupSelection": "deletion of a selection",
    },
    "opt-in": {"UpdateRegionSettings": "opt-in switched off"},
    "copy": {"StartCopyJob": "copy to a vault that is not ours"},
    "pitr": {"UpdateContinuousBackups": "point-in-time recovery reduced"},
    "role": {
        "UpdateAssumeRolePolicy": "change of who may assume the role",
        "AttachRolePolicy": "a policy attached to the role",
        "DetachRolePolicy": "a policy detached from the role",
        "PutRolePolicy": "an inline policy of the role",
        "DeleteRolePolicy": "an inline policy of the role deleted",
        "PutRolePermissionsBoundary": "a permissions boundary set on the role",
        "DeleteRolePermissionsBoundary": "the permissions boundary of the role removed",
        "UpdateRole": "change of the role",
        "DeleteRole": "deletion of the role",
        "CreatePolicyVersion": "a new version of a policy of the role",
        "SetDefaultPolicyVersion": "another version of a policy of the role",
    },
}
"""Calls that weaken the protection, by what they are about, with words for each."""

MONITORING: Mapping[str, Mapping[str, str]] = {
    "events": {
        "DisableRule": "a rule was disabled",
        "DeleteRule": "a rule was deleted",
        "RemoveTargets": "the target of a rule was removed",
        "PutRule": "a rule was changed",
        "PutTargets": "the target of a rule was changed",
        "UpdateEventBus": "the event bus was changed",
    },
    # CloudTrail writes Lambda's calls with the version of the API, as in DeleteFunction20150331.
    # https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
    "lambda": {
        "Delete*": "a function, or what invokes it, was deleted",
        "Update*": "a function, or what invokes it, was changed",
        "PutFunctionConcurrency*": "the concurrency of a function was limited",
        "RemovePermission*": "the permission to invoke a function was removed",
        # Another function that reads the queue takes events from ours.
        "CreateEventSourceMapping*": "another reader of the queue was added",
    },
    "sns": {
        "DeleteTopic": "the topic was deleted",
        "SetTopicAttributes": "the topic was changed",
        "Unsubscribe": "a subscription was deleted",
        "SetSubscriptionAttributes": "a subscription was changed",
        "PutDataProtectionPolicy": "the data protection policy of the topic was changed",
    },
    "sqs": {
        "DeleteQueue": "the queue was deleted",
        "SetQueueAttributes": "the queue was changed",
        "PurgeQueue": "the queue was emptied",
    },
    "cloudtrail": {
        "StopLogging": "a trail was stopped",
        "PutEventSelectors": "what a trail logs was changed",
        "UpdateTrail": "a trail was changed",
        "DeleteTrail": "a trail was deleted",
    },
    "monitoring": {
        "DeleteAlarms": "an alarm was deleted",
        "DisableAlarmActions": "the actions of an alarm were disabled",
        "PutMetricAlarm": "an alarm was changed",
        "PutAlarmMuteRule": "an alarm was muted",
    },
}
"""Calls that silence the monitoring, by service, with words for each; a * ends a prefix."""

_SOURCES = ["aws.backup", names.EVENT_SOURCE]


def rules(account: str, region: str) -> dict[str, Pattern]:
    """The event patterns of one region's rules, by the names of the rules.

    They are as wide as is cheap; `functions.notify` drops what is not about this environment.

    :param account: the account id, 12 digits.
    :param region: the region of the rules.
    """
    monitoring: Pattern = {"detail-type": [CLOUDTRAIL], "detail": {"$or": _monitoring()}}
    return {
        names.RULE_JOBS: {
            "source": _SOURCES,
            "detail-type": [
                "Backup Job State Change",
                "Copy Job State Change",
                "Restore Job State Change",
                names.RESTORE_TEST_EVENT,
            ],
            "detail": {
                "$or": [
                    {"state": list(FAILED_STATES)},
                    {"status": list(FAILED_STATES)},
                    # "Completed with issues"
                    {"state": ["COMPLETED"], "statusMessage": [{"anything-but": [""]}]},
                    {"verdict": ["FAILED"]},
                ]
            },
        },
        names.RULE_CHANGES: {
            "source": _SOURCES,
            "$or": [
                {
                    "detail-type": [
                        "Backup Vault State Change",
                        "Backup Plan State Change",
                        "Region Setting State Change",
                    ]
                },
                {
                    "detail-type": ["Recovery Point State Change"],
                    "detail": {"status": ["EXPIRED", "DELETING", "DELETED"]},
                },
                {
                    "detail-type": ["Copy Job State Change"],
                    "detail": {
                        "state": ["CREATED", "RUNNING"],
                        "destinationBackupVaultArn": [
                            {"anything-but": {"wildcard": f"arn:*:backup:*:{account}:*"}}
                        ],
                    },
                },
            ],
        },
        names.RULE_CALLS: {
            "detail-type": [CLOUDTRAIL],
            "detail": {
                "eventSource": [
                    f"{service}.amazonaws.com" for service in ("backup", "dynamodb", "iam")
                ],
                "eventName": [name for calls in CALLS.values() for name in calls],
            },
        },
        names.RULE_MONITORING: monitoring,
        # Not what comes from the other region, which would be sent back.
        names.RULE_ELSEWHERE: {**monitoring, "region": [region]},
    }


def _monitoring() -> list[Pattern]:
    return [
        {
            "eventSource": [f"{service}.amazonaws.com"],
            "eventName": [{"prefix": name[:-1]} if name.endswith("*") else name for name in calls],
        }
        for service, calls in MONITORING.items()
    ]
