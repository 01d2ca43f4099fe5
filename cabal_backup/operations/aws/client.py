"""Every client of AWS is made here, for one environment and in its account.

Credentials are found as the AWS CLI finds them: environment variables, profiles, SSO,
instance roles. Before anything else is asked, STS says whose they are.

boto3 takes half of the time that `--help` needs, so only the functions that connect import it.
"""

from __future__ import annotations

import getpass
import threading
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Literal, NoReturn, Protocol, cast, overload

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    HTTPClientError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.errors import (
    AwsError,
    CabalBackupError,
    CredentialsError,
    UnknownError,
    UnreachableError,
)
from cabal_backup.operations.aws.arns import Arns
from cabal_backup.operations.aws.responses import Parsers, error_code, is_from_aws
from cabal_backup.text import one_line

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.loaders import Loader
    from types_boto3_backup import BackupClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudtrail import CloudTrailClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ecs import ECSClient
    from types_boto3_efs import EFSClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_iam import IAMClient
    from types_boto3_kms import KMSClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient


def _config(*, tries: int = 5, read_timeout: int = 20, reason: str = "") -> Config:
    """The settings of a client.

    :param tries: of each call. Throttling is common in AWS Backup. Five tries wait at most
        1 + 2 + 4 + 8 s between them.
    :param read_timeout: in seconds.
    :param reason: what the user agent, which CloudTrail records, ends with.
    """
    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "total_max_attempts": tries},
        connect_timeout=5,
        read_timeout=read_timeout,
        max_pool_connections=32,
        # `functions.notify` recognises this tool by it in CloudTrail's records.
        user_agent_extra=f"cabal-backup/1{reason}",
    )


_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    ConfigParseError,
    CredentialRetrievalError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    MetadataRetrievalError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

_EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
_UNKNOWN_KEY = {"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"}
"""What AWS also answers in a region that is not enabled for the account.

https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
"""
_BAD_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch"}
_SKEWED = {"RequestExpired", "RequestTimeTooSkewed"}
_SKEW = ("Signature expired", "Signature not yet current")
"""How AWS begins to say that the time of a request is more than some minutes from its own.

https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
"""


_GLOBAL = {"iam"}
"""Services that do not live in a region, so that none is lost with one."""


class _S3Client(Protocol):
    def put_object(self, **parameters: object) -> object: ...


class AssumedLost(BotoCoreError):
    """A region was not asked, because the operator says that it is lost."""

    fmt = "{region} is assumed lost and was not asked"


class Aws(Arns):
    """The clients of one environment; safe to share between threads."""

    def __init__(
        self,
        environment: Environment,
        session: boto3.Session,
        account: str,
        lost: Collection[str] = (),
        region: str | None = None,
    ) -> None:
        """
        :param region: the region to act in; the primary region by default.
        """
        self.environment = environment
        self.region = region or environment.region
        """The region of a client for which no other is named."""
        self.account = account
        """The 12 digits of the account the credentials belong to."""
        self.lost = frozenset(lost)
        """Regions that are not asked: every call there raises AssumedLost at once."""
        self._session = session
        self._clients: dict[tuple[str, str], object] = {}
        self._lock = threading.Lock()

    # mypy compares each call with all 400 services of boto3's own overloads, which takes seconds.
    @overload
    def client(self, service: Literal["backup"], region: str | None = None) -> BackupClient: ...
    @overload
    def client(
        self, service: Literal["cloudformation"], region: str | None = None
    ) -> CloudFormationClient: ...
    @overload
    def client(
        self, service: Literal["cloudtrail"], region: str | None = None
    ) -> CloudTrailClient: ...
    @overload
    def client(
        self, service: Literal["cloudwatch"], region: str | None = None
    ) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["dynamodb"], region: str | None = None) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["ecs"], region: str | None = None) -> ECSClient: ...
    @overload
    def client(self, service: Literal["efs"], region: str | None = None) -> EFSClient: ...
    @overload
    def client(
        self, service: Literal["events"], region: str | None = None
    ) -> EventBridgeClient: ...
    @overload
    def client(self, service: Literal["iam"], region: str | None = None) -> IAMClient: ...
    @overload
    def client(self, service: Literal["kms"], region: str | None = None) -> KMSClient: ...
    @overload
    def client(self, service: Literal["lambda"], region: str | None = None) -> LambdaClient: ...
    @overload
    def client(
        self, service: Literal["logs"], region: str | None = None
    ) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["s3"], region: str | None = None) -> _S3Client: ...
    @overload
    def client(self, service: Literal["sns"], region: str | None = None) -> SNSClient: ...
    @overload
    def client(self, service: Literal["sqs"], region: str | None = None) -> SQSClient: ...
    @overload
    def client(self, service: Literal["ssm"], region: str | None = None) -> SSMClient: ...
    @overload
    def client(self, service: Literal["sts"], region: str | None = None) -> STSClient: ...
    @overload
    def client(self, service: str, region: str | None = None) -> object: ...
    def client(self, service: str, region: str | None = None) -> object:
        """The client of a service, in the region to act in unless another is named."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def _make(self, service: str, region: str, config: Config | None = None) -> object:
        if region in self.lost and service not in _GLOBAL:
            return _LostClient(region)
        make: Callable[..., object] = self._session.client
        return make(service, region_name=region, config=config or _config())

    def at(self, region: str) -> Aws:
        """The same environment and account, to act in one of its two regions."""
        if region == self.region:
            return self
        there = Aws(self.environment, self._session, self.account, self.lost, region)
        there._clients, there._lock = self._clients, self._lock
        return there

    @property
    def in_dr(self) -> bool:
        """Whether the region to act in is the DR region."""
        return self.region == self.environment.dr_region

    @property
    def vault(self) -> str:
        """The name of the vault in the region to act in."""
        return names.DR_VAULT if self.in_dr else names.VAULT

    def long_timeout_lambda(self, region: str) -> LambdaClient:
        """A client that waits for the longest answer that Lambda gives, and asks once."""
        config = _config(tries=1, read_timeout=910)
        return cast("LambdaClient", self._make("lambda", region, config))

    def backup_with_reason(self, region: str, reason: str) -> BackupClient:
        """A client whose calls CloudTrail records with a reason, at the end of the user agent."""
        said = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in reason)
        agent = _config(reason=f" reason/{said[:200]}")
        return cast("BackupClient", self._make("backup", region, agent))

    @property
    def credentials(self) -> Credentials | None:
        """The credentials in use, which renew themselves where they can."""
        return self._session.get_credentials()


class _LostClient:
    """In place of the client of a region that is assumed lost: nothing waits for an answer."""

    def __init__(self, region: str) -> None:
        self._region = region

    def __getattr__(self, operation: str) -> Callable[..., NoReturn]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        if operation == "meta":
            raise AssumedLost(region=self._region)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise AssumedLost(region=self._region)

        return refuse


def connect(
    environment: Environment, *, profile: str | None = None, lost: Collection[str] = ()
) -> Aws:
    """Find credentials and make sure that they are the environment's account's.

    :param lost: regions that are not to be asked.

    Raises CredentialsError when there are none, when they are refused, or when they
    belong to another account; UnreachableError when AWS does not answer; UnknownError when
    something else answers in its place.
    """
    try:
        session = make_session(profile)
        account = _account(session, environment, lost)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, "finding out whose credentials these are") from error
    if environment.account != account:
        raise CredentialsError(
            f"These credentials belong to account {account}, but {environment.name} is in account "
            f"{environment.account}. Nothing was done. Choose its credentials with --profile or "
            "AWS_PROFILE, or another environment with --environment."
        )
    return Aws(environment, session, account, lost)


def make_session(profile: str | None = None) -> boto3.Session:
    """A session whose clients read answers as `responses` says, and which asks for an MFA code
    on a terminal only.

    Raises ProfileNotFound when there is no such profile.
    """
    import boto3
    import botocore.session

    session = botocore.session.Session(profile=profile)
    loader = _loader(session.get_config_variable("data_path"))
    session.register_component("data_loader", loader)
    parsers = Parsers(session.get_component("response_parser_factory"))
    session.register_component("response_parser_factory", parsers)
    # There is no public way to choose what asks for the code.
    assume_role = session.get_component("credential_provider").get_provider("assume-role")
    assume_role._prompter = _ask_for_code
    made = boto3.Session(botocore_session=session)
    # Each session adds the path of boto3's models.
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)
    return made


@cache
def _loader(data_path: str | None) -> Loader:
    """The models of the services, read once by a process: they take longer than most calls.

    :param data_path: where more models are (AWS_DATA_PATH).
    """
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _ask_for_code(prompt: str) -> str:
    """The MFA code that a profile with `mfa_serial` needs, typed by a person.

    getpass reads from stdin where there is no terminal; what is there is meant for others.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except (EOFError, getpass.GetPassWarning):
        raise CredentialRetrievalError(
            provider="assume-role",
            error_msg="the profile needs an MFA code (mfa_serial), and there is no terminal to "
            "type it. Use a profile without one, or put the credentials of a session into the "
            "environment first",
        ) from None


def _account(session: boto3.Session, environment: Environment, lost: Collection[str]) -> str:
    """Whose the credentials are; with the primary region lost, the DR region knows too."""

    # Fewer tries than elsewhere, for another region can answer as well.
    config = _config(tries=3)

    def ask(region: str) -> str:
        sts = session.client("sts", region_name=region, config=config)
        return str(sts.get_caller_identity()["Account"])

    if environment.region in lost:
        return ask(environment.dr_region)
    try:
        return ask(environment.region)
    except (BotoCoreError, ClientError) as error:
        if (is_from_aws(error) and not is_unreachable(error)) or environment.dr_region in lost:
            raise
        return ask(environment.dr_region)


def in_words(error: BotoCoreError | ClientError, doing: str) -> CabalBackupError:
    """The error as a person should read it.

    :param doing: what was being done, as in "while finding the vault".
    """
    if isinstance(error, AssumedLost):
        return UnreachableError(f"Stopped while {doing}: {_sentence(error)}")
    if isinstance(error, _NO_CREDENTIALS):
        return CredentialsError(
            f"There are no usable AWS credentials: {_sentence(error)} "
            "Sign in (for instance with `aws sso login`) or choose a profile with --profile."
        )
    if not is_from_aws(error):
        return UnknownError(f"AWS gave no answer while {doing}: {reason(error)}")
    if is_unreachable(error):
        return UnreachableError(f"AWS did not answer while {doing}: {_sentence(error)}")
    if isinstance(error, ClientError):
        if cause := _likely_cause(error):
            return CredentialsError(f"AWS does not accept the request: {_sentence(error)} {cause}")
        if error.operation_name.startswith("AssumeRole"):
            return CredentialsError(
                f"The role of the profile cannot be assumed: {_sentence(error)} Check its "
                "role_arn, its source_profile and, if it has one, the MFA code."
            )
        return AwsError(f"AWS refused while {doing}: {_sentence(error)}")
    return AwsError(f"Failed while {doing}: {_sentence(error)}")


@contextmanager
def worded(doing: str) -> Iterator[None]:
    """Raise what AWS refuses or does not answer as the CabalBackupError that `in_words` makes."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, doing) from error


def in_words_if_from_aws(error: BaseException) -> CabalBackupError | None:
    """`in_words` for an error of a call to AWS that nothing explained; None for any other."""
    if isinstance(error, BotoCoreError | ClientError):
        return in_words(error, "carrying out the command")
    return None


def is_unreachable(error: BotoCoreError | ClientError) -> bool:
    """Whether there was no answer, or only one that the service is unavailable (5xx)."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, NoConnectionError | HTTPClientError | AssumedLost)


def reason(error: BotoCoreError | ClientError) -> str:
    """Why one call failed, in one short sentence."""
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "Unknown")
        message = one_line(str(error.response["Error"].get("Message") or ""))
        attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        tries = f" (tried {attempts + 1} times)" if attempts else ""
        said = " ".join(filter(None, [message, _likely_cause(error)]))
        return f"{error.operation_name}: {code}{tries}{': ' if said else ''}{said}"
    return _sentence(error)


def _likely_cause(error: ClientError) -> str:
    """Why AWS did not accept who sent a request, and what to do; empty for other errors."""
    code = error_code(error)
    message = str(error.response["Error"].get("Message") or "")
    again = "sign in again, or choose a profile with --profile"
    if code in _SKEWED or any(words in message for words in _SKEW):
        return (
            "Probably the clock of this machine is wrong: set it, for instance with "
            "`sudo timedatectl set-ntp true`, and try again."
        )
    if code in _UNKNOWN_KEY:
        not_enabled = (
            "the region is not enabled for this account (`aws account list-regions` shows which "
            "are)"
        )
        if error.operation_name == "GetCallerIdentity":
            return f"Either the credentials are not valid any more ({again}), or {not_enabled}."
        # The credentials were valid when the tool asked whose they are.
        return f"Probably {not_enabled}."
    return f"{again[0].upper()}{again[1:]}." if code in _EXPIRED | _BAD_SIGNATURE else ""


def _sentence(error: Exception) -> str:
    text = one_line(str(error))
    return text if text.endswith((".", "!", "?")) else f"{text}."
