"""Settings that are valid alone but not together.

Each rule looks only at valid settings; those missing from the values have been reported already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from cabal_backup.config.environment import MIN_COLD_DAYS, partition_of
from cabal_backup.config.settings import Value

Values = Mapping[str, Value]

WITHOUT_AIR_GAP = frozenset(
    {
        "ap-east-2",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "mx-central-1",
    }
)
"""Regions of `aws` whose CloudFormation has no logically air-gapped vaults, as cfn-lint knows it.

https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html
"""


@dataclass(frozen=True)
class Conflict:
    """A setting whose value conflicts with others."""

    setting: str
    rule: str
    remedy: str


def find_conflicts(values: Values) -> Iterator[Conflict]:
    """Every conflict between the valid settings of one environment."""
    rules: tuple[Callable[[Values], Iterator[Conflict]], ...] = (
        _regions,
        _lock_range,
        partial(_cold, prefix=""),
        partial(_within_lock, prefix=""),
        partial(_cold, prefix="dr_"),
        partial(_within_lock, prefix="dr_"),
        _account,
        _mailstore,
        _tables,
        _restore_testing,
        _watch,
        _air_gapped_days,
        _air_gapped_region,
        _air_gapped_share,
    )
    for rule in rules:
        # A rule that needs a value which is not there cannot be checked.
        with suppress(KeyError):
            yield from rule(values)


def _regions(values: Values) -> Iterator[Conflict]:
    region, dr_region = values["region"], values["dr_region"]
    partition, dr_partition = partition_of(region), partition_of(dr_region)
    if region == dr_region:
        yield Conflict(
            "dr_region",
            f"it must be another region than region ({region}): a copy beside the original "
            "is lost with it",
            "choose a second region",
        )
    elif partition != dr_partition:
        yield Conflict(
            "dr_region",
            f"it must be in the partition of region ({region} is in {partition}, {dr_region} in "
            f"{dr_partition}): AWS Backup cannot copy from one to the other",
            f"choose a region in {partition}",
        )


def _lock_range(values: Values) -> Iterator[Conflict]:
    # The CDK construct refuses equal ones, which would leave a single day to choose.
    if values["lock_min_days"] >= values["lock_max_days"]:
        yield Conflict(
            "lock_min_days",
            f"it must be less than lock_max_days ({values['lock_max_days']})",
            "lower it, or raise lock_max_days",
        )


def _cold(values: Values, *, prefix: str) -> Iterator[Conflict]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html"""
    cold, delete = f"{prefix}cold_after_days", f"{prefix}delete_after_days"
    if values[cold] is not None and values[delete] < (least := values[cold] + MIN_COLD_DAYS):
        yield Conflict(
            delete,
            f"AWS Backup keeps a recovery point in cold storage for at least {MIN_COLD_DAYS} "
            f"days, so with {cold} {values[cold]} it must be at least {least}",
            f'raise it to {least}, lower {cold}, or set {cold} to "never"',
        )


def _within_lock(values: Values, *, prefix: str) -> Iterator[Conflict]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"""
    delete = f"{prefix}delete_after_days"
    least, most = values["lock_min_days"], values["lock_max_days"]
    if least < most and not least <= values[delete] <= most:
        yield Conflict(
            delete,
            f"it must be within the lock of the vaults, {least} to {most} days: AWS Backup fails "
            "every job outside it",
            "change it, or change lock_min_days and lock_max_days",
        )


def _account(values: Values) -> Iterator[Conflict]:
    if values["backup"] and values["account"] is None:
        yield Conflict(
            "account",
            "an environment whose backup is true must name its account: the stacks have the same "
            "names in every environment, so that with other credentials a command would change "
            "another environment",
            "find it with `aws sts get-caller-identity --query Account` and give its 12 digits "
            "here, in quotes, or on the command line",
        )


def _mailstore(values: Values) -> Iterator[Conflict]:
    if values["backup"] and values["mailstore_file_system_id"] is None:
        yield Conflict(
            "mailstore_file_system_id",
            "an environment whose backup is true must name its mailstore",
            "find it with `aws efs describe-file-systems` (Cabal's carries the tag "
            "Name=cabal-efs) and give it here or on the command line",
        )


def _tables(values: Values) -> Iterator[Conflict]:
    addresses = values["addresses_table"]
    if addresses in values["pitr_tables"]:
        yield Conflict(
            "pitr_tables",
            f"it must list only tables outside the backup plan; {addresses} is in the plan, and "
            "its PITR is checked without being listed",
            f"remove {addresses} from the list",
        )


def _restore_testing(values: Values) -> Iterator[Conflict]:
    """CloudFormation's schemas of these partitions, which cfn-lint ships, lack the resource."""
    partition = partition_of(values["region"])
    if values["backup"] and values["restore_testing"] and partition in ("aws-cn", "aws-us-gov"):
        yield Conflict(
            "restore_testing",
            f"CloudFormation does not support restore testing plans in {partition}",
            "set it to false, and restore by hand regularly",
        )


def _air_gapped_days(values: Values) -> Iterator[Conflict]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html"""
    least, most = values["air_gapped_min_days"], values["air_gapped_max_days"]
    if least > most:
        yield Conflict(
            "air_gapped_min_days",
            f"it must not be more than air_gapped_max_days ({most})",
            "lower it, or raise air_gapped_max_days",
        )
    elif not least <= values["air_gapped_delete_after_days"] <= most:
        yield Conflict(
            "air_gapped_delete_after_days",
            f"it must be within the limits of the air-gapped vault, {least} to {most} days: AWS "
            "Backup fails every copy outside them",
            "change it, or before the vault is created air_gapped_min_days and air_gapped_max_days",
        )


def _air_gapped_region(values: Values) -> Iterator[Conflict]:
    where = values["region" if values["air_gapped_region"] == "primary" else "dr_region"]
    if values["air_gapped"] and (
        partition_of(where) in ("aws-cn", "aws-us-gov") or where in WITHOUT_AIR_GAP
    ):
        yield Conflict(
            "air_gapped_region",
            f"there are no logically air-gapped vaults in {where}",
            "choose the other region, or set air_gapped to false",
        )


def _air_gapped_share(values: Values) -> Iterator[Conflict]:
    accounts = values["air_gapped_share_with"]
    if accounts and not values["air_gapped"]:
        yield Conflict(
            "air_gapped_share_with",
            "there is nothing to share: air_gapped is false",
            "set air_gapped to true, or remove air_gapped_share_with",
        )
    if values["account"] in accounts:
        yield Conflict(
            "air_gapped_share_with",
            f"{values['account']} is the environment's own account",
            "list another account, which an attacker in this account cannot reach",
        )


def _watch(values: Values) -> Iterator[Conflict]:
    for name, does in (
        ("heartbeat_parameter", "calls the heartbeat"),
        ("report_bucket", "writes the report"),
    ):
        if values[name] and not values["alerts"]:
            yield Conflict(
                name,
                f"the watch {does}, and it is part of the alerts, which are off",
                f"set alerts to true, or remove {name}",
            )
