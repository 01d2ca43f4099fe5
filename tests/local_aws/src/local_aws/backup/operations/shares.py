"""AWS RAM, as far as it shares logically air-gapped vaults with single accounts.

AWS: ram/latest/APIReference, aws-backup/latest/devguide/logicallyairgappedvault.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local_aws.backup import arns
from local_aws.backup.core import Call, new_id, operation
from local_aws.backup.errors import ServiceError
from local_aws.backup.state import Association, Invitation, Share


@operation("ram.CreateResourceShare")
def create_resource_share(call: Call) -> Mapping[str, Any]:
    scope = call.scope
    share = Share(
        arn=f"arn:{scope.partition}:ram:{scope.region}:{scope.account}:resource-share/{new_id()}",
        name=call.params["name"],
        account=scope.account,
        allows_external=call.params.get("allowExternalPrincipals", True),
        created=call.now,
        updated=call.now,
        tags={tag["key"]: tag["value"] for tag in call.params.get("tags", ())},
    )
    _associate(call, share)
    call.region.shares[share.arn] = share
    return {"resourceShare": _share(share)}


@operation("ram.AssociateResourceShare")
def associate_resource_share(call: Call) -> Mapping[str, Any]:
    share = _own(call)
    _associate(call, share)
    share.updated = call.now
    return {"resourceShareAssociations": _associations(share, _asked(call))}


@operation("ram.DisassociateResourceShare")
def disassociate_resource_share(call: Call) -> Mapping[str, Any]:
    """The invitation of an account that has not answered can no longer be accepted."""
    share, asked = _own(call), _asked(call)
    answer = [each | {"status": "DISASSOCIATED"} for each in _associations(share, asked)]
    for entity in asked:
        share.vaults.pop(entity, None)
        share.accounts.pop(entity, None)
    share.invitations = [each for each in share.invitations if each.account in share.accounts]
    share.updated = call.now
    return {"resourceShareAssociations": answer}


@operation("ram.UpdateResourceShare")
def update_resource_share(call: Call) -> Mapping[str, Any]:
    share = _own(call)
    share.name = call.params.get("name", share.name)
    share.allows_external = call.params.get("allowExternalPrincipals", share.allows_external)
    share.updated = call.now
    return {"resourceShare": _share(share)}


@operation("ram.DeleteResourceShare")
def delete_resource_share(call: Call) -> Mapping[str, Any]:
    """The share stays in the list as DELETED; the accounts lose access at once."""
    share = _own(call)
    share.status, share.updated = "DELETED", call.now
    return {"returnValue": True}


@operation("ram.TagResource")
def tag_resource_share(call: Call) -> Mapping[str, Any]:
    _own(call).tags.update({tag["key"]: tag["value"] for tag in call.params["tags"]})
    return {}


@operation("ram.UntagResource")
def untag_resource_share(call: Call) -> Mapping[str, Any]:
    share = _own(call)
    for key in call.params["tagKeys"]:
        share.tags.pop(key, None)
    return {}


@operation("ram.GetResourceShares")
def get_resource_shares(call: Call) -> Mapping[str, Any]:
    params = call.params
    shares = _shares(call, params["resourceOwner"])
    found = [
        _share(share)
        for share in shares
        if params.get("name") in (None, share.name)
        and params.get("resourceShareStatus") in (None, share.status)
        and share.arn in params.get("resourceShareArns", [share.arn])
    ]
    return {"resourceShares": found}


@operation("ram.GetResourceShareAssociations")
def get_resource_share_associations(call: Call) -> Mapping[str, Any]:
    """Of the account's own shares; an account that has not accepted is ASSOCIATING."""
    params = call.params
    asked = [params[name] for name in ("principal", "resourceArn") if name in params] or None
    found = [
        association
        for share in call.region.shares.values()
        if share.status == "ACTIVE" and share.arn in params.get("resourceShareArns", [share.arn])
        for association in _associations(share, asked)
        if association["associationType"] == params["associationType"]
        and params.get("associationStatus") in (None, association["status"])
    ]
    return {"resourceShareAssociations": found}


@operation("ram.GetResourceShareInvitations")
def get_resource_share_invitations(call: Call) -> Mapping[str, Any]:
    """Only those that the account has received."""
    params = call.params
    return {
        "resourceShareInvitations": [
            _invitation(call, share, invitation)
            for share, invitation in _received(call)
            if invitation.arn in params.get("resourceShareInvitationArns", [invitation.arn])
            and share.arn in params.get("resourceShareArns", [share.arn])
        ]
    }


@operation("ram.AcceptResourceShareInvitation")
def accept_resource_share_invitation(call: Call) -> Mapping[str, Any]:
    return _answer(call, "ACCEPTED")


@operation("ram.RejectResourceShareInvitation")
def reject_resource_share_invitation(call: Call) -> Mapping[str, Any]:
    return _answer(call, "REJECTED")


def _answer(call: Call, status: str) -> Mapping[str, Any]:
    arn = call.params["resourceShareInvitationArn"]
    found = next((each for each in _received(call) if each[1].arn == arn), None)
    if found is None:
        raise ServiceError(
            "ResourceShareInvitationArnNotFoundException", f"Invitation {arn} was not found"
        )
    share, invitation = found
    problem = {
        "ACCEPTED": "ResourceShareInvitationAlreadyAcceptedException",
        "REJECTED": "ResourceShareInvitationAlreadyRejectedException",
        "EXPIRED": "ResourceShareInvitationExpiredException",
    }.get(_status(call, invitation))
    if problem:
        raise ServiceError(problem, f"Invitation {arn} is {_status(call, invitation)}")
    invitation.status = status
    share.accounts[invitation.account].status = "ASSOCIATED" if status == "ACCEPTED" else "FAILED"
    return {"resourceShareInvitation": _invitation(call, share, invitation)}


def _associate(call: Call, share: Share) -> None:
    """Raises ServiceError, and changes nothing, if a vault or an account cannot be shared."""
    vaults = {vault.arn: vault for vault in call.region.vaults.values()}
    for arn in call.params.get("resourceArns", ()):
        if not (arn in vaults and vaults[arn].air_gapped):
            raise ServiceError(
                "OperationNotPermittedException",
                f"{arn} is not a logically air-gapped vault of this account and Region",
            )
    accounts = call.params.get("principals", ())
    for account in accounts:
        if not (len(account) == 12 and account.isdigit() and account != share.account):
            raise ServiceError(
                "InvalidParameterException",
                f"{account}: a backup vault is shared with the id of another account",
            )
    if accounts and not share.allows_external:
        raise ServiceError(
            "OperationNotPermittedException",
            f"{', '.join(accounts)}: the share does not allow external principals",
        )
    for arn in call.params.get("resourceArns", ()):
        share.vaults.setdefault(arn, Association(arn, call.now, "ASSOCIATED"))
    for account in accounts:
        if account not in share.accounts:
            share.accounts[account] = Association(account, call.now, "ASSOCIATING")
            scope = call.scope
            arn = f"arn:{scope.partition}:ram:{scope.region}:{scope.account}"
            arn += f":resource-share-invitation/{new_id()}"
            share.invitations.append(Invitation(arn, account, call.now))


def _own(call: Call) -> Share:
    arn = call.params.get("resourceShareArn", "")
    arns.parse(arn, "resource share ARN")
    share = call.region.shares.get(arn)
    if share is None or share.status != "ACTIVE":
        raise ServiceError("UnknownResourceException", f"ResourceShare {arn} could not be found")
    return share


def _asked(call: Call) -> list[str]:
    return [*call.params.get("resourceArns", ()), *call.params.get("principals", ())]


def _shares(call: Call, owner: str) -> Iterator[Share]:
    """The account's own shares, or those of others that it has accepted."""
    if owner == "SELF":
        yield from call.region.shares.values()
        return
    for share, invitation in _received(call):
        if invitation.status == "ACCEPTED":
            yield share


def _received(call: Call) -> Iterator[tuple[Share, Invitation]]:
    """The invitations of this account to shares in this region."""
    for scope, region in call.core.state.regions.items():
        for share in region.shares.values() if scope.region == call.scope.region else ():
            for invitation in share.invitations:
                if invitation.account == call.scope.account and share.status == "ACTIVE":
                    yield share, invitation


def _status(call: Call, invitation: Invitation) -> str:
    late = call.now >= invitation.created + call.core.settings.invitation_validity
    return "EXPIRED" if late and invitation.status == "PENDING" else invitation.status


def _share(share: Share) -> dict[str, Any]:
    return {
        "resourceShareArn": share.arn,
        "name": share.name,
        "owningAccountId": share.account,
        "allowExternalPrincipals": share.allows_external,
        "status": share.status,
        "creationTime": share.created,
        "lastUpdatedTime": share.updated,
        "featureSet": "STANDARD",
        "tags": [{"key": key, "value": value} for key, value in share.tags.items()],
    }


def _associations(share: Share, only: Iterable[str] | None = None) -> list[dict[str, Any]]:
    return [
        {
            "resourceShareArn": share.arn,
            "resourceShareName": share.name,
            "associatedEntity": association.entity,
            "associationType": kind,
            "status": association.status,
            "creationTime": association.created,
            "lastUpdatedTime": association.created,
            "external": kind == "PRINCIPAL",
        }
        for kind, each in (("RESOURCE", share.vaults), ("PRINCIPAL", share.accounts))
        for association in each.values()
        if only is None or association.entity in only
    ]


def _invitation(call: Call, share: Share, invitation: Invitation) -> dict[str, Any]:
    return {
        "resourceShareInvitationArn": invitation.arn,
        "resourceShareName": share.name,
        "resourceShareArn": share.arn,
        "senderAccountId": share.account,
        "receiverAccountId": invitation.account,
        "invitationTimestamp": invitation.created,
        "status": _status(call, invitation),
    }
