"""Where the reports of drills are: written by `drill`, read by `status`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cabal_backup.cli.options import REPORTS
from cabal_backup.config.project import find_project


def add_report_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report-dir",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get(REPORTS),
        help=f"the folder of the drill reports (default: {REPORTS}, then drills in the project)",
    )


def report_folder(options: argparse.Namespace) -> Path:
    """The folder that was named, or the project's own. Raises SettingsError without a project."""
    if options.report_dir:
        return Path(options.report_dir)
    return find_project(options.project) / "drills"
