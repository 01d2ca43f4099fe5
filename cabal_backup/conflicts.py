"""Settings that are fine alone but not together.

Each rule looks only at settings that could be understood; what is missing from the
values has been reported already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cabal_backup.environment import MIN_COLD_DAYS, partition_of

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Conflict:
    """A setting whose value does not go with the others."""

    setting: str
    rule: str
    remedy: str


def find_conflicts(values: Values) -> Iterator[Conflict]:
    """Every conflict between the understood settings of one environment."""
    yield from _regions(values)
    yield from _lock_range(values)
    for prefix in ("", "dr_"):
        cold, delete = f"{prefix}cold_after_days", f"{prefix}delete_after_days"
        yield from _cold_storage(values, cold, delete)
        yield from _within_lock(values, delete)
    yield from _account(values)
    yield from _mailstore(values)
    yield from _tables(values)
    yield from _restore_testing(values)
    yield from _heartbeat(values)


def _known(values: Values, *settings: str) -> bool:
    return values.keys() >= set(settings)


def _regions(values: Values) -> Iterator[Conflict]:
    if not _known(values, "region", "dr_region"):
        return
    region, dr_region = values["region"], values["dr_region"]
    partition, dr_partition = partition_of(region), partition_of(dr_region)
    if region == dr_region:
        yield Conflict(
            "dr_region",
            f"it is another region than region ({region}): a copy beside the original "
            "is lost with it",
            "choose a second region",
        )
    elif partition != dr_partition:
        yield Conflict(
            "dr_region",
            f"it is in the partition of region ({region} is in {partition}, {dr_region} in "
            f"{dr_partition}): AWS Backup cannot copy from one to the other",
            f"choose a region in {partition}",
        )


def _lock_range(values: Values) -> Iterator[Conflict]:
    if not _known(values, "lock_min_days", "lock_max_days"):
        return
    # The CDK construct refuses equal ones, which would leave a single day to choose.
    if values["lock_min_days"] >= values["lock_max_days"]:
        yield Conflict(
            "lock_min_days",
            f"it is less than lock_max_days ({values['lock_max_days']})",
            "lower it, or raise lock_max_days",
        )


def _cold_storage(values: Values, cold: str, delete: str) -> Iterator[Conflict]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html"""
    if not _known(values, cold, delete) or values[cold] is None:
        return
    least = values[cold] + MIN_COLD_DAYS
    if values[delete] < least:
        yield Conflict(
            delete,
            f"AWS Backup keeps a recovery point in cold storage for at least {MIN_COLD_DAYS} "
            f"days, so with {cold} {values[cold]} it is at least {least}",
            f'raise it to {least}, lower {cold}, or set {cold} to "never"',
        )


def _within_lock(values: Values, delete: str) -> Iterator[Conflict]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"""
    if not _known(values, delete, "lock_min_days", "lock_max_days"):
        return
    least, most = values["lock_min_days"], values["lock_max_days"]
    if least < most and not least <= values[delete] <= most:
        yield Conflict(
            delete,
            f"it lies within the lock of the vaults, {least} to {most} days: AWS Backup fails "
            "every job outside it",
            "change it, or change lock_min_days and lock_max_days",
        )


def _account(values: Values) -> Iterator[Conflict]:
    if not _known(values, "backup", "account"):
        return
    if values["backup"] and values["account"] is None:
        yield Conflict(
            "account",
            "an environment whose backup is true names its account: the stacks have the same "
            "names in every environment, so that with other credentials a command would change "
            "another environment",
            "find it with `aws sts get-caller-identity --query Account` and give its 12 digits "
            "here, in quotes, or on the command line",
        )


def _mailstore(values: Values) -> Iterator[Conflict]:
    if not _known(values, "backup", "mailstore_file_system_id"):
        return
    if values["backup"] and values["mailstore_file_system_id"] is None:
        yield Conflict(
            "mailstore_file_system_id",
            "an environment whose backup is true names its mailstore",
            "find it with `aws efs describe-file-systems` (Cabal's carries the tag "
            "Name=cabal-efs) and give it here or on the command line",
        )


def _tables(values: Values) -> Iterator[Conflict]:
    if not _known(values, "addresses_table", "pitr_tables"):
        return
    addresses = values["addresses_table"]
    if addresses in values["pitr_tables"]:
        yield Conflict(
            "pitr_tables",
            f"it lists the tables outside the backup plan; {addresses} is in the plan, and its "
            "PITR is watched without being listed",
            f"remove {addresses} from the list",
        )


def _restore_testing(values: Values) -> Iterator[Conflict]:
    """As the schemas of CloudFormation in these partitions say, which cfn-lint ships."""
    if not _known(values, "backup", "region", "restore_testing"):
        return
    partition = partition_of(values["region"])
    if values["backup"] and values["restore_testing"] and partition in ("aws-cn", "aws-us-gov"):
        yield Conflict(
            "restore_testing",
            f"CloudFormation knows no restore testing plans in {partition}",
            "set it to false, and restore by hand once in a while",
        )


def _heartbeat(values: Values) -> Iterator[Conflict]:
    if not _known(values, "alerts", "heartbeat_parameter"):
        return
    if values["heartbeat_parameter"] and not values["alerts"]:
        yield Conflict(
            "heartbeat_parameter",
            "the watch calls the heartbeat, and it is part of the alerts, which are off",
            "set alerts to true, or remove heartbeat_parameter",
        )
