"""The checks of `cabal-backup doctor`: those about a deployment, and some of `status`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, Known, Unknown, ask_together, unless_missing
from cabal_backup.operations.doctor import quotas
from cabal_backup.operations.status.checks import run_checks
from cabal_backup.operations.status.checks.air_gapped import limits
from cabal_backup.operations.status.checks.outcome import fail, off, ok, unknown, warn
from cabal_backup.operations.status.checks.vaults import recorded_environment
from cabal_backup.operations.status.findings import Outcome, Verdict
from cabal_backup.operations.status.read_state import read_state
from cabal_backup.operations.status.state import State

OF_STATUS = ("resources", "tables", "pitr", "deletion-protection", "trail", "clock")
"""The checks of `status` that need no deployment."""

BOOTSTRAP = 6
"""The oldest version of CDK's bootstrap that a deployment accepts.

https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
"""

Answers = Mapping[str, Answer[str | None]]

QUALIFIER = "hnb659fds"
"""CDK's own qualifier, which the context key `@aws-cdk/core:bootstrapQualifier` replaces."""

_NOT_ENABLED = ("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException")
"""What AWS answers in a region that is not enabled for the account.

https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
"""

_FAILED_CREATION = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"""


def examine(aws: Aws, now: datetime, *, qualifier: str = QUALIFIER) -> Verdict:
    """The findings about one environment, whether it is deployed or not.

    :param qualifier: of CDK's bootstrap.
    """
    environment = aws.environment
    regions = environment.regions
    questions = {"service-linked role": lambda: _linked_role(aws)}
    for region, stack in zip(regions, (names.STACK, names.DR_STACK), strict=True):
        questions |= _region(aws, region, stack, qualifier)
    answers = ask_together(questions)
    used = quotas.read_used(aws)
    state = read_state(aws, now)
    outcomes = {
        "settings": _settings(state),
        "regions": _regions(state, regions, answers),
        "bootstrap": _bootstrap(state, regions, answers, qualifier),
        "stacks": _stacks(state, regions, answers),
        "service-linked-role": _service_linked_role(state, answers["service-linked role"]),
        "quotas": quotas.judge(state, used),
        "air-gapped": _air_gapped(state),
    }
    own = (outcome.of(name) for name, outcome in outcomes.items())
    return Verdict((*own, *run_checks(state, OF_STATUS).findings))


def _region(
    aws: Aws, region: str, stack: str, qualifier: str
) -> dict[str, Callable[[], str | None]]:
    def account() -> str:
        return aws.client("sts", region).get_caller_identity()["Account"]

    def bootstrap() -> str:
        name = f"/cdk-bootstrap/{qualifier}/version"
        return aws.client("ssm", region).get_parameter(Name=name)["Parameter"]["Value"]

    def status() -> str:
        found = aws.client("cloudformation", region).describe_stacks(StackName=stack)
        return found["Stacks"][0]["StackStatus"]

    return {
        f"{region} enabled": lambda: unless_missing(account, *_NOT_ENABLED),
        f"{region} bootstrap": lambda: unless_missing(bootstrap, "ParameterNotFound"),
        # It answers ValidationError for a stack that does not exist.
        f"{region} stack": lambda: unless_missing(status, "ValidationError"),
    }


def _linked_role(aws: Aws) -> str | None:
    """Its ARN; None when it does not exist."""
    role = names.SERVICE_LINKED_ROLE
    found = unless_missing(lambda: aws.client("iam").get_role(RoleName=role), "NoSuchEntity")
    return None if found is None else found["Role"]["Arn"]


def _settings(state: State) -> Outcome:
    environment = state.environment
    if not environment.backup:
        return warn(
            f"{environment.name} has backup: false, so a deployment leaves it out.",
            f'Set "{environment.name}.backup": true in cdk.context.json.',
        )
    return ok(f"The settings are valid, and the credentials are of account {state.account}.")


def _regions(state: State, regions: tuple[str, str], answers: Answers) -> Outcome:
    found = {region: answers[f"{region} enabled"] for region in regions}
    disabled = [region for region, answer in found.items() if answer == Known(None)]
    if disabled:
        return fail(
            f"{' and '.join(disabled)} not enabled for account {state.account}.",
            f"aws account enable-region --region-name={disabled[0]}; it takes some minutes, up to "
            "hours. Or choose other regions in the settings.",
        )
    if any(isinstance(answer, Unknown) for answer in found.values()):
        return unknown(*found.values(), looking_at="whether both regions are enabled")
    return ok(f"{' and '.join(regions)} are enabled.")


def _bootstrap(state: State, regions: tuple[str, str], answers: Answers, qualifier: str) -> Outcome:
    found = {region: answers[f"{region} bootstrap"] for region in regions}
    old = {
        region: answer.value
        for region, answer in found.items()
        if isinstance(answer, Known) and (answer.value is None or int(answer.value) < BOOTSTRAP)
    }
    if old:
        targets = " ".join(f"aws://{state.account}/{region}" for region in old)
        option = "" if qualifier == QUALIFIER else f" --qualifier={qualifier}"
        return fail(
            f"CDK's bootstrap (qualifier {qualifier}, at least version {BOOTSTRAP}) is missing in "
            f"{' and '.join(old)}.",
            f'make cdk ARGS="bootstrap{option} {targets}"',
            details=[f"{region}: version {version or 'none'}" for region, version in old.items()],
        )
    if any(isinstance(answer, Unknown) for answer in found.values()):
        return unknown(*found.values(), looking_at="CDK's bootstrap")
    return ok(f"CDK's bootstrap (qualifier {qualifier}) is in {' and '.join(regions)}.")


def _stacks(state: State, regions: tuple[str, str], answers: Answers) -> Outcome:
    """Whether a deployment can begin or go on: whose are the names that it needs?"""
    environment, other = state.environment, recorded_environment(state)
    if other not in (None, environment.name):
        return fail(
            f"The account has the backup of the environment {other}, and an account can have one.",
            f"Correct account or profile of {environment}. cabal-backup status "
            f"{environment.options_of(other)} shows that one.",
        )
    stacks = {
        f"{stack} in {region}": answers[f"{region} stack"]
        for region, stack in zip(regions, (names.STACK, names.DR_STACK), strict=True)
    }
    known = {what: one.value for what, one in stacks.items() if isinstance(one, Known)}
    details = [f"{what}: {status or 'does not exist'}" for what, status in known.items()]
    if any(status in _FAILED_CREATION for status in known.values()):
        return fail(
            "A stack could not be created or deleted, and no deployment can continue from there.",
            "Follow docs/runbooks/failed-deployment.md, then deploy again.",
            details=details,
        )
    if any(isinstance(one, Unknown) for one in stacks.values()):
        return unknown(*stacks.values(), looking_at="the stacks", details=details)
    busy = [
        what.split(" in ")
        for what, status in known.items()
        if str(status).endswith(("_IN_PROGRESS", "_FAILED"))
    ]
    if busy:
        ((stack, region), *_) = busy
        return warn(
            "A deployment is running, or its rollback failed.",
            "Wait for it. After a failed rollback: aws cloudformation continue-update-rollback "
            f"--stack-name={stack} --region={region}",
            details=details,
        )
    if all(known.values()):
        if isinstance(state.role, Unknown):
            return unknown(state.role, looking_at="which environment it is", details=details)
        return ok(f"Both stacks are deployed: {', '.join(details)}.")
    needed = _needed(state)
    taken = [what for what, answer in needed.items() if answer.value_or(None) is not None]
    if any(known.values()):
        return fail(
            "One of the two stacks is missing.",
            f"Create it: {state.deploy_command}",
            details=details,
        )
    if taken:
        return fail(
            f"There is no stack, but its names are taken: {', '.join(taken)}.",
            "To adopt what another tool made or a deleted stack left, follow docs/adopt.md. "
            f"cabal-backup teardown plan {environment.options} lists it.",
        )
    if any(isinstance(answer, Unknown) for answer in needed.values()):
        return unknown(*needed.values(), looking_at="whether the names are taken")
    return ok(f"Nothing is deployed, and no name is taken. Next: {state.deploy_command}.")


def _needed(state: State) -> dict[str, Answer[object]]:
    """What a first deployment creates, and what exists under its name."""
    return {
        **{
            f"vault {one.vault_name} in {one.region}": one.vault
            for one in (state.primary, *state.copy_vaults)
        },
        f"plan {names.PLAN}": state.plan,
        f"role {names.ROLE}": state.role,
    }


def _air_gapped(state: State) -> Outcome:
    """What the next deployment does that cannot be undone, or whether it can be deployed."""
    environment = state.environment
    if state.air_gapped is None:
        return off("air_gapped is false: no deployment creates a vault that cannot be emptied.")
    vault = state.air_gapped
    if isinstance(vault.vault, Unknown):
        return unknown(vault.vault, looking_at=f"the vault {vault.vault_name}")
    days, accounts = environment.air_gapped_delete_after_days, environment.air_gapped_share_with
    if vault.vault.value is not None:
        return limits(state, vault.vault.value)
    return warn(
        f"The next deployment creates {vault.vault_name} in {vault.region}, which cannot be "
        f"undone: no one, AWS included, can delete its recovery points before {days} days, and it "
        "is billed until the last of them expires. Its limits, "
        f"{environment.air_gapped_min_days} to {environment.air_gapped_max_days} days, never "
        "change." + (f" {' and '.join(accounts)} can restore from it." if accounts else ""),
        "Read docs/runbooks/air-gapped.md first. Without it: set air_gapped to false.",
    )


def _service_linked_role(state: State, answer: Answer[str | None]) -> Outcome:
    if isinstance(answer, Unknown):
        return unknown(answer, looking_at=f"the role {names.SERVICE_LINKED_ROLE}")
    if answer.value:
        return ok(f"{names.SERVICE_LINKED_ROLE}, which removes expired recovery points, exists.")
    if isinstance(state.backup_jobs, Known) and not state.backup_jobs.value:
        return off(f"AWS Backup creates {names.SERVICE_LINKED_ROLE} with its first backup.")
    return warn(
        f"{names.SERVICE_LINKED_ROLE} does not exist: AWS Backup cannot remove what has expired.",
        "aws iam create-service-linked-role --aws-service-name=backup.amazonaws.com",
    )
