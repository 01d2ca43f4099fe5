"""`cabal-backup verify-aws`: does AWS behave as this project expects?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.drill.write_report import Redaction
from cabal_backup.operations.verify_aws import QuestionResult, Result, verify
from cabal_backup.text import name_stamp, one_line, timestamp


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(CommonOptions):
    """The options of `verify-aws`."""

    report: Path | None
    json: bool


def define_verify_aws(parser: Parser) -> None:
    parser.describe(
        "Compares what a deployed environment shows with what this project expects "
        "of AWS where AWS's documents leave it open (docs/first-deployment.md). It changes "
        "nothing, and writes a report without account ids that can be attached to an issue. It "
        "asks for a vault and for jobs that do not exist, so use the credentials that deploy.",
        "verify-aws -e development",
        note="Exit codes: 0 everything matched, 5 something differed, 2 something is unknown.",
    )
    add_common(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="where to write the report, which must not exist "
        "(default: verify-aws-ENVIRONMENT-TIME.md in this folder)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON (docs/first-deployment.md)")
    parser.runs(run, VerifyOptions)


def run(options: VerifyOptions, invocation: Invocation) -> int:
    aws = connect_to(options)
    now = invocation.clock.now()
    findings = verify(aws)
    file = options.report or Path(f"verify-aws-{aws.environment.name}-{name_stamp(now)}.md")
    text = report(findings, aws, now)
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error.strerror}.") from error
    if options.json:
        output.print_json(_as_json(findings, aws, now, file))
    else:
        for finding in findings:
            print(
                f"{finding.observation.result:<12}  {finding.question.id:<20}  "
                f"{one_line(finding.observation.evidence)}"
            )
        print(f"\nThe report is {file}.")
    results = {finding.observation.result for finding in findings}
    if Result.DIFFERENT in results:
        return ExitCode.DIFFERENT
    return ExitCode.OK if results == {Result.MATCHED} else ExitCode.UNKNOWN


def _as_json(
    findings: Sequence[QuestionResult], aws: Aws, now: datetime, file: Path
) -> Mapping[str, object]:
    return {
        "environment": aws.environment.name,
        "at": now,
        "report": file,
        "questions": [
            {
                "id": finding.question.id,
                "question": finding.question.question,
                "expected": finding.question.expected,
                "result": finding.observation.result,
                "evidence": finding.observation.evidence,
            }
            for finding in findings
        ],
    }


def report(findings: Sequence[QuestionResult], aws: Aws, now: datetime) -> str:
    """The findings as Markdown, without account ids, principals and file systems."""
    redaction = Redaction(aws.account)
    lines = [
        "# What AWS does where its documents leave it open",
        "",
        f"{timestamp(now)}, {aws.environment.region} and {aws.environment.dr_region}.",
        "",
        "| result | question | expected | seen |",
        "| --- | --- | --- | --- |",
    ]
    for finding in findings:
        question, seen = finding.question, finding.observation
        evidence = one_line(redaction.text(seen.evidence)).replace("|", "\\|")
        lines.append(
            f"| {seen.result} | {question.id}: {question.question} | {question.expected} | "
            f"{evidence} |"
        )
    return "\n".join(lines) + "\n"
