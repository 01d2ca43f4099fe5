"""The options that every command has, and what they stand for."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from cabal_backup.config.project import find_project, not_protected, read_environment
from cabal_backup.errors import SettingsError, UsageError
from cabal_backup.operations.aws import Aws, connect
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.deployed import check_environment
from cabal_backup.operations.drill.plan import is_drill_name
from cabal_backup.operations.teardown.inventory import may_be_deployed


@dataclass(frozen=True)
class Invocation:
    """What a command gets beside its options."""

    clock: Clock


def add_environment(parser: argparse.ArgumentParser) -> None:
    """The options that choose the environment and its settings."""
    group = parser.add_argument_group("environment")
    group.add_argument(
        "-e",
        "--environment",
        metavar="NAME",
        default=os.environ.get("CABAL_ENVIRONMENT"),
        help="which environment of cdk.json (default: CABAL_ENVIRONMENT)",
    )
    group.add_argument(
        "-c",
        "--context",
        metavar="NAME.SETTING=VALUE",
        action="append",
        default=[],
        help="give a setting, as for cdk; may be repeated",
    )
    group.add_argument(
        "--project",
        type=Path,
        metavar="FOLDER",
        help="where cdk.json is (default: this folder, or the nearest above it)",
    )
    group.add_argument(
        "--debug", action="store_true", help="show where in the tool an error comes from"
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    group = parser.add_argument_group("AWS")
    group.add_argument(
        "--profile", help="the AWS profile (default: AWS_PROFILE, then as the AWS CLI does)"
    )
    group.add_argument(
        "--assume-region-lost",
        metavar="REGION",
        help="do not ask this region at all, instead of waiting for its answers",
    )


def connect_to(options: argparse.Namespace) -> Aws:
    """AWS, for the environment and with the credentials that the options name.

    Raises SettingsError for an environment whose backup is off and which is not deployed.
    """
    project = find_project(options.project)
    environment = read_environment(project, options.environment, options.context)
    lost = options.assume_region_lost
    regions = (environment.region, environment.dr_region)
    if lost is not None:
        if lost not in regions:
            raise UsageError(
                f"{environment.name} has nothing in {lost}: its regions are "
                f"{' and '.join(regions)}."
            )
        print(
            f"cabal-backup: {lost} is assumed lost: nothing there is asked, and nothing said here "
            "is about what may still be there.",
            file=sys.stderr,
        )
    aws = connect(environment, profile=options.profile, lost=[] if lost is None else [lost])
    if not environment.backup:
        if not may_be_deployed(aws):
            raise SettingsError(not_protected(environment.name))
        print(
            f"cabal-backup: {environment.name} has backup: false. What is deployed of it goes on "
            "and is billed, and no deployment changes it. Turn the setting on again, or take it "
            "down (docs/runbooks/teardown.md).",
            file=sys.stderr,
        )
    return aws


def connect_to_change(options: argparse.Namespace, *, recorded: bool = False) -> Aws:
    """AWS, for a command that changes something: what is deployed there is this environment.

    :param recorded: as in `check_environment`, which says what it raises.
    """
    aws = connect_to(options)
    for reason in check_environment(aws, recorded=recorded):
        print(f"cabal-backup: environment not compared: {reason}", file=sys.stderr)
    return aws


def check_not_a_drills(*given: str | None) -> None:
    """Raises UsageError for a name that only a drill gives: a drill may delete what has it."""
    for name in given:
        if name is not None and is_drill_name(name):
            raise UsageError(
                f"{name} is a name for what a drill makes and deletes again. Nothing was done. "
                "Choose another."
            )
