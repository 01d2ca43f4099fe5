"""`cabal-backup jobs`: what AWS Backup and DynamoDB are doing, and watching it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cabal_backup.cli import output, progress
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    connect_to,
    number,
    positive,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.config.environment import Environment
from cabal_backup.errors import ExitCode, UnreachableError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Job, failure, find_job, follow, list_jobs
from cabal_backup.operations.restore.select_point import MAILSTORE
from cabal_backup.operations.restore.tables.describe import (
    describe_table,
    list_restoring,
    wait_until_active,
)
from cabal_backup.text import columns, one_line


@dataclass(frozen=True, kw_only=True)
class JobsOptions(CommonOptions):
    """The options of `jobs`."""

    days: int
    json: bool
    watch: Sequence[str]
    longest: float


def define_jobs(parser: Parser) -> None:
    parser.describe(
        "Lists the jobs of both regions, or follows one until it ends.",
        "jobs -e prod --days 7",
        "jobs watch 4e1a6f2c-0b3d-4a57-9c1e-2f8d6b7a9c10 -e prod",
    )
    add_common(parser)
    parser.add_argument(
        "--days",
        type=number("a number of days", 1, 30),
        default=1,
        metavar="N",
        help="how many days to go back (default: 1; AWS Backup keeps jobs for 30)",
    )
    parser.add_argument(
        "--json", action="store_true", help="as JSON (docs/runbooks/restore-tables.md)"
    )
    parser.add_argument(
        "watch",
        nargs="*",
        metavar="watch ID",
        help="follow this job or the table that is being restored, until it ends",
    )
    parser.add_argument(
        "--longest",
        type=positive("a number of hours", 1000),
        default=24,
        metavar="HOURS",
        help="how long to follow it (default: 24)",
    )
    parser.runs(run, JobsOptions)


_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""Jobs have UUIDs."""


def run(options: JobsOptions, invocation: Invocation) -> int:
    if not options.watch:
        return run_list(options, invocation)
    if len(options.watch) != 2 or options.watch[0] != "watch":
        raise UsageError("jobs takes no arguments except `watch ID`, which follows a job.")
    return run_watch(options, invocation)


def run_list(options: JobsOptions, invocation: Invocation) -> int:
    aws = connect_to(options)
    now = invocation.clock.now()
    listing = list_jobs(aws, now, since=timedelta(days=options.days))
    unknown = dict(listing.unknown)
    restoring: list[str] = []
    try:
        restoring = list_restoring(aws)
    except UnreachableError as error:
        unknown["tables that are being restored"] = str(error)
    if options.json:
        content = {
            "at": now,
            "jobs": [as_json(job) for job in listing.jobs],
            "restoring_tables": restoring,
            "unknown": unknown,
        }
        output.print_json(content)
    else:
        print("\n".join(_lines(aws.environment, listing.jobs, restoring)))
    for what, reason in unknown.items():
        output.say(f"cabal-backup: could not list the {what}: {reason}")
    return ExitCode.UNKNOWN if unknown else ExitCode.OK


def run_watch(options: JobsOptions, invocation: Invocation) -> int:
    aws = connect_to(options)
    _, watched = options.watch
    longest = timedelta(hours=options.longest)
    # Who may watch the jobs need not be allowed to look at tables of any name.
    where = None if _JOB_ID.fullmatch(watched) else _find_table(aws, watched)
    if where is not None:
        with progress.shown() as report:
            wait_until_active(where, watched, invocation.clock, report, longest=longest)
        print(watched)
        return ExitCode.OK
    return _watch_job(aws, watched, invocation.clock, longest)


def _find_table(aws: Aws, name: str) -> Aws | None:
    """AWS in the region of a table; None if there is none in either."""
    for region in (aws.environment.region, aws.environment.dr_region):
        there = aws.at(region)
        if region not in aws.lost and describe_table(there, name) is not None:
            return there
    return None


def _watch_job(aws: Aws, job_id: str, clock: Clock, longest: timedelta) -> int:
    with progress.shown() as report:
        job = follow(aws, find_job(aws, job_id), clock, report, longest=longest)
    made = job.created_resource_arn or job.recovery_point_arn
    print(f"{job.kind} job {job.id}: {job.state}  {made}".rstrip())
    if not job.completed_well:
        raise failure(job)
    if job.created_resource_arn == aws.arn("dynamodb", f"table/{aws.environment.addresses_table}"):
        output.say(
            "The table is restored under its own name. To set what DynamoDB does not restore: "
            f"cabal-backup restore addresses {aws.environment.options} "
            f"--recovery-point={job.recovery_point_arn} --cold"
        )
    return ExitCode.OK


def _lines(
    environment: Environment, jobs: Sequence[Job], restoring: Sequence[str]
) -> Iterator[str]:
    """A header and one line per job, and then why jobs failed."""
    yield from (f"DynamoDB is restoring the table {table}." for table in restoring)
    if not jobs:
        yield "No jobs."
        return
    header = ("STARTED UTC", "REGION", "KIND", "STATE", "RESOURCE", "ID")
    yield from columns([header, *(_row(environment, job) for job in jobs)])
    yield from (f"{job.id}: {one_line(job.message)}" for job in jobs if job.message)


def _row(environment: Environment, job: Job) -> tuple[str, ...]:
    percent = f" {job.percent}%" if job.percent and not job.finished else ""
    resource = re.split("[:/]", job.resource_arn)[-1]
    if resource == environment.mailstore_file_system_id:
        resource = MAILSTORE
    return (
        f"{job.created:%m-%d %H:%M}",  # AWS keeps jobs for 30 days
        job.region,
        job.kind,
        f"{job.state}{percent}",
        resource,
        job.id,
    )


def as_json(job: Job) -> dict[str, object]:
    """The documented fields of a job."""
    return {
        **vars(job),
        "percent": float(job.percent) if job.percent else None,
    }
