"""An environment whose nights are also copied to an air-gapped vault, shared with an account."""

from __future__ import annotations

from dataclasses import replace

import pytest
from local_aws.client import Sandbox

from tests.e2e.operator import Operator
from tests.e2e.prepared import prepare
from tests.sandbox.deployment import Deployment

SECOND = "210987654321"
"""The account that the vault is shared with."""

VAULT, REGION = "cabal-backup-air-gapped", "us-west-2"


@pytest.fixture(scope="session")
def first_air_gapped(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """A deployment to which the vault was added, and the checkpoint right after."""
    deployment, checkpoint = first_deployment
    settings = (("air_gapped", "true"), ("air_gapped_share_with", SECOND))
    deployment = replace(deployment, settings=settings)

    def add() -> None:
        deployment.sandbox.rollback(checkpoint)
        deployment.deploy_assembly()

    _, made = prepare(deployment.sandbox, "air-gapped", add, deployment.cabal.file_system_id)
    return deployment, made


@pytest.fixture
def air_gapped(first_air_gapped: tuple[Deployment, str]) -> Deployment:
    """`development` with the vault, which was just created; half a day before the first night."""
    deployment, checkpoint = first_air_gapped
    deployment.sandbox.rollback(checkpoint)
    return deployment


@pytest.fixture
def operator(
    air_gapped: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    return Operator(air_gapped, monkeypatch, capsys)


def accept(sandbox: Sandbox) -> None:
    """Accept the newest invitation in the second account."""
    ram = sandbox.client("ram", REGION, SECOND)
    (invitation,) = [
        each
        for each in ram.get_resource_share_invitations()["resourceShareInvitations"]
        if each["status"] == "PENDING"
    ]
    ram.accept_resource_share_invitation(
        resourceShareInvitationArn=invitation["resourceShareInvitationArn"]
    )
