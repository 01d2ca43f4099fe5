"""`cabal-backup status --all`: every environment side by side, each with its own profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cabal_backup.cli.status_formats import document, styled
from cabal_backup.errors import BackupOffError, CabalBackupError
from cabal_backup.operations.report.summary import Report
from cabal_backup.operations.status import findings
from cabal_backup.operations.status.checks import GROUPS
from cabal_backup.operations.status.findings import NOT_OK, Status
from cabal_backup.text import with_local_time

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class Seen:
    """One environment: its report, or why there is none."""

    name: str
    report: Report | None
    error: CabalBackupError | None = None

    @property
    def status(self) -> Status:
        """Its verdict; `off` where its backup is off, `unknown` where it could not be looked at."""
        if self.report is not None:
            return self.report.verdict.status
        return Status.OFF if isinstance(self.error, BackupOffError) else Status.UNKNOWN

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        return self.report.sentence if self.report else f"{self.name}: {self.error}"


def see(name: str, look: Callable[[str], Report]) -> Seen:
    """Look at one environment; an error of one does not end the others."""
    try:
        return Seen(name, look(name))
    except CabalBackupError as error:
        return Seen(name, None, error)


def worst(all_seen: Sequence[Seen]) -> Status:
    """The verdict about all of them; `unknown` where no environment has its backup on."""
    found = {seen.status for seen in all_seen}
    return Status.UNKNOWN if found <= {Status.OFF} else findings.worst(found)


def as_json(all_seen: Sequence[Seen]) -> Mapping[str, object]:
    """The documented JSON: docs/status.md describes every field."""
    environments: list[Mapping[str, object]] = [
        document(seen.report)
        if seen.report
        else {"environment": seen.name, "verdict": seen.status, "summary": seen.sentence}
        for seen in all_seen
    ]
    return {"verdict": worst(all_seen), "environments": environments}


def show(all_seen: Sequence[Seen]) -> None:
    """The groups of checks down, the environments across; what is not ok; the verdicts."""
    from rich.table import Table
    from rich.text import Text

    from cabal_backup.cli.console import SafeConsole

    console = SafeConsole()
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("", no_wrap=True)
    for seen in all_seen:
        table.add_column(seen.name)
    for group in GROUPS:
        table.add_row(Text(group), *(_cell(seen, group) for seen in all_seen))
    console.print(table)
    for seen in all_seen:
        for finding in seen.report.verdict.findings if seen.report else ():
            if finding.status in NOT_OK:
                line = Text(f"{seen.name}: ").append_text(styled(finding.status, finding.check))
                console.print(line.append(f": {with_local_time(finding.evidence)}"))
    print()
    for seen in all_seen:
        console.print(styled(seen.status, seen.sentence), soft_wrap=True)
        if seen.report and seen.status in NOT_OK:
            console.print(Text(f"  cabal-backup status -e {seen.name}"), soft_wrap=True)


def _cell(seen: Seen, name: str) -> Text:
    """The worst of a group, with its count, such as `1 fail`."""
    group = seen.report.groups.get(name) if seen.report else None
    if group is None:
        return styled(seen.status if seen.report is None else Status.OFF, "")
    return styled(group.status, group.counts.split(",")[0])
