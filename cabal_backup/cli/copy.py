"""`cabal-backup copy now`: recovery points to the DR region."""

from __future__ import annotations

from cabal_backup.cli.backup import add_now, finish
from cabal_backup.cli.options import add_common
from cabal_backup.cli.parser import Parser
from cabal_backup.operations.restore import on_demand


def define(parser: Parser) -> None:
    parser.describe(
        "Copies recovery points of the primary vault to the DR vault now, with the lifecycle and "
        "the role of the plan.",
        "copy now -e prod",
    )
    now = add_now(parser)
    now.describe(
        "Copies every recovery point of the last 30 days that has no copy, or those that are "
        "named. Run again, it follows the jobs that still run.",
        "copy now -e prod --dry-run",
    )
    add_common(now)
    now.add_argument(
        "what",
        nargs="*",
        metavar="RECOVERY_POINT",
        help="the ARN, or its last part (default: every one without a copy)",
    )
    finish(now, on_demand.plan_copy)
