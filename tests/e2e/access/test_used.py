"""Every command works under its policy, and the policy holds what the commands use: no more."""

from __future__ import annotations

import pytest

from tests.e2e.access.commands import USES, Role, commands_that_talk_to_aws
from tests.e2e.access.conftest import AllUses, Guarded
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
