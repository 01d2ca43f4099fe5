"""Requests are checked against AWS's model; errors have AWS's form."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws.backup import Response
from local_aws.backup.coverage import as_markdown, coverage
from local_aws.backup.errors import ModelViolation, ServiceError
from local_aws.backup.model import model_of
from local_aws.backup.protocol import AnswerWriter
from local_aws.backup.readings import READINGS
from local_aws.backup.readings import as_markdown as readings_as_markdown
from local_aws.backup.settings import Settings
from local_aws_tests.unit.account import OPERATOR, PRIMARY, TABLE_ARN, VAULT, Account


def request(account: Account, method: str, path: str, body: Any = None, **query: str) -> Response:
    return account.service.handle(
        method=method,
        path=path,
        query={name: [value] for name, value in query.items()},
        body=b"" if body is None else json.dumps(body).encode(),
        headers={},
        scope=PRIMARY,
        principal=OPERATOR,
    )


def test_the_response_names_the_operation_and_its_parameters(account: Account) -> None:
    response = request(account, "PUT", "/backup-vaults/vault", {"CreatorRequestId": "request-1"})
    assert response.status == 200
    assert response.operation == "CreateBackupVault"
    assert response.parameters == {
        "BackupVaultName": "vault",
        "CreatorRequestId": "request-1",
    }
    assert response.error_code is None
    assert json.loads(response.body)["CreationDate"] == account.clock.now().timestamp()


def test_an_error_has_its_code_in_a_header_and_its_members_in_the_body(account: Account) -> None:
    response = request(account, "GET", "/backup-vaults/nowhere/recovery-points/")
    assert response.status == 400
    assert response.headers["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert response.error_code == "ResourceNotFoundException"
    assert response.operation == "ListRecoveryPointsByBackupVault"
    body = json.loads(response.body)
    assert body["Message"] == "Backup vault nowhere does not exist"
    assert body["Code"] == "ERROR_3101"


def test_an_arn_in_the_path_is_understood_encoded_and_decoded(account: Account) -> None:
    encoded = TABLE_ARN.replace(":", "%3A").replace("/", "%2F")
    for arn in (TABLE_ARN, encoded):
        response = request(account, "GET", f"/resources/{arn}/recovery-points/")
        assert response.operation == "ListRecoveryPointsByResource"
        assert response.parameters == {"ResourceArn": TABLE_ARN}


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "code"),
    [
        ("PUT", "/backup-jobs", {"BackupVaultName": VAULT}, {}, "MissingParameterValueException"),
        ("PUT", "/backup/plans", {}, {}, "MissingParameterValueException"),
        ("PUT", "/backup-vaults/v", {}, {}, "InvalidParameterValueException"),
        ("PUT", "/backup-vaults/a%20b", {}, {}, "InvalidParameterValueException"),
        ("PUT", "/backup-vaults/vault", {"Colour": "red"}, {}, "InvalidParameterValueException"),
        ("PUT", "/backup-vaults/ab", {"CreatorRequestId": 7}, {}, "InvalidParameterValueException"),
        ("PUT", "/backup-vaults/vault", [], {}, "SerializationException"),
        ("GET", "/backup-jobs", None, {"maxResults": "1001"}, "InvalidParameterValueException"),
        ("GET", "/backup-jobs", None, {"maxResults": "0"}, "InvalidParameterValueException"),
        ("GET", "/backup-jobs", None, {"maxResults": "many"}, "InvalidParameterValueException"),
        ("GET", "/backup-jobs", None, {"state": "DONE"}, "InvalidParameterValueException"),
        ("GET", "/backup-jobs", None, {"createdAfter": "soon"}, "InvalidParameterValueException"),
        ("GET", "/backup-jobs", None, {"colour": "red"}, "InvalidParameterValueException"),
        ("GET", "/no/such/path", None, {}, "UnknownOperationException"),
        ("GET", "/audit/report-jobs", None, {}, "UnsupportedOperationException"),
    ],
)  # fmt: skip
def test_requests_that_do_not_fit_the_model_are_refused(
    account: Account, method: str, path: str, body: Any, query: dict[str, str], code: str
) -> None:
    response = request(account, method, path, body, **query)
    assert response.error_code == code, response.body
    assert response.status >= 400


def test_boto3_sees_the_exceptions_of_the_model(account: Account) -> None:
    account.primary.create_backup_vault(BackupVaultName=VAULT)
    with pytest.raises(account.primary.exceptions.AlreadyExistsException) as refused:
        account.primary.create_backup_vault(BackupVaultName=VAULT)
    assert refused.value.response["Arn"].endswith(f":backup-vault:{VAULT}")


def test_an_answer_that_does_not_fit_the_model_is_a_bug() -> None:
    model = model_of("backup")
    writer = AnswerWriter(model)
    route = model.route("DescribeBackupVault")
    for answer in ({"Colour": "red"}, {"NumberOfRecoveryPoints": "1"}, {"VaultType": "ROUND"}):
        with pytest.raises(ModelViolation):
            writer.write(route, answer)
    with pytest.raises(ModelViolation):
        writer.write(model.route("GetRestoreTestingPlan"), {})
    with pytest.raises(ModelViolation):
        writer.write(model.route("DeleteBackupVault"), {"BackupVaultName": VAULT})


def test_calls_from_python_are_checked_like_requests(account: Account) -> None:
    made = account.service.call("CreateBackupVault", PRIMARY, BackupVaultName=VAULT)
    assert made["CreationDate"] == account.clock.now()
    with pytest.raises(ServiceError) as refused:
        account.service.call("CreateBackupVault", PRIMARY, BackupVaultName="not a name")
    assert refused.value.code == "InvalidParameterValueException"


def test_pages_have_the_requested_size_and_tokens_fit_only_their_list(account: Account) -> None:
    for number in range(5):
        account.primary.create_backup_vault(BackupVaultName=f"vault-{number}")
    pages = account.primary.get_paginator("list_backup_vaults").paginate(
        PaginationConfig={"PageSize": 2}
    )
    names = [[vault["BackupVaultName"] for vault in page["BackupVaultList"]] for page in pages]
    assert [len(page) for page in names] == [2, 2, 1]
    assert sorted(name for page in names for name in page) == [
        f"vault-{number}" for number in range(5)
    ]

    token = account.primary.list_backup_vaults(MaxResults=2)["NextToken"]
    for operation, arguments in (
        ("list_backup_vaults", {"NextToken": "nonsense"}),
        ("list_backup_vaults", {"NextToken": token, "ByShared": True}),
        ("list_backup_plans", {"NextToken": token}),
    ):
        with pytest.raises(account.primary.exceptions.InvalidParameterValueException):
            getattr(account.primary, operation)(**arguments)


def test_every_operation_of_the_model_is_listed_as_served_or_not() -> None:
    rows = coverage()
    assert {row.operation for row in rows} == set(
        boto3.client(
            "backup", region_name="us-west-1", aws_access_key_id="x", aws_secret_access_key="x"
        ).meta.service_model.operation_names
    )
    assert all(row.served or row.feature != "not needed" for row in rows)
    assert sum(row.served for row in rows) == 75
    assert as_markdown().count("`") == 2 * sum(not row.served for row in rows)


def test_the_service_lists_its_operations(account: Account) -> None:
    served = account.service.served_operations()
    assert served["StartCopyJob"] is True
    assert served["CreateFramework"] is False
    with pytest.raises(ClientError) as refused:
        account.primary.list_report_jobs()
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperationException"


def test_readings_name_settings_that_exist() -> None:
    named = {reading.setting for reading in READINGS if reading.setting}
    assert named <= set(vars(Settings()))
    open_, settled = readings_as_markdown().split("### Settled")
    assert settled.count("\n| ") == len([each for each in READINGS if each.source]) + 2
    assert open_.count("\n| ") == len([each for each in READINGS if not each.source]) + 2
