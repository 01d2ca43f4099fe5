"""The options that choose a recovery point, and the role it is restored with."""

from __future__ import annotations

import argparse

from cabal_backup import names
from cabal_backup.cli.moments import moment


def add_point(parser: argparse.ArgumentParser) -> None:
    """Which recovery point, whether a cold one will do, and the role."""
    add_which(parser)
    parser.add_argument(
        "--cold", action="store_true", help="accept a recovery point in cold storage"
    )
    add_role(parser)


def add_which(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--recovery-point", metavar="ARN", help="this recovery point")
    which.add_argument(
        "--at",
        type=moment,
        metavar="TIME",
        help="the newest one before this time, such as 2026-11-20",
    )


def add_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--role",
        default=names.ROLE,
        metavar="NAME",
        help=f"the role for the restore (default: {names.ROLE})",
    )
