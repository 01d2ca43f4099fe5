"""Every client of AWS is made here, for one environment and in its account.

Credentials are found as the AWS CLI finds them: environment variables, profiles, SSO,
instance roles. Before anything else is asked, STS says whose they are.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from cabal_backup.environment import Environment
from cabal_backup.errors import AwsError, CabalBackupError, CredentialsError, UnreachableError

_CONFIG = Config(
    # Throttling is common in AWS Backup. Five tries wait at most 1 + 2 + 4 + 8 s between them.
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=32,
    # By this `functions.notify` recognises, in CloudTrail's records, what this tool does.
    user_agent_extra="cabal-backup/1",
)

_IMPATIENT = Config(retries={"mode": "standard", "total_max_attempts": 3})
"""For a question that another region can answer as well."""

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

_BAD_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


_GLOBAL = {"iam"}
"""Services that do not live in a region, so that none is lost with one."""


class AssumedLost(BotoCoreError):  # type: ignore[misc]  # botocore has no types
    """A region was not asked, because the operator says that it is lost."""

    fmt = "{region} is assumed lost and was not asked"


class Aws:
    """The clients of one environment; safe to share between threads."""

    def __init__(
        self,
        environment: Environment,
        session: boto3.Session,
        account: str,
        lost: Collection[str] = (),
    ) -> None:
        self.environment = environment
        self.account = account
        """The 12 digits of the account the credentials belong to."""
        self.lost = frozenset(lost)
        """Regions that are not asked: every call there raises AssumedLost at once."""
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service, in the primary region unless another is named."""
        key = (service, region or self.environment.region)
        if key[1] in self.lost and service not in _GLOBAL:
            return _LostClient(key[1])
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service, region_name=key[1], config=_CONFIG
                )
            return self._clients[key]

    def client_with_reason(self, service: str, region: str, reason: str) -> Any:
        """A client whose calls CloudTrail records with a reason, at the end of the user agent."""
        if region in self.lost:
            return _LostClient(region)
        said = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in reason)
        config = _CONFIG.merge(Config(user_agent_extra=f"cabal-backup/1 reason/{said[:200]}"))
        return self._session.client(service, region_name=region, config=config)

    @property
    def credentials(self) -> Any:
        """The credentials in use, which renew themselves where they can."""
        return self._session.get_credentials()

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """The ARN of a resource of this account; `region` as for `client`, "" for none."""
        where = self.environment.region if region is None else region
        return f"arn:{self.environment.partition}:{service}:{where}:{self.account}:{resource}"


class _LostClient:
    """In place of the client of a region that is assumed lost: nothing waits for an answer."""

    def __init__(self, region: str) -> None:
        self._region = region

    def __getattr__(self, operation: str) -> Any:
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
    belong to another account; UnreachableError when AWS does not answer.
    """
    try:
        session = boto3.Session(profile_name=profile)
        account = _account(session, environment, lost)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, "finding out whose credentials these are") from error
    if environment.account not in (None, account):
        raise CredentialsError(
            f"These credentials belong to account {account}, but {environment.name} is in account "
            f"{environment.account}. Nothing was done. Choose its credentials with --profile or "
            "AWS_PROFILE, or another environment with --environment."
        )
    return Aws(environment, session, account, lost)


def _account(session: boto3.Session, environment: Environment, lost: Collection[str]) -> str:
    """Whose the credentials are; with the primary region lost, the DR region knows too."""

    def ask(region: str) -> str:
        sts = session.client("sts", region_name=region, config=_CONFIG.merge(_IMPATIENT))
        return str(sts.get_caller_identity()["Account"])

    if environment.region in lost:
        return ask(environment.dr_region)
    try:
        return ask(environment.region)
    except (BotoCoreError, ClientError) as error:
        if not _is_unreachable(error) or environment.dr_region in lost:
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
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        if code in _BAD_CREDENTIALS:
            return CredentialsError(
                f"AWS does not accept these credentials ({code}). They may have expired: sign in "
                "again, or choose a profile with --profile."
            )
    if _is_unreachable(error):
        return UnreachableError(f"AWS did not answer while {doing}: {_sentence(error)}")
    if isinstance(error, ClientError):
        return AwsError(f"AWS refused while {doing}: {_sentence(error)}")
    return AwsError(f"Failed while {doing}: {_sentence(error)}")


def _is_unreachable(error: BotoCoreError | ClientError) -> bool:
    """Whether nobody answered, or only somebody who says that nobody is there (5xx)."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, NoConnectionError | HTTPClientError | AssumedLost)


def reason(error: BotoCoreError | ClientError) -> str:
    """Why one call failed, in one short sentence."""
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "Unknown")
        message = error.response["Error"].get("Message", "").strip()
        attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        tries = f" (tried {attempts + 1} times)" if attempts else ""
        return f"{error.operation_name}: {code}{tries}{': ' if message else ''}{message}"
    return _sentence(error)


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
