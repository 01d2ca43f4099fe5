"""How CloudFormation creates, updates, deletes and imports each AWS::Backup resource.

And the resource shares of AWS RAM, which share its vaults.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from local_aws.backup.errors import ServiceError, not_found

Properties = Mapping[str, Any]
Made = tuple[str, dict[str, Any]]
"""A physical id (the value of Ref) and the attributes (the values of Fn::GetAtt)."""

_NUMBERS = frozenset(
    {
        "ChangeableForDays",
        "CompletionWindowMinutes",
        "DeleteAfterDays",
        "MaxRetentionDays",
        "MinRetentionDays",
        "MoveToColdStorageAfterDays",
        "SelectionWindowDays",
        "StartWindowHours",
        "StartWindowMinutes",
        "ValidationWindowHours",
    }
)
_BOOLEANS = frozenset({"EnableContinuousBackup", "OptInToArchiveForSupportedResources"})


class Backup(Protocol):
    """AWS Backup, called for the current stack."""

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]: ...


class ResourceType(ABC):
    """One resource type of the CloudFormation schema."""

    name: str
    create_only: tuple[str, ...]
    identifiers: tuple[str, ...]
    tags: tuple[str, str] | None = None
    """The tag property and its form ("map" or "list"), if the type has one."""

    def __init__(self, backup: Backup) -> None:
        self._backup = backup

    @abstractmethod
    def create(self, properties: Properties) -> Made: ...

    def update(self, physical_id: str, old: Properties, new: Properties) -> Made:
        """Update it in place; only for types with properties that are not create-only."""
        raise AssertionError(f"{physical_id}: {sorted({*old, *new})} are all create-only")

    @abstractmethod
    def delete(self, physical_id: str) -> None: ...

    @abstractmethod
    def adopt(self, identifier: Mapping[str, str]) -> Made:
        """The existing resource. Raises ServiceError if there is none."""

    def _retag(self, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        if removed := sorted(old.keys() - new.keys()):
            self._backup("UntagResource", ResourceArn=arn, TagKeyList=removed)
        if changed := {key: value for key, value in new.items() if old.get(key) != value}:
            self._backup("TagResource", ResourceArn=arn, Tags=changed)


class BackupVault(ResourceType):
    name = "AWS::Backup::BackupVault"
    create_only: tuple[str, ...] = ("BackupVaultName", "EncryptionKeyArn")
    identifiers = ("BackupVaultName",)
    tags = ("BackupVaultTags", "map")

    operation = "CreateBackupVault"
    also: tuple[str, ...] = ()
    """Further properties that the operation takes."""

    def create(self, properties: Properties) -> Made:
        name = str(properties["BackupVaultName"])
        made = self._backup(
            self.operation,
            **_present(
                BackupVaultName=name,
                EncryptionKeyArn=properties.get("EncryptionKeyArn"),
                BackupVaultTags=_tag_map(properties.get("BackupVaultTags")) or None,
                **{each: int(properties[each]) for each in self.also},
            ),
        )
        try:
            self._configure(name, {}, properties)
        except ServiceError:
            # Delete a vault that could not be completed.
            self._backup("DeleteBackupVault", BackupVaultName=name)
            raise
        return name, _vault_attributes(name, made["BackupVaultArn"])

    def update(self, physical_id: str, old: Properties, new: Properties) -> Made:
        arn = self._backup("DescribeBackupVault", BackupVaultName=physical_id)["BackupVaultArn"]
        self._retag(arn, _tag_map(old.get("BackupVaultTags")), _tag_map(new.get("BackupVaultTags")))
        self._configure(physical_id, old, new)
        return physical_id, _vault_attributes(physical_id, arn)

    def delete(self, physical_id: str) -> None:
        self._backup("DeleteBackupVault", BackupVaultName=physical_id)

    def adopt(self, identifier: Mapping[str, str]) -> Made:
        name = identifier["BackupVaultName"]
        found = self._backup("DescribeBackupVault", BackupVaultName=name)
        return name, _vault_attributes(name, found["BackupVaultArn"])

    def _configure(self, name: str, old: Properties, new: Properties) -> None:
        """Put a changed lock, access policy and notifications; delete removed ones."""
        if _changed("LockConfiguration", old, new):
            if lock := new.get("LockConfiguration"):
                self._backup(
                    "PutBackupVaultLockConfiguration", BackupVaultName=name, **_typed(lock)
                )
            else:
                self._backup("DeleteBackupVaultLockConfiguration", BackupVaultName=name)
        if _changed("AccessPolicy", old, new):
            if policy := new.get("AccessPolicy"):
                document = policy if isinstance(policy, str) else json.dumps(policy)
                self._backup("PutBackupVaultAccessPolicy", BackupVaultName=name, Policy=document)
            else:
                self._backup("DeleteBackupVaultAccessPolicy", BackupVaultName=name)
        if _changed("Notifications", old, new):
            if wanted := new.get("Notifications"):
                self._backup("PutBackupVaultNotifications", BackupVaultName=name, **_typed(wanted))
            else:
                self._backup("DeleteBackupVaultNotifications", BackupVaultName=name)


class LogicallyAirGappedBackupVault(BackupVault):
    """The stack does not wait until the vault is AVAILABLE; one with copies stays and fails."""

    name = "AWS::Backup::LogicallyAirGappedBackupVault"
    create_only = (
        "BackupVaultName",
        "EncryptionKeyArn",
        "MaxRetentionDays",
        "MinRetentionDays",
    )
    operation = "CreateLogicallyAirGappedBackupVault"
    also = ("MaxRetentionDays", "MinRetentionDays")


class ResourceShare(ResourceType):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ram-resourceshare.html"""

    name = "AWS::RAM::ResourceShare"
    create_only = ()
    identifiers = ("Arn",)
    tags = ("Tags", "list")

    def create(self, properties: Properties) -> Made:
        external = properties.get("AllowExternalPrincipals", True)
        tags = _tag_map(properties.get("Tags"))
        made = self._backup(
            "ram.CreateResourceShare",
            name=properties["Name"],
            allowExternalPrincipals=str(external).lower() == "true",
            principals=properties.get("Principals", []),
            resourceArns=properties.get("ResourceArns", []),
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        arn = str(made["resourceShare"]["resourceShareArn"])
        return arn, {"Arn": arn}

    def update(self, physical_id: str, old: Properties, new: Properties) -> Made:
        for operation, more, less in (
            ("ram.AssociateResourceShare", new, old),
            ("ram.DisassociateResourceShare", old, new),
        ):
            asked = {
                member: sorted(set(more.get(name, ())) - set(less.get(name, ())))
                for member, name in (("principals", "Principals"), ("resourceArns", "ResourceArns"))
            }
            if any(asked.values()):
                self._backup(operation, resourceShareArn=physical_id, **asked)
        return physical_id, {"Arn": physical_id}

    def delete(self, physical_id: str) -> None:
        self._backup("ram.DeleteResourceShare", resourceShareArn=physical_id)

    def adopt(self, identifier: Mapping[str, str]) -> Made:
        arn = identifier["Arn"]
        asked = {"resourceOwner": "SELF", "resourceShareStatus": "ACTIVE"}
        if not self._backup("ram.GetResourceShares", **asked, resourceShareArns=[arn])[
            "resourceShares"
        ]:
            raise not_found(f"ResourceShare {arn} could not be found")
        return arn, {"Arn": arn}


class BackupPlan(ResourceType):
    name = "AWS::Backup::BackupPlan"
    create_only = ()
    identifiers = ("BackupPlanId",)
    tags = ("BackupPlanTags", "map")

    def create(self, properties: Properties) -> Made:
        made = self._backup(
            "CreateBackupPlan",
            **_present(
                BackupPlan=_plan_document(properties["BackupPlan"]),
                BackupPlanTags=_tag_map(properties.get("BackupPlanTags")) or None,
            ),
        )
        return _plan(made)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Made:
        found = self._backup("GetBackupPlan", BackupPlanId=physical_id)
        if _changed("BackupPlan", old, new):
            found = self._backup(
                "UpdateBackupPlan",
                BackupPlanId=physical_id,
                BackupPlan=_plan_document(new["BackupPlan"]),
            )
        self._retag(
            found["BackupPlanArn"],
            _tag_map(old.get("BackupPlanTags")),
            _tag_map(new.get("BackupPlanTags")),
        )
        return _plan(found)

    def delete(self, physical_id: str) -> None:
        self._backup("DeleteBackupPlan", BackupPlanId=physical_id)

    def adopt(self, identifier: Mapping[str, str]) -> Made:
        return _plan(self._backup("GetBackupPlan", BackupPlanId=identifier["BackupPlanId"]))


class BackupSelection(ResourceType):
    """Immutable: any change replaces it.

    CloudFormation's `Id` has both ids. How it joins them is not documented; here with an
    underscore.
    """

    name = "AWS::Backup::BackupSelection"
    create_only = ("BackupPlanId", "BackupSelection")
    identifiers = ("Id",)

    def create(self, properties: Properties) -> Made:
        plan_id = str(properties["BackupPlanId"])
        document = _typed(properties["BackupSelection"])
        for condition in document.get("ListOfTags", ()):
            condition["ConditionType"] = condition["ConditionType"].upper()
        made = self._backup("CreateBackupSelection", BackupPlanId=plan_id, BackupSelection=document)
        return _selection(plan_id, made["SelectionId"])

    def delete(self, physical_id: str) -> None:
        plan_id, selection_id = physical_id.split("_", 1)
        self._backup("DeleteBackupSelection", BackupPlanId=plan_id, SelectionId=selection_id)

    def adopt(self, identifier: Mapping[str, str]) -> Made:
        plan_id, _, selection_id = identifier["Id"].partition("_")
        self._backup("GetBackupSelection", BackupPlanId=plan_id, SelectionId=selection_id)
        return _selection(plan_id, selection_id)


class RestoreTestingPlan(ResourceType):
    name = "AWS::Backup::RestoreTestingPlan"
    create_only = ("RestoreTestingPlanName",)
    identifiers = ("RestoreTestingPlanName",)
    tags = ("Tags", "list")

    def create(self, properties: Properties) -> Made:
        made = self._backup(
            "CreateRestoreTestingPlan",
            **_present(
                RestoreTestingPlan=_without(_typed(properties), "Tags"),
                Tags=_tag_map(properties.get("Tags")) or None,
            ),
        )
        return _testing_plan(made["RestoreTestingPlanName"], made["RestoreTestingPlanArn"])

    def update(self, physical_id: str, old: Properties, new: Properties) -> Made:
        made = self._backup(
            "UpdateRestoreTestingPlan",
            RestoreTestingPlanName=physical_id,
            RestoreTestingPlan=_without(_typed(new), "Tags", "RestoreTestingPlanName"),
        )
        arn = made["RestoreTestingPlanArn"]
        self._retag(arn, _tag_map(old.get("Tags")), _tag_map(new.get("Tags")))
        return _testing_plan(physical_id, arn)

    def delete(self, physical_id: str) -> None:
        self._backup("DeleteRestoreTestingPlan", RestoreTestingPlanName=physical_id)

    def adopt(self, identifier: Mapping[str, str]) -> Made:
        name = identifier["RestoreTestingPlanName"]
        found = self._backup("GetRestoreTestingPlan", RestoreTestingPlanName=name)
        return _testing_plan(name, found["RestoreTestingPlan"]["RestoreTestingPlanArn"])


class RestoreTestingSelection(ResourceType):
    name = "AWS::Backup::RestoreTestingSelection"
    create_only = (
        "ProtectedResourceType",
        "RestoreTestingPlanName",
        "RestoreTestingSelectionName",
    )
    identifiers = ("RestoreTestingPlanName", "RestoreTestingSelectionName")

    def create(self, properties: Properties) -> Made:
        plan = str(properties["RestoreTestingPlanName"])
        document = _without(_typed(properties), "RestoreTestingPlanName")
        self._backup(
            "CreateRestoreTestingSelection",
            RestoreTestingPlanName=plan,
            RestoreTestingSelection=document,
        )
        return f"{plan}|{document['RestoreTestingSelectionName']}", {}

    def update(self, physical_id: str, _old: Properties, new: Properties) -> Made:
        plan, selection = physical_id.split("|", 1)
        self._backup(
            "UpdateRestoreTestingSelection",
            RestoreTestingPlanName=plan,
            RestoreTestingSelectionName=selection,
            RestoreTestingSelection=_without(_typed(new), *self.create_only),
        )
        return physical_id, {}

    def delete(self, physical_id: str) -> None:
        plan, selection = physical_id.split("|", 1)
        self._backup(
            "DeleteRestoreTestingSelection",
            RestoreTestingPlanName=plan,
            RestoreTestingSelectionName=selection,
        )

    def adopt(self, identifier: Mapping[str, str]) -> Made:
        plan, selection = (identifier[name] for name in self.identifiers)
        self._backup(
            "GetRestoreTestingSelection",
            RestoreTestingPlanName=plan,
            RestoreTestingSelectionName=selection,
        )
        return f"{plan}|{selection}", {}


def resource_types(backup: Backup) -> Sequence[ResourceType]:
    return [
        BackupVault(backup),
        LogicallyAirGappedBackupVault(backup),
        ResourceShare(backup),
        BackupPlan(backup),
        BackupSelection(backup),
        RestoreTestingPlan(backup),
        RestoreTestingSelection(backup),
    ]


def _vault_attributes(name: str, arn: str) -> dict[str, Any]:
    return {"BackupVaultArn": arn, "BackupVaultName": name}


def _plan(answer: Mapping[str, Any]) -> Made:
    attributes = {name: answer[name] for name in ("BackupPlanArn", "BackupPlanId", "VersionId")}
    return str(answer["BackupPlanId"]), attributes


def _selection(plan_id: str, selection_id: str) -> Made:
    both = f"{plan_id}_{selection_id}"
    return both, {"Id": both, "BackupPlanId": plan_id, "SelectionId": selection_id}


def _testing_plan(name: str, arn: str) -> Made:
    return name, {"RestoreTestingPlanName": name, "RestoreTestingPlanArn": arn}


def _plan_document(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan in the API's form: CloudFormation has other names for the rules and their vault."""
    document: dict[str, Any] = _typed(plan)
    rules = document.pop("BackupPlanRule")
    document["Rules"] = [
        {
            ("TargetBackupVaultName" if name == "TargetBackupVault" else name): value
            for name, value in rule.items()
        }
        for rule in rules
    ]
    return document


def _typed(value: Any) -> Any:
    """Template values in the API's types: CloudFormation also accepts "30" and "true"."""
    if isinstance(value, Mapping):
        return {name: _typed_member(name, member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(member) for member in value]
    return value


def _typed_member(name: str, value: Any) -> Any:
    if name in _NUMBERS:
        return int(value)
    if name in _BOOLEANS:
        return str(value).lower() == "true"
    return _typed(value)


def _tag_map(tags: Any) -> dict[str, str]:
    """Tags by key, without those of CloudFormation (aws:cloudformation:…).

    AWS Backup's API refuses their prefix.
    """
    if not isinstance(tags, Mapping):
        tags = {tag["Key"]: tag["Value"] for tag in tags or ()}
    return {str(key): str(value) for key, value in tags.items() if not str(key).startswith("aws:")}


def _changed(name: str, old: Properties, new: Properties) -> bool:
    return bool(old.get(name) != new.get(name))


def _present(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _without(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in names}
