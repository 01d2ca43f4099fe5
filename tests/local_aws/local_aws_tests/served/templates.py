"""CloudFormation templates and stacks for the tests of the resource types."""

from __future__ import annotations

import json
import time
from typing import Any

from local_aws_tests import HUNG_SECONDS

Properties = dict[str, Any]
Template = dict[str, Any]

ROLE_ARN = "arn:aws:iam::123456789012:role/a-backup-role"

TRUST_BACKUP = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "backup.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def template(outputs: dict[str, Any] | None = None, **resources: Any) -> Template:
    """A template of these resources; `outputs` has the values to read."""
    made: Template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    if outputs:
        made["Outputs"] = {name: {"Value": value} for name, value in outputs.items()}
    return made


def resource(kind: str, properties: Properties, **attributes: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties, **attributes}


def vault(name: str = "a-vault", **properties: Any) -> dict[str, Any]:
    return resource("AWS::Backup::BackupVault", {"BackupVaultName": name, **properties})


def role(name: str = "a-backup-role") -> dict[str, Any]:
    policy = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    properties = {
        "RoleName": name,
        "AssumeRolePolicyDocument": TRUST_BACKUP,
        "ManagedPolicyArns": [policy],
    }
    return resource("AWS::IAM::Role", properties)


def plan(name: str = "a-plan", vault_name: str = "a-vault", days: int = 35) -> dict[str, Any]:
    rule = {
        "RuleName": "nightly",
        "TargetBackupVault": vault_name,
        "ScheduleExpression": "cron(0 0 * * ? *)",
        "Lifecycle": {"DeleteAfterDays": days},
    }
    document = {"BackupPlanName": name, "BackupPlanRule": [rule]}
    return resource("AWS::Backup::BackupPlan", {"BackupPlan": document}, DependsOn="Vault")


def selection(*arns: str, name: str = "a-selection") -> dict[str, Any]:
    body = {
        "SelectionName": name,
        "IamRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "Resources": list(arns),
    }
    properties = {"BackupPlanId": {"Ref": "Plan"}, "BackupSelection": body}
    return resource("AWS::Backup::BackupSelection", properties)


class Stack:
    """One stack; every change waits for its end."""

    def __init__(self, cloudformation: Any, name: str = "a-stack") -> None:
        self._cloudformation = cloudformation
        self._id = ""
        self.name = name

    def create(self, body: Template) -> str:
        made = self._cloudformation.create_stack(
            StackName=self.name,
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        self._id = made["StackId"]
        return self._settled()

    def update(self, body: Template) -> str:
        self._cloudformation.update_stack(
            StackName=self.name,
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return self._settled()

    def delete(self) -> str:
        self._cloudformation.delete_stack(StackName=self.name)
        return self._settled()

    def import_resources(self, body: Template, *resources: dict[str, Any]) -> str:
        made = self._cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName="import",
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps(body),
            ResourcesToImport=list(resources),
        )
        self._id = made["StackId"]
        self._cloudformation.execute_change_set(StackName=self.name, ChangeSetName="import")
        return self._settled()

    def changes(self, body: Template) -> list[dict[str, Any]]:
        """The changes of a change set to `body`."""
        self._cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName="look",
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        found = self._cloudformation.describe_change_set(StackName=self.name, ChangeSetName="look")
        self._cloudformation.delete_change_set(StackName=self.name, ChangeSetName="look")
        return [change["ResourceChange"] for change in found["Changes"]]

    def outputs(self) -> dict[str, str]:
        stack = self._describe()
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def physical_id(self, logical_id: str) -> str:
        found = self._cloudformation.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def reasons(self) -> str:
        """All reasons in the stack's events."""
        events = self._cloudformation.describe_stack_events(StackName=self._id)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def _settled(self) -> str:
        deadline = time.monotonic() + HUNG_SECONDS
        while time.monotonic() < deadline:
            stack = self._cloudformation.describe_stacks(StackName=self._id)["Stacks"][0]
            status = str(stack["StackStatus"])
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.02)
        raise AssertionError(f"{self.name} is still {status}")

    def _describe(self) -> dict[str, Any]:
        found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][
            0
        ]
        return found
