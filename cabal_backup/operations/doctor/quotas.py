"""Whether the account's quotas have room for the environment.

Service Quotas lists what an account has (`ListServiceQuotas`) only where it differs or is known, so
AWS's defaults are read too. Two quotas are documented and not in Service Quotas.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypedDict

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import list_vaults
from cabal_backup.operations.aws.results import Answer, Asking, Known, Unknown, pages
from cabal_backup.operations.status.checks.outcome import fail, ok, unknown
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import State
from cabal_backup.text import plural

COPY_JOBS = 100
"""Concurrent copy jobs of an account into a region.

https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html
"""

TABLE_RESTORES = 50
"""Concurrent restores of tables in an account, of any type.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableFromBackup.html
"""

FUNCTIONS = 10
"""Functions that run at once: five batches of alerts, the watch, two validated restore tests and
two handlers of a deployment.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

_SERVICES = ("backup", "dynamodb", "elasticfilesystem", "lambda")


class Quota(TypedDict):
    """One quota, as Service Quotas lists it."""

    QuotaCode: str
    Value: float
    Adjustable: bool


@dataclass(frozen=True, kw_only=True)
class Used:
    """The quotas of one region, and how much of them is used."""

    quotas: Sequence[Answer[Mapping[str, Quota]]]
    """By code; an answer for each service."""
    vaults: Answer[Set[str]]
    """The names of both kinds, which one quota counts."""
    plans: Answer[int]
    tables: Answer[int]
    file_systems: Answer[Mapping[str, Sequence[str]]]
    """The VPC of each mount target of each file system, by the file system's id."""


class Need(NamedTuple):
    """What the environment needs of one quota in one region."""

    service: str
    code: str | None
    """None for one that Service Quotas does not have."""
    name: str
    needed: int
    why: str
    documented: int | None = None
    """The value where there is no code."""


def read_used(aws: Aws) -> dict[str, Used]:
    """The quotas of both regions, and how much of them is used, by region."""

    def start(region: str) -> Callable[[], Used]:
        quotas = [asking.ask(partial(_quotas, aws, region, service)) for service in _SERVICES]
        vaults = asking.ask(partial(_vaults, aws, region))
        plans = asking.ask(partial(_plans, aws, region))
        tables = asking.ask(partial(_tables, aws, region))
        file_systems = asking.ask(partial(_file_systems, aws, region))
        return lambda: Used(
            quotas=[each.result() for each in quotas],
            vaults=vaults.result(),
            plans=plans.result(),
            tables=tables.result(),
            file_systems=file_systems.result(),
        )

    with Asking() as asking:
        started = {region: start(region) for region in aws.environment.regions}
        return {region: finish() for region, finish in started.items()}


def judge(state: State, used: Mapping[str, Used]) -> Outcome:
    """The check: every quota has room for the environment."""
    details: list[str] = []
    remedies: list[str] = []
    asked: list[Answer[object]] = [state.plan]
    for region, here in used.items():
        asked += [*here.quotas, here.vaults, here.plans, here.tables, here.file_systems]
        listed = [one.value for one in here.quotas if isinstance(one, Known)]
        values = {code: quota for by_code in listed for code, quota in by_code.items()}
        for need in _needs(state, region, here):
            quota = values.get(need.code or "")
            value = quota["Value"] if quota else need.documented
            if value is None:
                if len(listed) == len(here.quotas):
                    asked.append(Unknown(f"Service Quotas in {region} does not list {need.name}."))
                continue
            about = f"{region}: {need.name}: {value:,.0f}, needed {need.needed:,} ({need.why})"
            if value >= need.needed:
                details.append(about)
            else:
                details.insert(len(remedies), about)
                remedies.append(_remedy(need, quota, region))
    if remedies:
        return fail(
            f"Too low for {state.environment.name}: {plural(len(remedies), 'quota')}.",
            "; ".join(remedies),
            details=details[: len(remedies)],
        )
    if any(isinstance(one, Unknown) for one in asked):
        return unknown(*asked, looking_at="the account's quotas")
    return ok(f"{plural(len(details), 'quota')} in both regions are high enough.", details=details)


def _needs(state: State, region: str, used: Used) -> Iterator[Need]:
    """What is needed, as far as what is used could be read."""
    environment = state.environment
    here = next(one for one in state.regions if one.region == region)
    primary = here is state.primary
    resources, tables = len(state.resources), len(state.tables)
    if (vaults := used.vaults.value_or(None)) is not None:
        planned = (state.primary, *state.copy_vaults)
        count = len(vaults | {one.vault_name for one in planned if one.region == region})
        name = "backup vaults, with logically air-gapped ones"
        yield Need("backup", "L-7705D2CB", name, count, f"{len(vaults)} exist")
    if primary and (plans := used.plans.value_or(None)) is not None:
        count = plans + (state.plan == Known(None))
        yield Need("backup", "L-BD69F607", "backup plans", count, f"{plans} exist")
    lifecycle = environment.lifecycle if primary else environment.dr_lifecycle
    nights = lifecycle.delete_after_days + 1
    why = f"{plural(nights, 'night')} of {plural(resources, 'resource')}"
    points = "recovery points per backup vault"
    yield Need("backup", "L-514878B6", points, nights * resources, why)
    if (existing := used.tables.value_or(None)) is not None:
        why = f"{existing} exist, {tables} may be restored beside them"
        yield Need("dynamodb", "L-F98FE922", "tables", existing + tables, why)
    if (file_systems := used.file_systems.value_or(None)) is not None:
        own = environment.mailstore_file_system_id if primary else None
        yield from _of_file_systems(file_systems, own)
    why = "without the account's other functions"
    yield Need("lambda", "L-B99A9384", "concurrent executions", FUNCTIONS, why)
    copies = "concurrent copy jobs into the region, as documented"
    why = f"one of each of {plural(resources, 'resource')}"
    yield Need("backup", None, copies, resources, why, COPY_JOBS)
    restores = "concurrent restores of tables, as documented"
    yield Need("dynamodb", None, restores, tables, "one of each table", TABLE_RESTORES)


def _of_file_systems(mounted: Mapping[str, Sequence[str]], mailstore: str | None) -> Iterator[Need]:
    """
    :param mailstore: the mailstore: a restored one gets as many mount targets in its VPC. None in
        the DR region, where the operator chooses a subnet of any VPC: the fullest one here.

    https://docs.aws.amazon.com/efs/latest/ug/limits.html
    """
    why = f"{len(mounted)} exist, one may be restored beside them"
    yield Need("elasticfilesystem", "L-848C634D", "file systems", len(mounted) + 1, why)
    by_vpc = Counter(vpc for vpcs in mounted.values() for vpc in vpcs)
    own = mounted.get(mailstore or "", ())
    vpc = own[0] if own else max(by_vpc, key=lambda one: by_vpc[one], default="any VPC")
    more = len(own) or 1
    why = f"{by_vpc[vpc]} exist in {vpc}, a restored file system gets {more}"
    name = "mount targets per VPC"
    yield Need("elasticfilesystem", "L-7391004C", name, by_vpc[vpc] + more, why)


def _remedy(need: Need, quota: Quota | None, region: str) -> str:
    if quota is None or not quota["Adjustable"]:
        return f"AWS does not raise the quota of {need.name}: delete what is not needed in {region}"
    return (
        f"aws service-quotas request-service-quota-increase --region={region} "
        f"--service-code={need.service} --quota-code={need.code} --desired-value={need.needed}"
    )


def _quotas(aws: Aws, region: str, service: str) -> dict[str, Quota]:
    """By code; the account's own values replace AWS's defaults."""
    client = aws.client("service-quotas", region)
    return {
        quota["QuotaCode"]: quota
        for listing in ("list_aws_default_service_quotas", "list_service_quotas")
        for page in pages(getattr(client, listing), ServiceCode=service)
        for quota in page["Quotas"]
    }


def _vaults(aws: Aws, region: str) -> set[str]:
    backup = aws.client("backup", region)
    listed = [*list_vaults(backup), *list_vaults(backup, air_gapped=True)]
    return {vault["BackupVaultName"] for vault in listed}


def _plans(aws: Aws, region: str) -> int:
    listed = pages(aws.client("backup", region).list_backup_plans)
    return sum(len(page["BackupPlansList"]) for page in listed)


def _tables(aws: Aws, region: str) -> int:
    listed = aws.client("dynamodb", region).get_paginator("list_tables").paginate()
    return sum(len(page["TableNames"]) for page in listed)


def _file_systems(aws: Aws, region: str) -> dict[str, list[str]]:
    """The VPC of each mount target of each file system, by the file system's id."""
    efs = aws.client("efs", region)
    return {
        each["FileSystemId"]: [
            target["VpcId"]
            for targets in efs.get_paginator("describe_mount_targets").paginate(
                FileSystemId=each["FileSystemId"]
            )
            for target in targets["MountTargets"]
        ]
        if each["NumberOfMountTargets"]
        else []
        for page in efs.get_paginator("describe_file_systems").paginate()
        for each in page["FileSystems"]
    }
