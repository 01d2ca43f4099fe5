"""The check that AWS Backup can use the role, over whole lives of its custom resource."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from cabal_backup.functions import role_check
from tests.unit.functions.aws import Account, Refusal, Wire, denied, wired
from tests.unit.functions.cloudformation import SIGNATURE, Resource, response_url

pytestmark = pytest.mark.usefixtures("slept")

PLAN = "0a1b2c3d-0000-0000-0000-000000000000"
ROLE = "arn:aws:iam::123456789012:role/cabal-backup-role"
NOTHING = "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-backup-role-check"
LIST, CREATE, DELETE = "ListBackupSelections", "CreateBackupSelection", "DeleteBackupSelection"
NOT_ASSUMABLE = Refusal(
    "InvalidParameterValueException", f"IAM Role {ROLE} cannot be assumed by AWS Backup"
)
NOT_AUTHORIZED = Refusal(
    "InvalidParameterValueException", f"IAM Role {ROLE} is not authorized to call tag:GetResources"
)
NO_PLAN = Refusal("ResourceNotFoundException", f"Backup plan {PLAN} does not exist")


class Plan(Account):
    """A backup plan with the selection of the deployment before."""

    def __init__(self) -> None:
        super().__init__()
        self.selections = {"s-0": "cabal-backup"}
        self.answers = {LIST: self._list, CREATE: self._create, DELETE: self._delete}

    def _list(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """One selection a page."""
        assert params["BackupPlanId"] == PLAN
        place = int(params.get("NextToken", 0))
        listed = list(self.selections.items())
        following = {"NextToken": str(place + 1)} if place + 1 < len(listed) else {}
        return {
            "BackupSelectionsList": [
                {"SelectionId": key, "SelectionName": name}
                for key, name in listed[place : place + 1]
            ],
            **following,
        }

    def _create(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        name = params["BackupSelection"]["SelectionName"]
        assert name not in self.selections.values()
        made = f"s-{len(self.calls)}"
        self.selections[made] = name
        return {"SelectionId": made, "BackupPlanId": PLAN, "CreationDate": datetime.now(UTC)}

    def _delete(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        del self.selections[params["SelectionId"]]
        return {}


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with wired() as wire:
        yield wire


@pytest.fixture
def plan(wire: Wire) -> Plan:
    wire.account = plan = Plan()
    return plan


@pytest.fixture(autouse=True)
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-1")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def resource(caplog: pytest.LogCaptureFixture) -> Iterator[Resource]:
    caplog.set_level(logging.INFO)
    properties = {"BackupPlanId": PLAN, "RoleArn": ROLE, "ResourceArn": NOTHING}
    with response_url() as url:
        yield Resource(role_check.handler, url, properties=properties)
    log = "\n".join(record.getMessage() for record in caplog.get_records("call"))
    assert log
    assert SIGNATURE not in log


def test_the_role_is_tried_with_a_selection_of_nothing_that_does_not_stay(
    resource: Resource, plan: Plan, slept: list[float]
) -> None:
    assert resource.create()["Status"] == "SUCCESS"
    (tried,) = plan.called(CREATE)
    assert tried["BackupPlanId"] == PLAN
    assert tried["BackupSelection"] == {
        "SelectionName": "cabal-backup-role-check",
        "IamRoleArn": ROLE,
        "Resources": [NOTHING],
    }
    assert plan.selections == {"s-0": "cabal-backup"}
    assert slept == []


@pytest.mark.parametrize(
    "refusal", [NOT_ASSUMABLE, NOT_AUTHORIZED, denied("iam:PassRole"), denied(f"backup:{CREATE}")]
)
def test_a_role_that_iam_does_not_return_yet_is_retried(
    resource: Resource, plan: Plan, slept: list[float], refusal: Refusal
) -> None:
    plan.refuse(CREATE, refusal, times=6)
    assert resource.create()["Status"] == "SUCCESS"
    assert slept == [1, 2, 4, 8, 15, 30]
    assert plan.selections == {"s-0": "cabal-backup"}


@pytest.mark.parametrize("operation", [LIST, DELETE])
def test_a_permission_of_the_handler_that_iam_does_not_apply_yet_is_retried(
    resource: Resource, plan: Plan, operation: str
) -> None:
    plan.refuse(operation, denied(f"backup:{operation}"), times=6)
    assert resource.create()["Status"] == "SUCCESS"
    assert plan.selections == {"s-0": "cabal-backup"}


def test_a_role_that_stays_unusable_fails_with_what_aws_backup_says(
    resource: Resource, plan: Plan, slept: list[float]
) -> None:
    plan.refuse(CREATE, NOT_ASSUMABLE)
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "cannot be assumed by AWS Backup" in answer["Reason"]
    assert sum(slept) == 90
    assert [each["Status"] for each in resource.answers] == ["FAILED", "SUCCESS"]


def test_the_selection_of_an_interrupted_run_is_deleted_by_the_next(
    resource: Resource, plan: Plan
) -> None:
    plan.refuse(DELETE, Refusal("InternalFailure", status=500), times=100)
    assert resource.create()["Status"] == "FAILED"
    assert "cabal-backup-role-check" in plan.selections.values()
    plan.refusals.clear()
    assert resource.create()["Status"] == "SUCCESS"
    assert plan.selections == {"s-0": "cabal-backup"}


def test_deletion_leaves_no_selection_that_keeps_the_plan(resource: Resource, plan: Plan) -> None:
    resource.create()
    plan.selections["s-left"] = "cabal-backup-role-check"
    assert resource.delete()["Status"] == "SUCCESS"
    assert plan.selections == {"s-0": "cabal-backup"}


def test_deletion_succeeds_where_the_plan_was_deleted(resource: Resource, plan: Plan) -> None:
    resource.create()
    plan.refuse(LIST, NO_PLAN)
    assert resource.delete()["Status"] == "SUCCESS"


# --- A restore testing plan

TESTING = {"RestoreTestingPlanName": "cabal_backup_dr", "RoleArn": ROLE, "ResourceArn": NOTHING}
CREATE_TEST, DELETE_TEST = "CreateRestoreTestingSelection", "DeleteRestoreTestingSelection"
NO_SELECTION = Refusal("ResourceNotFoundException", "There is no such selection")


class RestoreTests(Account):
    """A restore testing plan, with one selection of this handler at most."""

    def __init__(self) -> None:
        super().__init__()
        self.selections: set[str] = set()
        self.answers = {CREATE_TEST: self._create, DELETE_TEST: self._delete}

    def _create(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        name = params["RestoreTestingSelection"]["RestoreTestingSelectionName"]
        assert name not in self.selections
        self.selections.add(name)
        return {
            "CreationTime": datetime.now(UTC),
            "RestoreTestingPlanArn": "arn",
            "RestoreTestingPlanName": params["RestoreTestingPlanName"],
            "RestoreTestingSelectionName": name,
        }

    def _delete(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if params["RestoreTestingSelectionName"] not in self.selections:
            raise NO_SELECTION
        self.selections.remove(params["RestoreTestingSelectionName"])
        return {}


@pytest.fixture
def tested(wire: Wire) -> RestoreTests:
    wire.account = plan = RestoreTests()
    return plan


@pytest.mark.parametrize("left", [set(), {"cabal_backup_role_check"}], ids=["first", "again"])
def test_the_role_is_tried_with_a_testing_plan(
    resource: Resource, tested: RestoreTests, slept: list[float], left: set[str]
) -> None:
    resource.properties = TESTING
    tested.selections |= left
    tested.refuse(CREATE_TEST, NOT_ASSUMABLE, times=2)
    assert resource.create()["Status"] == "SUCCESS"
    assert tested.called(CREATE_TEST)[-1]["RestoreTestingSelection"] == {
        "RestoreTestingSelectionName": "cabal_backup_role_check",
        "ProtectedResourceType": "DynamoDB",
        "ProtectedResourceArns": [NOTHING],
        "IamRoleArn": ROLE,
    }
    assert tested.selections == set()
    assert slept == [1, 2]


def test_deletion_leaves_no_testing_selection(resource: Resource, tested: RestoreTests) -> None:
    resource.properties, resource.physical_id = TESTING, "backup-role-check"
    tested.selections.add("cabal_backup_role_check")
    assert resource.delete()["Status"] == "SUCCESS"
    assert tested.selections == set()
