"""The heartbeat: a URL that is called when everything is ok.

A service outside AWS expects the call and raises an alarm when it does not come, whatever the
reason. The URL is a secret: anyone who has it can report that everything is ok.
"""

from __future__ import annotations

import logging
import time
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError

from cabal_backup.errors import CabalBackupError
from cabal_backup.operations.aws.client import Aws

CALLS = 4
CALL_TIMEOUT = 10.0
"""Seconds."""

logger = logging.getLogger(__name__)


class HeartbeatError(CabalBackupError):
    """The heartbeat could not be called; the message says why, and never contains the URL."""


def call_heartbeat(aws: Aws) -> bool:
    """Call the URL in the environment's SSM parameter; False where none is configured.

    Raises HeartbeatError, and what botocore raises for the parameter.
    """
    parameter = aws.environment.heartbeat_parameter
    if parameter is None:
        return False
    answer = aws.client("ssm").get_parameter(Name=parameter, WithDecryption=True)
    url = answer["Parameter"]["Value"].strip()
    if not url.startswith("https://"):
        raise HeartbeatError(
            f"The parameter {parameter} does not hold a URL that begins with https://. Store it "
            "as docs/watch.md shows."
        )
    opener = urllib.request.build_opener(OnlyToHttps)
    for attempt in range(CALLS):
        if attempt:
            time.sleep(2**attempt)
        reason = _failure(opener, url)
        if reason is None:
            return True
        logger.warning("The heartbeat's URL could not be called: %s", reason)
    raise HeartbeatError(
        f"The URL in the parameter {parameter} could not be called, {CALLS} times: {reason}. "
        "docs/watch.md shows how to store another one."
    )


def _failure(opener: urllib.request.OpenerDirector, url: str) -> str | None:
    """Why a call failed, in words without the URL, which some exceptions have in theirs."""
    try:
        opener.open(url, timeout=CALL_TIMEOUT).close()
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return type(getattr(error, "reason", error)).__name__
    return None


class OnlyToHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to HTTPS only, so that the URL stays encrypted."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse a redirect to anything but HTTPS."""
        if not newurl.startswith("https://"):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)
