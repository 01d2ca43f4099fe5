"""Each step out of order is refused, and nothing changes: S25, S26."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.e2e.audit import changes_since
from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.teardown.conftest import Remover
from tests.e2e.teardown.left import NOTHING, everything, tag_everything, what_is_live
from tests.e2e.terminal import type_answers
from tests.sandbox.deployment import DeploymentFailed

UNLOCK = ("unlock", "--reason", "a test")
DELETE = ("teardown delete-recovery-points",)
DESTROY = ("teardown destroy",)
STEPS = {"unlock": UNLOCK, "delete": DELETE, "destroy": DESTROY}


def refused(remover: Remover, *command: str) -> str:
    """The words of a refusal; nothing may have been changed by it."""
    before = everything(remover.deployment)
    remover.sandbox.advance(seconds=2)
    began = remover.sandbox.now()
    said = remover.run(*command, "--yes")
    assert said.code == 4, said
    assert changes_since(remover.sandbox, began) == []
    assert everything(remover.deployment) == before
    return said.err


def up_to(remover: Remover, step: str) -> None:
    """Everything before this step is done."""
    for name, command in STEPS.items():
        if name == step:
            return
        assert remover.run(*command, "--yes").code == 0


def test_step_by_step_from_everything_to_nothing(remover: Remover) -> None:
    deployment, live = remover.deployment, what_is_live(remover.deployment)
    overview = remover.run("teardown plan").out
    assert "the backups of 10 nights" in overview
    assert "expires by itself on 2027-01-11" in overview
    assert overview.index("cabal-backup unlock") < overview.index("delete-recovery-points")

    assert "Locked: cabal-backup in us-west-1 and cabal-backup-dr" in refused(remover, *DELETE)
    assert "40 recovery points" in refused(remover, *DESTROY)
    _destroying_by_hand_is_refused(remover)

    assert remover.run(*UNLOCK, "--yes").code == 0
    assert "40 recovery points" in refused(remover, *DESTROY)
    _destroying_by_hand_is_refused(remover)

    assert remover.run(*DELETE, "--yes").code == 0
    assert everything(deployment)["points"] == []
    with pytest.raises(DeploymentFailed, match=r"(?i)protect"):
        deployment.cdk("destroy", "development/*", "--force")
    assert set(everything(deployment)["locks"]) == set(VAULTS)

    said = remover.run(*DESTROY, "--yes")
    assert said.code == 0
    assert "advanced DynamoDB backup stays on" in said.out
    assert everything(deployment) == NOTHING
    assert what_is_live(deployment) == live
    for region, _ in VAULTS:
        settings = backup(deployment, region).describe_region_settings()
        assert settings["ResourceTypeManagementPreference"]["DynamoDB"] is True
    assert "Nothing is left" in remover.run("teardown plan").out


def _destroying_by_hand_is_refused(remover: Remover) -> None:
    """What `cdk destroy` does; with the CLI itself see test_lock.py, and below."""
    before = everything(remover.deployment)
    for region, stack in VAULTS:
        with pytest.raises(ClientError, match="TerminationProtection"):
            remover.sandbox.client("cloudformation", region).delete_stack(StackName=stack)
    assert everything(remover.deployment) == before


def test_the_plan_as_json(remover: Remover) -> None:
    shown = remover.run("teardown plan --json").json

    assert (shown["version"], shown["environment"]) == (1, "development")
    assert {(each["vault"], each["region"], each["locked"]) for each in shown["vaults"]} == {
        ("cabal-backup", "us-west-1", True),
        ("cabal-backup-dr", "us-west-2", True),
    }
    assert all(each["recovery_points"] > 0 for each in shown["vaults"])
    assert {each["region"] for each in shown["stacks"]} == {"us-west-1", "us-west-2"}
    assert any("cabal-backup unlock -e development" in each for each in shown["blockers"])


def test_with_one_lock_only_nothing_is_deleted(remover: Remover) -> None:
    assert remover.run(*UNLOCK, "--vault", "primary", "--yes").code == 0
    assert "Locked: cabal-backup-dr in us-west-2." in refused(remover, *DELETE)


def test_a_night_in_between_is_noticed(remover: Remover) -> None:
    up_to(remover, "destroy")
    remover.sandbox.run_nights(1)
    assert "4 recovery points" in refused(remover, *DESTROY)
    assert remover.run(*DELETE, "--yes").code == 0
    assert remover.run(*DESTROY, "--yes").code == 0


@pytest.mark.parametrize("step", STEPS)
def test_without_a_terminal_to_ask_on(remover: Remover, step: str) -> None:
    up_to(remover, step)
    before, began = everything(remover.deployment), remover.sandbox.advance(seconds=2)
    said = remover.run(*STEPS[step])
    assert said.code == 4
    assert "stdin is not a terminal, and --yes was not given" in said.err
    assert changes_since(remover.sandbox, began) == []
    assert everything(remover.deployment) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_dry_run_makes_not_one_mutating_call(remover: Remover, step: str) -> None:
    up_to(remover, step)
    before, began = everything(remover.deployment), remover.sandbox.advance(seconds=2)
    dry = remover.run(*STEPS[step], "--dry-run")
    assert dry.code == 0
    assert changes_since(remover.sandbox, began) == []
    assert everything(remover.deployment) == before
    # What is printed is the plan that is carried out.
    assert dry.out.splitlines()[0] in remover.run(*STEPS[step], "--yes").err
    assert changes_since(remover.sandbox, began) != []


@pytest.mark.parametrize("step", STEPS)
def test_the_environments_name_has_to_be_typed(
    remover: Remover, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    up_to(remover, step)
    before = everything(remover.deployment)
    for wrong in ("yes", "prod", ""):
        type_answers(monkeypatch, wrong)
        assert remover.run(*STEPS[step]).code == 4
        assert everything(remover.deployment) == before
    type_answers(monkeypatch, "development")
    assert remover.run(*STEPS[step]).code == 0
    assert everything(remover.deployment) != before


def test_prod_wants_the_number_of_points_too(
    remover: Remover, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remover.run(*UNLOCK, "--yes").code == 0
    tag_everything(remover.deployment, {"environment": "prod"})
    before = everything(remover.deployment)
    said = remover.run(*DELETE, "--yes", environment="prod")
    assert (said.code, "--points N" in said.err) == (4, True)
    said = remover.run(*DELETE, "--yes", "--points", "39", environment="prod")
    assert (said.code, "The plan has 40 recovery points, not 39" in said.err) == (4, True)
    type_answers(monkeypatch, "prod", "41")
    assert remover.run(*DELETE, environment="prod").code == 4
    assert everything(remover.deployment) == before
    type_answers(monkeypatch, "prod", "40")
    assert remover.run(*DELETE, environment="prod").code == 0
    assert everything(remover.deployment)["points"] == []


@pytest.mark.parametrize(
    ("step", "region"),
    [("unlock", "us-west-2"), ("delete", "us-west-1"), ("destroy", "us-west-2")],
)
def test_nothing_is_deleted_in_an_unreadable_region(
    remover: Remover, step: str, region: str
) -> None:
    up_to(remover, step)
    before, began = everything(remover.deployment), remover.sandbox.advance(seconds=2)
    said = remover.run(*STEPS[step], "--yes", "--assume-region-lost", region)
    assert said.code == 69
    assert f"{region} is assumed lost and was not asked" in said.err
    assert changes_since(remover.sandbox, began) == []
    assert everything(remover.deployment) == before
