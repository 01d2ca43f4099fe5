"""docs/access.md says whose each command is; its commands make the roles of these tests."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.access.commands import USES, Role
from tests.e2e.access.conftest import ACCESS, Guarded, typed
from tests.e2e.shell import sections
from tests.sandbox.deployment import PROJECT

TEXT = (PROJECT / ACCESS).read_text(encoding="utf-8")
ROLES = (Role.AUDITOR, Role.OPERATOR, Role.BREAK_GLASS)
POLICIES = {
    "cabal-auditor": {"cabal-backup-auditor"},
    "cabal-operator": {"cabal-backup-auditor", "cabal-backup-operator"},
    "cabal-break-glass": {"cabal-backup-break-glass"},
}


def test_its_table_is_the_one_the_commands_were_run_by() -> None:
    (table,) = re.findall(r"<!-- commands -->\n(.*?)<!-- /commands -->", TEXT, re.DOTALL)
    rows = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    said = {
        command: role
        for role, (_, _, commands) in zip(ROLES, rows, strict=True)
        for command in re.findall(r"`(.+?)`", commands)
    }
    expected = {command: uses[0].role for command, uses in USES.items()}
    # Watching is an option of `jobs`, not a command of its own.
    assert said == {**expected, "jobs watch": Role.OPERATOR}
    assert sum(commands.count("`") for _, _, commands in rows) == 2 * len(said)


def test_its_commands_give_each_role_its_policies(guarded: Guarded) -> None:
    iam = guarded.rewound().sandbox.client("iam")
    for role, policies in POLICIES.items():
        attached = (
            iam.get_paginator("list_attached_role_policies")
            .paginate(RoleName=role)
            .build_full_result()["AttachedPolicies"]
        )
        assert {policy["PolicyName"] for policy in attached} == policies


def test_only_break_glass_asks_for_a_code_when_it_is_assumed(guarded: Guarded) -> None:
    iam = guarded.rewound().sandbox.client("iam")
    asking = set()
    for role in POLICIES:
        trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        if trust["Statement"][0].get("Condition") == {
            "Bool": {"aws:MultiFactorAuthPresent": "true"}
        }:
            asking.add(role)
    assert asking == {"cabal-break-glass"}


def test_switched_off_and_on_again(guarded: Guarded, tmp_path: Path) -> None:
    deployment = guarded.rewound().deployment
    iam = deployment.sandbox.client("iam")

    typed(deployment.sandbox, sections(ACCESS)["Switch them off and on"], tmp_path)
    off = {policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]}
    deployment.deploy(access_policies="true")
    on = {policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]}

    assert on - off == set().union(*POLICIES.values())
