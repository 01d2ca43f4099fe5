"""Running the watch now: the deployed function, in each region."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cabal_backup import names
from cabal_backup.errors import (
    AwsError,
    NotFoundError,
    RefusedError,
)
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.text import one_line


def run_watch(aws: Aws) -> Iterator[Mapping[str, Any]]:
    """What the watch found and did in each region that is not assumed lost, one after the other.

    Raises RefusedError where alerts are off or the function is missing, AwsError where it fails.
    """
    environment = aws.environment
    if not environment.alerts:
        raise RefusedError(
            f"Alerts are off in {environment.name}, and the watch is part of them. Set alerts to "
            "true and deploy to have it."
        )
    for region in (environment.region, environment.dr_region):
        if region not in aws.lost:
            yield _run(aws, region)


def _run(aws: Aws, region: str) -> Mapping[str, Any]:
    client = aws.patient_lambda(region)
    with worded(f"running the watch in {region}"):
        answer = unless_missing(
            lambda: client.invoke(FunctionName=names.WATCH), "ResourceNotFoundException"
        )
    if answer is None:
        raise NotFoundError(
            f"There is no function {names.WATCH} in {region}. Deploy the environment: make deploy "
            f"ENVIRONMENT={aws.environment.name}"
        )
    content: Mapping[str, Any] = json.loads(answer["Payload"].read() or "{}")
    if "FunctionError" in answer:
        said = one_line(f"{content.get('errorType')}: {content.get('errorMessage')}")
        raise AwsError(
            f"The watch in {region} failed: {said}. Its log has more: aws logs tail "
            f"--region {region} --since 1h $(aws lambda get-function-configuration --region "
            f"{region} --function-name {names.WATCH} --query LoggingConfig.LogGroup --output text)"
        )
    return content
