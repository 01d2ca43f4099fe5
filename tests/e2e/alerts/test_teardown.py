"""Taking down an environment with a third stack leaves nothing of it behind (S25, S26)."""

from __future__ import annotations

import pytest

from tests.e2e.alerts.conftest import IAM_REGION, REGIONS, Watched, topic
from tests.e2e.operator import Operator
from tests.sandbox.deployment import PROJECT


def stacks(watched: Watched) -> set[str]:
    return {
        stack["StackName"]
        for region in (*REGIONS, IAM_REGION)
        for stack in watched.client("cloudformation", region).describe_stacks()["Stacks"]
        if stack["StackName"] != "CDKToolkit" and stack["StackStatus"] != "DELETE_COMPLETE"
    }


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_all_three_stacks_go(
    just_deployed: Watched,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wanted: str,
) -> None:
    """Also when the setting that made the third one has gone already."""
    operator = Operator(just_deployed.deployment, monkeypatch, capsys)
    settings = just_deployed.deployment.context_arguments(
        alerts="true", alert_on_role_changes=wanted
    )
    options = ["--project", str(PROJECT), "-e", "development", *settings, "--yes"]
    before = stacks(just_deployed)

    assert operator.type("unlock", "--reason", "a test", *options).code == 0
    said = operator.type("teardown", "destroy", *options)

    assert said.code == 0, said
    assert before == {"cabal-backup", "cabal-backup-dr", "cabal-backup-role-changes"}
    assert stacks(just_deployed) == set()
    for region in REGIONS:
        topics = just_deployed.client("sns", region).list_topics()["Topics"]
        assert topic(region) not in {each["TopicArn"] for each in topics}
        assert just_deployed.client("cloudwatch", region).describe_alarms()["MetricAlarms"] == []
    if wanted == "true":
        assert "no stack cabal-backup-role-changes in us-east-1" in said.out + said.err
