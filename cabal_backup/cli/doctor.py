"""`cabal-backup doctor`: is everything there that a deployment needs?"""

from __future__ import annotations

from dataclasses import dataclass

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_without_backup
from cabal_backup.cli.parser import Parser
from cabal_backup.cli.status_formats import EXIT_CODES, finding_document, print_finding, styled
from cabal_backup.config.project import find_project, merge, read_layers
from cabal_backup.operations.doctor.examine import QUALIFIER, examine
from cabal_backup.operations.status.findings import NOT_OK, Status, Verdict
from cabal_backup.text import plural


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(CommonOptions):
    """The options of `doctor`."""

    json: bool


def define_doctor(parser: Parser) -> None:
    parser.describe(
        "Checks what a deployment needs, before the first one and afterwards: credentials, "
        "regions, CDK's bootstrap, the table and the file system, and whether the names of the "
        "stacks are taken. It changes nothing.",
        "doctor -e development",
        note="Exit codes: 0 nothing is missing, 1 something is, 2 something is unknown.",
    )
    add_common(parser)
    parser.add_argument("--json", action="store_true", help="as JSON (docs/doctor.md)")
    parser.runs(run, DoctorOptions)


def run(options: DoctorOptions, invocation: Invocation) -> int:
    aws = connect_without_backup(options)
    context = merge(read_layers(find_project(options.project, options.config), options.context))
    qualifier = context.get("@aws-cdk/core:bootstrapQualifier", QUALIFIER)
    now = invocation.clock.now()
    verdict = examine(aws, now, qualifier=qualifier)
    if options.json:
        content = {
            "environment": aws.environment.name,
            "account": aws.account,
            "at": now,
            "verdict": verdict.status,
            "summary": _sentence(aws.environment.name, verdict),
            "findings": [finding_document(finding, "doctor") for finding in verdict.findings],
        }
        output.print_json(content)
    else:
        _show(aws.environment.name, verdict)
    return EXIT_CODES[verdict.status]


def _show(name: str, verdict: Verdict) -> None:
    from cabal_backup.cli.console import SafeConsole

    console = SafeConsole()
    for finding in verdict.findings:
        print_finding(console, finding, "doctor", verbose=False)
    console.print(styled(verdict.status, _sentence(name, verdict)), soft_wrap=True)


def _sentence(name: str, verdict: Verdict) -> str:
    counts = {status: len(verdict.with_status(status)) for status in NOT_OK}
    words = {Status.FAIL: "failed", Status.UNKNOWN: "unknown", Status.WARN: "with a warning"}
    trouble = [f"{count} {words[status]}" for status, count in counts.items() if count]
    made = plural(len(verdict.findings), "check")
    return f"{name}: {made}, {', '.join(trouble) or 'nothing is missing'}."
