"""Every command works under its policy, and the policy holds what the commands use: no more."""

from __future__ import annotations

import json

import pytest

from tests.e2e.access.commands import USES, Role, brought_back, commands_that_talk_to_aws
from tests.e2e.access.conftest import AllUses, Guarded
from tests.e2e.access.people import Desk
from tests.e2e.exercise import newest_point

POLICIES = {
    Role.AUDITOR: "cabal-backup-auditor",
    Role.OPERATOR: "cabal-backup-operator",
    Role.BREAK_GLASS: "cabal-backup-break-glass",
}


def test_every_command_has_a_role_that_may_use_it() -> None:
    """When not: give it an entry in USES of commands.py."""
    assert USES.keys() == commands_that_talk_to_aws()


@pytest.mark.parametrize("command", USES)
def test_it_works_under_its_policy(used: AllUses, command: str) -> None:
    for use in used.of(command):
        assert use.denied == []
        assert use.failure == ""
        assert use.actions


@pytest.mark.parametrize("role", Role)
def test_its_policy_allows_what_the_commands_use_and_nothing_else(
    guarded: Guarded, used: AllUses, role: Role
) -> None:
    """When not: docs and infrastructure/access_grants.py lack it, or no command needs it."""
    asked = used.actions(role)
    held = actions_in_the_policy(guarded, role)
    # The operator has the auditor's policy as well.
    beside = actions_in_the_policy(guarded, Role.AUDITOR) if role is Role.OPERATOR else set()
    assert sorted(held - asked) == []
    assert sorted(asked - held - beside) == []


def test_the_operator_restores_where_the_copies_are(guarded: Guarded) -> None:
    """A copy in cold storage cannot be copied back: docs/runbooks/lose-a-region.md."""
    sandbox, operator = guarded.rewound().sandbox, guarded.people[Role.OPERATOR]
    point = newest_point(sandbox, "DynamoDB", vault="cabal-backup-dr", region="us-west-2")
    restored = "cabal-addresses-restored-20260104-120000"
    operator.client("backup", "us-west-2").start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        ResourceType="DynamoDB",
        Metadata={"targetTableName": restored},
    )
    sandbox.advance(hours=1)
    dynamodb = operator.client("dynamodb", "us-west-2")
    assert dynamodb.scan(TableName=restored)["Count"] == 60
    dynamodb.delete_table(TableName=restored)


def test_without_their_tags_recovery_points_are_treated_as_anothers(guarded: Guarded) -> None:
    """As with a policy of an earlier version, which reads the tags of vaults only."""
    desk = Desk(guarded.rewound().deployment, guarded.people[Role.BREAK_GLASS])
    brought_back(desk)
    name = {"PolicyArn": f"arn:aws:iam::123456789012:policy/{POLICIES[Role.BREAK_GLASS]}"}
    iam = desk.root("iam")
    version = iam.get_policy(**name)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(**name, VersionId=version)["PolicyVersion"]["Document"]
    (tags,) = (one for one in document["Statement"] if one["Action"] == "backup:ListTags")
    document["Statement"].remove(tags)
    iam.create_policy_version(**name, PolicyDocument=json.dumps(document), SetAsDefault=True)

    said = desk.run("teardown plan")

    assert said.code == 0, said.err
    assert "1 recovery point of another resource, arn:aws:dynamodb:us-west-2:" in said.out
    assert "backup:ListTags" in said.out


def actions_in_the_policy(guarded: Guarded, role: Role) -> set[str]:
    iam = guarded.rewound().sandbox.client("iam")
    arn = f"arn:aws:iam::123456789012:policy/{POLICIES[role]}"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    found: set[str] = set()
    for statement in document["Statement"]:
        actions = statement["Action"]
        found |= {actions} if isinstance(actions, str) else set(actions)
    return found
