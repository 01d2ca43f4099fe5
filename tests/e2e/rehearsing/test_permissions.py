"""With IAM asked for every call: the functions may do all they do, under their own roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from local_aws.client import Sandbox
from local_aws.pytest_plugin import START

from tests.e2e.assembly import synthesize_here
from tests.e2e.prepared import bootstrapped, prepare
from tests.e2e.rehearsing.conftest import MORNING, SETTINGS
from tests.sandbox import cabal
from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import Deployment


@pytest.fixture(scope="module")
def guarded() -> Iterator[Deployment]:
    """The deployment on a sandbox that evaluates policies."""
    with Sandbox.start(start=START, auth=True) as sandbox:

        def deploy() -> Cabal:
            sandbox.rollback(bootstrapped(sandbox, sandbox.checkpoint()))
            filled = cabal.fill(sandbox, addresses=200, users=2, messages_per_user=5)
            deployment = Deployment(sandbox, filled, synthesize=synthesize_here)
            deployment.deploy_assembly(**SETTINGS, alerts="true")
            return filled

        filled, checkpoint = prepare(sandbox, "rehearsing-guarded", deploy)
        sandbox.rollback(checkpoint)
        yield Deployment(sandbox, filled.found_in(sandbox))


def test_a_night_and_its_restore_tests_end_well(guarded: Deployment) -> None:
    sandbox = guarded.sandbox
    sandbox.advance_to(MORNING + timedelta(hours=8))
    jobs = sandbox.client("backup").list_restore_jobs()["RestoreJobs"]
    verdicts = {job["ResourceType"]: job.get("ValidationStatus") for job in jobs}
    assert verdicts == {"DynamoDB": "SUCCESSFUL", "EFS": "SUCCESSFUL"}
    denied = [each for each in sandbox.decisions() if not each["allowed"]]
    assert denied == []


def test_a_permission_taken_away_is_the_verdict(guarded: Deployment) -> None:
    """The policy of the function that judges no longer lets it read items."""
    sandbox = guarded.sandbox
    iam = sandbox.client("iam")
    (function,) = (
        each
        for each in sandbox.client("lambda").list_functions()["Functions"]
        if each["Handler"] == "cabal_backup.functions.validate_restore.handler"
    )
    role = function["Role"].rpartition("/")[2]
    iam.put_role_policy(
        RoleName=role,
        PolicyName="forbidden",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Deny",'
        '"Action":"dynamodb:Scan","Resource":"*"}]}',
    )
    sandbox.advance(days=1)
    jobs = sandbox.client("backup").list_restore_jobs(ByResourceType="DynamoDB")["RestoreJobs"]
    newest = max(jobs, key=lambda job: job["CreationDate"])
    assert newest["ValidationStatus"] == "FAILED"
    assert "dynamodb:Scan" in newest["ValidationStatusMessage"]
    asked = {(each["action"], each["allowed"]) for each in sandbox.decisions()}
    assert ("dynamodb:Scan", False) in asked
    assert ("events:PutEvents", True) in asked
    assert ("events:PutEvents", False) not in asked


def invoke_watch(sandbox: Sandbox) -> Any:
    answer = sandbox.client("lambda").invoke(FunctionName="cabal-backup-watch")
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def test_the_watch_needs_the_auditors_permissions_and_no_others(guarded: Deployment) -> None:
    found, error = invoke_watch(guarded.sandbox)
    assert error is None, found
    unknown = [each["check"] for each in found["findings"] if each["status"] == "unknown"]
    assert unknown == []
    denied = [
        each
        for each in guarded.sandbox.decisions()
        if not each["allowed"] and each["action"] != "dynamodb:Scan"
    ]
    assert denied == []


def test_a_watch_without_its_permissions_fails(guarded: Deployment) -> None:
    sandbox = guarded.sandbox
    iam = sandbox.client("iam")
    configuration = sandbox.client("lambda").get_function_configuration(
        FunctionName="cabal-backup-watch"
    )
    role = configuration["Role"].rpartition("/")[2]
    for policy in (
        iam.get_paginator("list_attached_role_policies")
        .paginate(RoleName=role)
        .build_full_result()["AttachedPolicies"]
    ):
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    found, error = invoke_watch(sandbox)
    assert error is not None, found
    assert "AccessDenied" in found["errorMessage"]
