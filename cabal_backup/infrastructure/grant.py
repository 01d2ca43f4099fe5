"""Statements of policies, and why the findings of the rule packs are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

from aws_cdk import Acknowledgment, Aws, CfnResource, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cabal_backup import names

_WILDCARDS = {
    "*": "These actions list or describe, some of them across the account (alarms, file systems), "
    "or the Service Authorization Reference knows no resource for them. Only the opt-in and a "
    "restore test's verdict set something.",
    "backup:recovery-point:": "AWS Backup generates a recovery point's ARN, which contains neither "
    "its vault nor its resource, and there is no condition key for either.",
    "backup:legal-hold:": "AWS Backup generates the ids of legal holds, also of those that are not "
    "placed by this tool.",
    "backup:backup-plan:": "A plan's ARN ends with an id that AWS Backup generates. The actions "
    "only read plans and what they select, also those of others.",
    "backup:backup-vault:": "The role is deleted only when no vault holds a recovery point that "
    "AWS Backup could not expire without it. The action only lists.",
    "backup:restore-testing-plan:": "AWS Backup ends the ARN of a restore testing plan with an id "
    "that it generates. The plan's name, or in the DR region how the names of both plans begin, is "
    "the environment's own.",
    "cloudformation:stack/": "CloudFormation ends a stack's ARN with an id that it generates; the "
    "names are those of the environment's stacks.",
    "cloudtrail:trail/": "The account decides which trail logs the events of a region: it may be "
    "in another region, under any name, or belong to the organization's management account. The "
    "actions read what it logs, not what it has logged.",
    "dynamodb:table/awsbackup-restore-test-": "AWS Backup gives every table it restores for a "
    "test a new random name that begins like this, and nothing else has such names.",
    "dynamodb:table/": "Cabal's tables begin with cabal-. The tool names a table it makes after "
    "the live one, with a word and the moment, and DynamoDB its backups below the table's name.",
    "ec2:": "A mount target is a network interface that EFS makes in the subnets of the one "
    "before, or of a network in the DR region, whose ids are not known here.",
    "elasticfilesystem:": "EFS generates the ids of a restored file system and of its access "
    "points. Where a policy may change them, a condition excludes file systems of another name, "
    "and a denial the mailstore.",
    "events:rule/": "The rules of the alerts have fixed names that begin like this. The action "
    "reads the target of a rule.",
    "kms:key/": "KMS generates the ids of keys, and a vault or a table may get another key, which "
    "is then checked. The action reads a key's state and decrypts nothing.",
    "ssm:parameter/cdk-bootstrap/": "An account may have CDK's bootstrap under another qualifier. "
    "The parameter is the number of its version.",
}
"""Why a resource is not named, by how its service and name begin; the first that fits counts."""


@dataclass(frozen=True)
class Grant:
    """One statement; without a Sid, because IAM limits a policy's length."""

    services: str
    """The actions, by service: `"backup: ListBackupPlans ListTags sns: Publish"`."""
    resources: Sequence[str]
    """ARNs, or `*`; without any there is no statement."""
    _: KW_ONLY
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)
    deny: bool = False


def pass_role(role_arn: str, to: str | Sequence[str] = "backup.amazonaws.com") -> Grant:
    """Pass a role to AWS Backup, and to no other service.

    :param to: as which services AWS Backup receives it. Default: the one for backup plans and for
        all jobs.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_backup.html
    """
    passed = {"StringEquals": {"iam:PassedToService": to}}
    return Grant("iam: PassRole", [role_arn], conditions=passed)


def announce(*buses: str) -> Grant:
    """Putting events of our own source, and no others, on event buses."""
    own = {"StringEquals": {"events:source": names.EVENT_SOURCE}}
    return Grant("events: PutEvents", buses, conditions=own)


def statements(grants: Sequence[Grant]) -> list[iam.PolicyStatement]:
    """As CDK has them; of grants without a resource there are none."""
    return [
        iam.PolicyStatement(
            effect=iam.Effect.DENY if grant.deny else iam.Effect.ALLOW,
            actions=list(_actions(grant.services)),
            resources=list(grant.resources),
            conditions=grant.conditions,
        )
        for grant in grants
        if grant.resources
    ]


def managed_policy(
    scope: Construct,
    id: str,
    grants: Sequence[Grant],
    *,
    description: str,
    role: iam.IRole | None = None,
    name: str | None = None,
) -> iam.ManagedPolicy:
    """A policy of exactly these statements; cdk-nag gets the reasons of their wildcards.

    :param role: what it is attached to. Default: nothing.
    :param name: its name. Default: one that CloudFormation makes up.

    Raises ValueError for a wildcard without a reason.
    """
    policy = iam.ManagedPolicy(
        scope,
        id,
        description=description,
        document=iam.PolicyDocument(minimize=False, statements=statements(grants)),
        managed_policy_name=name,
        roles=[role] if role else None,
    )
    granted = [each for grant in grants if not grant.deny for each in grant.resources]
    for resource in dict.fromkeys(each for each in granted if "*" in each):
        # Tokens as cdk-nag prints them.
        printed = resource.replace(Aws.PARTITION, "<AWS::Partition>")
        printed = printed.replace(Aws.ACCOUNT_ID, "<AWS::AccountId>")
        acknowledge(policy, _why(resource), f"AwsSolutions-IAM5[Resource::{printed}]")
    return policy


def acknowledge(construct: IConstruct, reason: str, *rules: str) -> None:
    """Accept findings on one construct.

    :param construct: the construct the findings are about, and no larger one.
    :param reason: why they are right as they are, for an auditor.
    :param rules: ids of cdk-nag, as synthesis prints them after "Acknowledge with" but without
        the pack before the `::`, and of checkov (CKV_AWS_…).

    https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
    """
    for rule in rules:
        if not rule.startswith("CKV"):
            pack = rule.split("[")[0].rpartition("-")[0]
            accepted = Acknowledgment(id=f"{pack}::{rule}", reason=reason)
            Validations.of(construct).acknowledge(accepted)
            continue
        resource = construct.node.default_child
        if not isinstance(resource, CfnResource):
            raise ValueError(f"{rule} can be acknowledged on a resource only, got {construct}")
        skipped = (resource.get_metadata("checkov") or {"skip": []})["skip"]
        skip = [*skipped, {"id": rule, "comment": reason}]
        resource.add_metadata("checkov", {"skip": skip})


def _why(resource: str) -> str:
    name = ":".join(resource.split(":", 5)[2::3]) or resource
    for start, reason in _WILDCARDS.items():
        if name.startswith(start):
            return reason
    raise ValueError(f"_WILDCARDS does not say why {resource} is not named")


def _actions(services: str) -> Iterator[str]:
    prefix = ""
    for word in services.split():
        if word.endswith(":"):
            prefix = word
        else:
            yield f"{prefix}{word}"
