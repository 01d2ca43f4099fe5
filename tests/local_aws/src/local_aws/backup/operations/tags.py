"""Tags of vaults, plans, recovery points and restore testing plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup import arns
from local_aws.backup.core import Call, operation
from local_aws.backup.errors import invalid_parameter, limit_exceeded, not_found
from local_aws.backup.paging import page

MAX_TAGS = 50


def check_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Raises InvalidParameterValueException or LimitExceededException for tags AWS refuses."""
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise invalid_parameter(f"Invalid tag {key!r}")
    if len(tags) > MAX_TAGS:
        raise limit_exceeded(f"A resource has at most {MAX_TAGS} tags")
    return dict(tags)


@operation("TagResource")
def tag_resource(call: Call) -> Mapping[str, Any]:
    arn = _taggable(call)
    call.region.tags[arn] = check_tags(call.region.tags.get(arn, {}) | call.params["Tags"])
    return {}


@operation("UntagResource")
def untag_resource(call: Call) -> Mapping[str, Any]:
    tags = call.region.tags.get(_taggable(call), {})
    for key in call.params["TagKeyList"]:
        tags.pop(key, None)
    return {}


@operation("ListTags")
def list_tags(call: Call) -> Mapping[str, Any]:
    tags = call.region.tags.get(_taggable(call), {})
    chosen, token = page(tags.items(), lambda tag: (tag[0],), call.operation, call.params)
    return {"Tags": dict(chosen), "NextToken": token}


def _taggable(call: Call) -> str:
    """The ARN in the request; only resources that AWS Backup manages have tags here."""
    arn: str = call.params["ResourceArn"]
    if arns.parse(arn, "resource ARN").service != "backup":
        raise invalid_parameter(f"Tags of {arn} are not managed by AWS Backup")
    region = call.region
    known = (
        any(vault.arn == arn for vault in region.vaults.values())
        or any(plan.arn == arn and plan.deleted is None for plan in region.plans.values())
        or any(plan.arn == arn for plan in region.testing_plans.values())
        or region.point(arn) is not None
    )
    if not known:
        raise not_found(f"Resource {arn} does not exist")
    return arn
