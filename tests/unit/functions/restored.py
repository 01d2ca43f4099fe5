"""An account in which AWS Backup has just restored a table and a file system for a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cabal_backup.functions.validate_restore import Event
from tests.unit.functions.aws import Account, Refusal

COMPLETED = datetime.fromisoformat("2026-02-01T06:40:00+00:00")
PLAN_ARN = (
    "arn:aws:backup:us-west-1:123456789012:restore-testing-plan:cabal_backup_restore_testing-1"
)
LIVE_TABLE, RESTORED_TABLE = "cabal-addresses", "awsbackup-restore-test-7d1f"
LIVE_FS, RESTORED_FS = "fs-0123456789abcdef0", "fs-0fedcba9876543210"
ARNS = {
    "DynamoDB": "arn:aws:dynamodb:us-west-1:123456789012:table/",
    "EFS": "arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/",
}
GIB = 1024**3
PAGE = 40
"""Items a page of a scan, so that a table of the tests has several."""


def item(number: int, **more: Any) -> dict[str, Any]:
    return {"address": {"S": f"a{number}@example.com"}, "user": {"S": "alice"}, **more}


def items(count: int) -> list[dict[str, Any]]:
    return [item(number) for number in range(count)]


@dataclass
class Table:
    items: list[dict[str, Any]]
    keys: tuple[tuple[str, str, str], ...] = (("address", "HASH", "S"),)

    def identity(self, item: Mapping[str, Any]) -> Any:
        return [item[name] for name, _, _ in self.keys]


@dataclass
class FileSystem:
    size: int
    measured: datetime | None
    encrypted: bool = True
    state: str = "available"


@dataclass
class Restores(Account):
    """Two restores that wait for a verdict, and what may be asked about them."""

    tables: dict[str, Table] = field(default_factory=dict)
    file_systems: dict[str, FileSystem] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    leaves_unprocessed: int = 0
    """How many calls of BatchGetItem do nothing."""

    def __post_init__(self) -> None:
        self.tables = {LIVE_TABLE: Table(items(200)), RESTORED_TABLE: Table(items(200))}
        measured = COMPLETED + timedelta(hours=3)
        self.file_systems = {
            LIVE_FS: FileSystem(40 * GIB, measured),
            RESTORED_FS: FileSystem(40 * GIB, measured),
        }
        self.jobs = {
            "table-job": _job("table-job", "DynamoDB", LIVE_TABLE, RESTORED_TABLE),
            "fs-job": _job("fs-job", "EFS", LIVE_FS, RESTORED_FS),
        }
        self.answers = {
            "ListRestoreJobs": self._list_jobs,
            "DescribeRestoreJob": lambda given: self.jobs[given["RestoreJobId"]],
            "PutRestoreValidationResult": self._put_verdict,
            "DescribeTable": self._describe_table,
            "Scan": self._scan,
            "BatchGetItem": self._batch_get,
            "DescribeFileSystems": self._describe_file_systems,
            "PutEvents": lambda _: {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]},
        }

    def verdict(self, job: str) -> tuple[str | None, str]:
        """The validation status of a job and its message."""
        return (
            self.jobs[job].get("ValidationStatus"),
            self.jobs[job].get("ValidationStatusMessage", ""),
        )

    def _list_jobs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """One job a page."""
        assert given["ByRestoreTestingPlanArn"] == PLAN_ARN
        jobs = [
            job
            for job in self.jobs.values()
            if job["Status"] == given["ByStatus"] and job["CreationDate"] > given["ByCreatedAfter"]
        ]
        start = int(given.get("NextToken", "0"))
        answer: dict[str, Any] = {"RestoreJobs": jobs[start : start + 1]}
        if start + 1 < len(jobs):
            answer["NextToken"] = str(start + 1)
        return answer

    def _put_verdict(self, given: Mapping[str, Any]) -> dict[str, Any]:
        job = self.jobs[given["RestoreJobId"]]
        if job.get("ValidationStatus") != "VALIDATING":
            raise Refusal("InvalidRequestException", "The restore job takes no validation result")
        job["ValidationStatus"] = given["ValidationStatus"]
        job["ValidationStatusMessage"] = given["ValidationStatusMessage"]
        return {}

    def _table(self, name: str) -> Table:
        if name not in self.tables:
            raise Refusal("ResourceNotFoundException", f"Requested resource not found: {name}")
        return self.tables[name]

    def _describe_table(self, given: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(given["TableName"])
        return {
            "Table": {
                "TableName": given["TableName"],
                "KeySchema": [
                    {"AttributeName": name, "KeyType": role} for name, role, _ in table.keys
                ],
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": type_} for name, _, type_ in table.keys
                ],
                "ItemCount": 0,
            }
        }

    def _scan(self, given: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(given["TableName"])
        segments, segment = given.get("TotalSegments", 1), given.get("Segment", 0)
        held = table.items[segment::segments]
        start = 0
        if "ExclusiveStartKey" in given:
            keys = [table.identity(each) for each in held]
            start = keys.index(table.identity(given["ExclusiveStartKey"])) + 1
        page = held[start : start + min(PAGE, given.get("Limit", PAGE))]
        answer: dict[str, Any] = {"Count": len(page), "ScannedCount": len(page)}
        if given.get("Select") != "COUNT":
            answer["Items"] = page
        if start + len(page) < len(held):
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name, _, _ in table.keys}
        return answer

    def _batch_get(self, given: Mapping[str, Any]) -> dict[str, Any]:
        ((name, request),) = given["RequestItems"].items()
        table = self._table(name)
        wanted = request["Keys"]
        assert 1 <= len(wanted) <= 100
        assert all(key.keys() == {name for name, _, _ in table.keys} for key in wanted)
        if self.leaves_unprocessed:
            self.leaves_unprocessed -= 1
            return {"Responses": {}, "UnprocessedKeys": {name: {"Keys": wanted}}}
        half = len(wanted) // 2 if len(wanted) > 50 else len(wanted)
        identities = [table.identity(key) for key in wanted[:half]]
        answer: dict[str, Any] = {
            "Responses": {
                name: [each for each in table.items if table.identity(each) in identities]
            },
            "UnprocessedKeys": {},
        }
        if half < len(wanted):
            answer["UnprocessedKeys"] = {name: {"Keys": wanted[half:]}}
        return answer

    def _describe_file_systems(self, given: Mapping[str, Any]) -> dict[str, Any]:
        identity = given["FileSystemId"]
        if identity not in self.file_systems:
            raise Refusal("FileSystemNotFound", f"File system '{identity}' does not exist.", 404)
        found = self.file_systems[identity]
        size: dict[str, Any] = {"Value": found.size}
        if found.measured:
            size["Timestamp"] = found.measured
        return {
            "FileSystems": [
                {
                    "OwnerId": "123456789012",
                    "CreationToken": identity,
                    "FileSystemId": identity,
                    "CreationTime": COMPLETED,
                    "LifeCycleState": found.state,
                    "NumberOfMountTargets": 0,
                    "SizeInBytes": size,
                    "PerformanceMode": "generalPurpose",
                    "Encrypted": found.encrypted,
                    "Tags": [],
                }
            ]
        }


def _job(identity: str, kind: str, live: str, restored: str) -> dict[str, Any]:
    return {
        "RestoreJobId": identity,
        "ResourceType": kind,
        "SourceResourceArn": ARNS[kind] + live,
        "CreatedResourceArn": ARNS[kind] + restored,
        "Status": "COMPLETED",
        "PercentDone": "100.00%",
        "CreationDate": COMPLETED - timedelta(minutes=40),
        "CompletionDate": COMPLETED,
        "ValidationStatus": "VALIDATING",
    }


def completed(job: Mapping[str, Any], **changes: Any) -> Event:
    """AWS Backup's event at the end of a restore, some minutes late."""
    detail = {
        "restoreJobId": job["RestoreJobId"],
        "resourceType": job["ResourceType"],
        "status": "COMPLETED",
        "sourceResourceArn": job["SourceResourceArn"],
        "createdResourceArn": job["CreatedResourceArn"],
        "completionDate": "2026-02-01T06:40:00.000Z",
        "restoreTestingPlanArn": PLAN_ARN,
        "validationStatus": "VALIDATING",
    } | changes
    return {
        "source": "aws.backup",
        "detail-type": "Restore Job State Change",
        "time": "2026-02-01T06:45:00Z",
        "detail": {name: value for name, value in detail.items() if value is not None},
    }


def scheduled(time: str = "2026-02-01T10:00:00Z") -> Event:
    """EventBridge's event at the schedule."""
    return {"source": "aws.events", "detail-type": "Scheduled Event", "time": time, "detail": {}}
