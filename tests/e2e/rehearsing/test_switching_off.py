"""What listens can be switched off again, and nothing of it stays."""

from __future__ import annotations

from tests.sandbox.deployment import Deployment


def test_nothing_is_left_when_it_is_switched_off(
    listening_from_noon: tuple[Deployment, str],
) -> None:
    deployment, checkpoint = listening_from_noon
    sandbox = deployment.sandbox
    sandbox.rollback(checkpoint)
    assert sandbox.client("backup").list_restore_testing_plans()["RestoreTestingPlans"]

    deployment.deploy_assembly()

    assert sandbox.client("backup").list_restore_testing_plans()["RestoreTestingPlans"] == []
    assert sandbox.client("events").list_rules()["Rules"] == []
    functions = sandbox.client("lambda").list_functions()["Functions"]
    assert sorted(each["Handler"] for each in functions) == [
        "cabal_backup.functions.opt_in.handler",
        "cabal_backup.functions.role_check.handler",
    ]
    assert len(sandbox.client("logs").describe_log_groups()["logGroups"]) == 2
    plans = sandbox.client("backup").list_backup_plans()["BackupPlansList"]
    assert [plan["BackupPlanName"] for plan in plans] == ["cabal-backup-plan"]
