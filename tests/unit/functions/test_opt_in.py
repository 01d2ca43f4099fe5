"""The opt-in handler over whole lives of its custom resource (S08, S09)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from cabal_backup.functions import opt_in
from tests.unit.functions.cloudformation import (
    GARBAGE,
    HANG_UP,
    SENTINEL,
    SIGNATURE,
    STACK_ID,
    Resource,
    ResponseUrl,
    response_url,
)
from tests.unit.functions.region_settings import (
    MANAGEMENT,
    SERVICE,
    THROTTLED,
    UNAVAILABLE,
    Fault,
    Refusal,
    RegionSettings,
    denied,
)

pytestmark = pytest.mark.usefixtures("slept")

DESCRIBE, UPDATE = "DescribeRegionSettings", "UpdateRegionSettings"
THE_ONE_UPDATE = {
    "ResourceTypeOptInPreference": {"DynamoDB": True},
    "ResourceTypeManagementPreference": {"DynamoDB": True},
}
ON = {"service": SERVICE | {"DynamoDB": True}, "management": MANAGEMENT | {"DynamoDB": True}}


class Wire:
    """The network between botocore and AWS: leads to the account of the running test."""

    account: RegionSettings

    def __call__(self, request: Any, **_: object) -> Any:
        return self.account.answer(request)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """One botocore session for all tests: reading the service model takes the most time."""
    wire = Wire()
    session: Any = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    session.register("before-send", wire)
    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = boto3.Session(botocore_session=session)
    yield wire
    boto3.DEFAULT_SESSION = before


@pytest.fixture(autouse=True)
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "does-not-exist")
    monkeypatch.setenv("no_proxy", "*")
    in_region(monkeypatch, "us-west-1")


def in_region(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    """Lambda gives its functions both variables."""
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)


@pytest.fixture
def account(wire: Wire) -> RegionSettings:
    """An account in which AWS Backup does not protect DynamoDB yet."""
    wire.account = RegionSettings()
    return wire.account


@pytest.fixture
def url() -> Iterator[ResponseUrl]:
    with response_url() as url:
        yield url


@pytest.fixture
def resource(
    account: RegionSettings, url: ResponseUrl, caplog: pytest.LogCaptureFixture
) -> Iterator[Resource]:
    """The resource before its life. Whatever happens in it, the log stays clean."""
    assert not account.requests
    caplog.set_level(logging.INFO)
    yield Resource(opt_in.handler, url)
    log = logged(caplog)
    assert log, "nothing was logged, so nothing was shown to be clean"
    for secret in (SIGNATURE, "ResponseURL", url.base, "Expires=", SENTINEL, STACK_ID):
        assert secret not in log


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All of the log with its stack traces, as Lambda would write it."""
    formatter = logging.Formatter("%(name)s %(message)s")
    return "\n".join(formatter.format(record) for record in caplog.get_records("call"))


def assert_on(account: RegionSettings) -> None:
    """Both preferences are on for DynamoDB, and nothing else has changed."""
    assert account.service == ON["service"]
    assert account.management == ON["management"]


# --- Create


@pytest.mark.parametrize(
    ("service", "management", "before"),
    [
        pytest.param({"DynamoDB": False}, {"DynamoDB": False}, ("false", "false"), id="off"),
        pytest.param({"DynamoDB": True}, {"DynamoDB": False}, ("true", "false"), id="service-on"),
        pytest.param({"DynamoDB": False}, {"DynamoDB": True}, ("false", "true"), id="managed"),
        pytest.param(None, None, ("unset", "unset"), id="never-set"),
        pytest.param({"DynamoDB": True}, None, ("true", "unset"), id="management-never-set"),
    ],
)
def test_create_switches_on_what_is_off(
    resource: Resource,
    account: RegionSettings,
    service: dict[str, bool] | None,
    management: dict[str, bool] | None,
    before: tuple[str, str],
) -> None:
    for preference, start in ((account.service, service), (account.management, management)):
        preference.pop("DynamoDB")
        preference.update(start or {})
    answer = resource.create()
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"] == {
        "ServiceBefore": before[0],
        "ServiceAfter": "true",
        "ManagementBefore": before[1],
        "ManagementAfter": "true",
    }
    assert_on(account)
    assert account.updates == [THE_ONE_UPDATE]
    assert account.operations == [DESCRIBE, UPDATE, DESCRIBE]


def test_create_in_an_account_that_never_used_aws_backup(
    resource: Resource, account: RegionSettings
) -> None:
    account.service.clear()
    account.management.clear()
    answer = resource.create()
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["ServiceBefore"] == answer["Data"]["ManagementBefore"] == "unset"
    assert account.service == account.management == {"DynamoDB": True}


def test_create_changes_nothing_where_it_is_on_already(
    resource: Resource, account: RegionSettings
) -> None:
    account.service["DynamoDB"] = account.management["DynamoDB"] = True
    answer = resource.create()
    assert answer["Status"] == "SUCCESS"
    assert set(answer["Data"].values()) == {"true"}
    assert account.operations == [DESCRIBE]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-west-1", "backup.us-west-1.amazonaws.com"),
        ("us-west-2", "backup.us-west-2.amazonaws.com"),
        ("cn-north-1", "backup.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "backup.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_opt_in_is_made_in_the_region_of_the_function(
    resource: Resource,
    account: RegionSettings,
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    host: str,
) -> None:
    in_region(monkeypatch, region)
    resource.create()
    assert {request.host for request in account.requests} == {host}


# --- A whole life


def test_create_update_and_delete_keep_the_physical_id_and_the_opt_in(
    resource: Resource, account: RegionSettings
) -> None:
    resource.create()
    resource.update()
    resource.update()
    made = len(account.requests)
    resource.delete()
    assert [answer["Status"] for answer in resource.answers] == ["SUCCESS"] * 4
    assert len({answer["PhysicalResourceId"] for answer in resource.answers}) == 1
    assert account.updates == [THE_ONE_UPDATE], "only the first deployment had to change anything"
    assert len(account.requests) == made, "delete does not even look"
    assert_on(account)


def test_two_stacks_create_the_same_physical_id(url: ResponseUrl, account: RegionSettings) -> None:
    first = Resource(opt_in.handler, url).create()
    second = Resource(opt_in.handler, url).create()
    assert first["PhysicalResourceId"] == second["PhysicalResourceId"]
    assert account.updates == [THE_ONE_UPDATE]


@pytest.mark.parametrize("request_type", ["Update", "Delete"])
def test_the_physical_id_of_the_event_is_kept(resource: Resource, request_type: str) -> None:
    resource.physical_id = "made-by-an-older-version"
    assert resource.send(request_type)["PhysicalResourceId"] == "made-by-an-older-version"


def test_the_physical_id_is_kept_when_an_update_fails(
    resource: Resource, account: RegionSettings
) -> None:
    resource.physical_id = "made-by-an-older-version"
    account.faults.append(Fault(denied(DESCRIBE)))
    answer = resource.send("Update")
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"] == "made-by-an-older-version"


def test_update_returns_the_attributes_too(resource: Resource) -> None:
    resource.create()
    assert resource.update()["Data"] == {
        "ServiceBefore": "true",
        "ServiceAfter": "true",
        "ManagementBefore": "true",
        "ManagementAfter": "true",
    }


def test_update_switches_it_on_again_after_it_was_switched_off(
    resource: Resource, account: RegionSettings
) -> None:
    resource.create()
    account.management["DynamoDB"] = False
    answer = resource.update()
    assert answer["Data"]["ManagementBefore"] == "false"
    assert answer["Data"]["ManagementAfter"] == "true"
    assert account.updates == [THE_ONE_UPDATE] * 2
    assert_on(account)


def test_delete_does_nothing_even_where_aws_backup_is_out_of_reach(
    resource: Resource, account: RegionSettings
) -> None:
    resource.physical_id = "any"
    account.faults.append(Fault(EndpointConnectionError(endpoint_url="https://backup")))
    assert resource.delete()["Status"] == "SUCCESS"
    assert account.requests == []


def test_a_failed_create_is_rolled_back_without_touching_anything(
    resource: Resource, account: RegionSettings
) -> None:
    account.faults.append(Fault(denied(UPDATE), UPDATE))
    resource.create()
    failed, deleted = resource.answers
    assert (failed["Status"], deleted["Status"]) == ("FAILED", "SUCCESS")
    assert failed["PhysicalResourceId"] == deleted["PhysicalResourceId"]
    assert account.operations == [DESCRIBE] + [UPDATE] * 8
    assert account.service == SERVICE
    assert account.management == MANAGEMENT


def test_a_failed_update_can_be_rolled_back_and_tried_again(
    resource: Resource, account: RegionSettings
) -> None:
    resource.create()
    account.faults.append(Fault(denied(DESCRIBE), times=8))
    statuses = [resource.update()["Status"] for _ in ("update", "rollback", "another update")]
    assert statuses == ["FAILED", "SUCCESS", "SUCCESS"]
    assert account.updates == [THE_ONE_UPDATE]


# --- Trouble that passes


@pytest.mark.parametrize("operation", [DESCRIBE, UPDATE])
@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(THROTTLED, id="throttled"),
        pytest.param(Refusal("TooManyRequestsException", 429), id="429"),
        pytest.param(UNAVAILABLE, id="unavailable"),
        pytest.param(Refusal("InternalFailure", 500, "Internal failure"), id="internal-failure"),
        pytest.param(ConnectTimeoutError(endpoint_url="https://backup"), id="connect-timeout"),
        pytest.param(ReadTimeoutError(endpoint_url="https://backup"), id="read-timeout"),
        pytest.param(EndpointConnectionError(endpoint_url="https://backup"), id="unreachable"),
    ],
)
def test_trouble_that_passes_is_outlasted(
    resource: Resource,
    account: RegionSettings,
    slept: list[float],
    operation: str,
    trouble: Refusal | Exception,
) -> None:
    account.faults.append(Fault(trouble, operation, times=5))
    assert resource.create()["Status"] == "SUCCESS"
    assert account.operations.count(operation) >= 6
    assert len(slept) == 5
    assert_on(account)


@pytest.mark.parametrize("stale", [1, 5])
def test_a_setting_that_shows_late_is_waited_for(
    resource: Resource, account: RegionSettings, slept: list[float], stale: int
) -> None:
    account.stale_readings = stale
    answer = resource.create()
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["ManagementAfter"] == "true"
    assert account.operations == [DESCRIBE, UPDATE] + [DESCRIBE] * (stale + 1)
    assert slept == [5.0] * stale


# --- Trouble that stays


@pytest.mark.parametrize("operation", [DESCRIBE, UPDATE])
def test_endless_throttling_fails_in_time(
    resource: Resource, account: RegionSettings, slept: list[float], operation: str
) -> None:
    account.faults.append(Fault(THROTTLED, operation))
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "ThrottlingException" in answer["Reason"]
    assert "Deploy again" in answer["Reason"]
    assert account.operations.count(operation) == 6
    assert sum(slept) <= 1 + 2 + 4 + 8 + 16


@pytest.mark.parametrize("action", [DESCRIBE, UPDATE])
def test_a_denied_call_says_what_to_allow_and_what_to_type(
    resource: Resource,
    account: RegionSettings,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    in_region(monkeypatch, "us-west-2")
    account.faults.append(Fault(denied(action), action))
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert f"not authorized to perform: backup:{action}" in answer["Reason"]
    assert "Allow backup:DescribeRegionSettings and backup:UpdateRegionSettings" in answer["Reason"]
    assert (
        "aws backup update-region-settings --region us-west-2 "
        "--resource-type-opt-in-preference DynamoDB=true "
        "--resource-type-management-preference DynamoDB=true"
    ) in answer["Reason"]
    assert "deploy again" in answer["Reason"]
    assert account.operations.count(action) == 8
    assert sum(slept) == 90


@pytest.mark.parametrize("action", [DESCRIBE, UPDATE])
@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
def test_a_permission_that_iam_does_not_apply_yet_is_retried(
    resource: Resource, account: RegionSettings, slept: list[float], action: str, code: str
) -> None:
    """IAM shows a policy of a minute ago; the function runs seconds after its policy is made."""
    refusal = replace(denied(action), code=code)
    account.faults.append(Fault(refusal, action, times=6))
    assert resource.create()["Status"] == "SUCCESS"
    assert slept == [1, 2, 4, 8, 15, 30]
    assert_on(account)


def test_all_calls_together_wait_90_seconds_for_iam(
    resource: Resource, account: RegionSettings, slept: list[float]
) -> None:
    """Each of the 8 calls alone would take the function past its timeout."""
    account.faults.append(Fault(denied(DESCRIBE), DESCRIBE, times=7))
    account.faults.append(Fault(denied(UPDATE), UPDATE))
    assert resource.create()["Status"] == "FAILED"
    assert account.operations == [DESCRIBE] * 8 + [UPDATE]
    assert sum(slept) == 90


def test_a_half_applied_opt_in_fails_with_what_is_missing(
    resource: Resource, account: RegionSettings, slept: list[float]
) -> None:
    account.after_update = lambda: account.management.update(DynamoDB=False)
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "service opt-in as true" in answer["Reason"]
    assert "management preference as false" in answer["Reason"]
    assert "aws backup describe-region-settings --region us-west-1; then" in answer["Reason"]
    assert account.operations == [DESCRIBE, UPDATE] + [DESCRIBE] * 6
    assert sum(slept) == 25


def test_a_setting_that_never_shows_fails(resource: Resource, account: RegionSettings) -> None:
    account.stale_readings = 6
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "service opt-in as false" in answer["Reason"]
    assert "management preference as false" in answer["Reason"]


def test_a_setting_that_shows_at_last_is_taken_by_the_next_deployment(
    resource: Resource, account: RegionSettings
) -> None:
    account.stale_readings = 6
    assert resource.create()["Status"] == "FAILED"
    assert resource.create()["Status"] == "SUCCESS"
    assert account.updates == [THE_ONE_UPDATE]


def test_a_change_of_another_resource_type_meanwhile_is_reported_by_name(
    resource: Resource, account: RegionSettings
) -> None:
    def change() -> None:
        account.service.update({"S3": False, "SAP HANA on Amazon EC2": True})
        account.management.update(EKS=False)

    account.after_update = change
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(
        "Settings of other resource types changed while the opt-in was made. To set them back: "
        "aws backup update-region-settings --region us-west-1 --resource-type-opt-in-preference "
        """'{"S3": true, "SAP HANA on Amazon EC2": false}' --resource-type-management-preference """
        """'{"EKS": true}'; then deploy again. Changed: S3 service true -> false, """
    )
    assert "EFS" not in answer["Reason"], "what has not changed is not named"


def test_the_deployment_after_a_manual_change_succeeds(
    resource: Resource, account: RegionSettings
) -> None:
    account.after_update = lambda: account.service.update(S3=False)
    resource.create()
    assert resource.create()["Status"] == "SUCCESS"
    assert account.updates == [THE_ONE_UPDATE]
    assert account.service["S3"] is False, "a manual change is not reverted"


def test_an_update_that_does_not_merge_is_noticed(
    resource: Resource, account: RegionSettings
) -> None:
    account.merges = False
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    for lost in ("Aurora", "EFS", "VirtualMachine"):
        assert lost in answer["Reason"]


def test_a_network_that_stays_down_fails_with_a_reason(
    resource: Resource, account: RegionSettings
) -> None:
    account.faults.append(Fault(EndpointConnectionError(endpoint_url="https://backup.example.com")))
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "https://backup.example.com" in answer["Reason"]
    assert "Deploy again" in answer["Reason"]
    assert account.operations == [DESCRIBE] * 6


def test_an_error_of_aws_that_no_retry_helps_fails_with_its_words(
    resource: Resource, account: RegionSettings
) -> None:
    account.faults.append(
        Fault(Refusal("InvalidParameterValueException", 400, "No such type"), UPDATE)
    )
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "No such type" in answer["Reason"]
    assert account.operations == [DESCRIBE, UPDATE]


def test_an_unexpected_exception_is_answered_and_logged(
    resource: Resource, account: RegionSettings, caplog: pytest.LogCaptureFixture
) -> None:
    account.faults.append(Fault(LookupError("an unexpected error")))
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert "LookupError: an unexpected error" in answer["Reason"]
    log = logged(caplog)
    assert "Traceback" in log
    assert "an unexpected error" in log


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 20_000, id="long"),
        pytest.param("ü" * 5_000, id="not-ascii"),
        pytest.param("😀" * 5_000, id="four-bytes-each"),
        pytest.param("\x00" * 5_000, id="control-characters"),
        pytest.param('"\\' * 5_000, id="escaped-characters"),
    ],
)
def test_an_answer_fits_whatever_the_error_says(
    resource: Resource, account: RegionSettings, text: str
) -> None:
    """CloudFormation takes 4096 bytes; the bound itself is checked for every answer."""
    account.faults.append(Fault(LookupError(text)))
    answer = resource.create()
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("The opt-in handler failed in us-west-1: LookupError")


def test_the_worst_case_still_answers_before_lambda_stops_the_function(
    resource: Resource, account: RegionSettings, url: ResponseUrl, slept: list[float]
) -> None:
    """Every call times out five times, the setting shows last, the answer goes wrong thrice."""
    seconds_lost = 0.0
    tries, working = 0, account.answer

    class Slow(ReadTimeoutError):
        def __init__(self) -> None:
            nonlocal seconds_lost
            seconds_lost += 10
            super().__init__(endpoint_url="https://backup")

    def answer_at_the_sixth_try(request: Any, **_: object) -> Any:
        nonlocal tries
        tries += 1
        if tries % 6:
            raise Slow
        return working(request)

    account.answer = answer_at_the_sixth_try  # type: ignore[method-assign]
    account.stale_readings = 5
    url.trouble.extend([503, 503, 503])
    assert resource.create()["Status"] == "SUCCESS"
    assert tries == 8 * 6
    assert seconds_lost == 8 * 5 * 10
    assert seconds_lost + sum(slept) + 4 * 10 < 900


# --- The answer


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([503], id="refused-once"),
        pytest.param([500, 503, 403], id="refused-three-times"),
        pytest.param([HANG_UP], id="hung-up-on"),
        pytest.param([GARBAGE], id="answered-with-garbage"),
        pytest.param([HANG_UP, 500, GARBAGE], id="everything"),
    ],
)
@pytest.mark.parametrize("outcome", ["SUCCESS", "FAILED"])
def test_an_answer_is_delivered_after_retries(
    resource: Resource,
    account: RegionSettings,
    url: ResponseUrl,
    trouble: list[int | str],
    outcome: str,
) -> None:
    if outcome == "FAILED":
        account.faults.append(Fault(denied(DESCRIBE)))
    url.trouble.extend(trouble)
    resource.physical_id = "any"
    assert resource.send("Update")["Status"] == outcome
    assert url.deliveries == len(trouble) + 1
    assert account.operations.count(UPDATE) <= 1, "only the answer is repeated, not the work"


def test_an_answer_that_cannot_be_delivered_is_lambdas_to_repeat(
    account: RegionSettings, resource: Resource, url: ResponseUrl, slept: list[float]
) -> None:
    """Lambda runs a function again that was invoked in the background and failed."""
    event = resource.event("Create")
    url.trouble.extend([503] * 4)
    with pytest.raises(OSError, match="503") as raised:
        opt_in.handler(event, None)
    assert SIGNATURE not in str(raised.value)
    assert url.deliveries == 4
    assert sum(slept) <= 10
    opt_in.handler(event, None)
    assert len(url.accepted) == 1
    assert account.updates == [THE_ONE_UPDATE]


def test_an_unreachable_server_is_an_os_error_too(
    account: RegionSettings, resource: Resource, url: ResponseUrl
) -> None:
    event = resource.event("Create") | {"ResponseURL": "http://127.0.0.1:1/?Signature=" + SIGNATURE}
    with pytest.raises(OSError, match="refused"):
        opt_in.handler(event, None)
    assert_on(account)
    assert url.deliveries == 0


def test_the_log_has_the_course_of_events(
    resource: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    resource.create()
    resource.delete()
    log = logged(caplog)
    for entry in ("Create of OptIn", "ManagementBefore", "Delete of OptIn"):
        assert entry in log


def test_a_failure_is_logged_with_its_stack_trace(
    resource: Resource, account: RegionSettings, caplog: pytest.LogCaptureFixture
) -> None:
    account.faults.append(Fault(denied(DESCRIBE)))
    resource.create()
    log = logged(caplog)
    assert "Create failed" in log
    assert "Traceback" in log
    assert "AccessDeniedException" in log
