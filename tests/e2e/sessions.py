"""Records what an operator types and what the terminal shows, for docs/sessions.md."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from local_aws.client import shell_variables

from tests.e2e.exercise import write_reports
from tests.e2e.terminal import Terminal
from tests.sandbox.deployment import PROJECT, Deployment

SIZES = ((80, 24), (120, 40))
"""Columns and rows."""

_STEP = timedelta(minutes=30)
"""Between two commands, so that the minute does not depend on how long they take."""

_VARYING = (
    r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b",
    r"(?<=\bfs-)[0-9a-f]{17}\b",
    # How long a bar has been shown, and how long it will be.
    r"(?<= )(?:\d:\d\d:\d\d|-:--:--)(?= |$)",
)
"""What is another one each time."""

_MINUTE = re.compile(r"\b(1[4-9]|2\d):([0-5])\d UTC")
"""Of the session; a busy machine needs minutes for a command."""


_ONE_PIECE = re.compile(r" *(?:(?:cabal-backup|aws) .*|\S+)$")
"""A line that is a command or an ARN stays in one piece, so that it can be copied."""


@dataclass
class Recorder:
    """A terminal of one size in front of one deployment."""

    deployment: Deployment
    folder: Path
    """Of the project: with the settings, as on an operator's machine."""
    columns: int
    rows: int
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("app.py", "cabal_backup", "cdk.json"):
            (self.folder / name).symlink_to(PROJECT / name)
        (self.folder / "cdk.context.json").write_text(json.dumps(dict(self.deployment.context)))
        sandbox = self.deployment.sandbox
        write_reports(self.folder / "drills", self.deployment.environment, sandbox.now())
        # Some seconds past the minute in which jobs start and end.
        self._at = sandbox.now().replace(hour=14, minute=0, second=15, microsecond=0)

    def wait(self, duration: timedelta) -> None:
        """Let time pass."""
        self._at += duration
        self.deployment.sandbox.advance_to(self._at)

    def start(self, command: str) -> Terminal:
        """Type a command."""
        self.wait(_STEP)
        sandbox = self.deployment.sandbox
        arguments = [*shlex.split(command), "-e", self.deployment.environment]
        self.lines.append(f"$ cabal-backup {command} -e {self.deployment.environment}")
        environ = {**sandbox.environ(), **shell_variables(sandbox.endpoint), "TZ": "UTC"}
        return Terminal(
            arguments, environ, folder=self.folder, columns=self.columns, rows=self.rows
        )

    def end(self, terminal: Terminal, code: int = 0) -> list[str]:
        """Wait for the end, with this exit code; what the screen shows."""
        ended = terminal.end()
        shown = terminal.screen
        while shown and not shown[-1]:
            shown.pop()
        assert ended == code, "\n".join(shown)
        long = [line for line in shown if len(line) > self.columns and not _ONE_PIECE.match(line)]
        assert not long, long
        self.lines += [*shown, *([f"[exit code {code}]"] if code else []), ""]
        return shown

    def run(self, command: str, code: int = 0) -> list[str]:
        """Type a command that asks nothing."""
        return self.end(self.start(command), code)

    def answer(self, command: str, word: str) -> Terminal:
        """Type a command, and confirm it."""
        terminal = self.start(command)
        terminal.wait_for(f"Type {word} to continue: ")
        terminal.type(word)
        return terminal

    @property
    def text(self) -> str:
        """The session, with as many digits for what varies: 1 for the first, and so on."""
        text = "\n".join(self.lines).rstrip()
        for pattern in _VARYING:
            found = list(dict.fromkeys(re.findall(pattern, text, re.M)))
            for number, each in enumerate(found, start=1):
                stands_for = "0:00:10" if ":" in each else re.sub("[^-]", str(number), each)
                text = text.replace(each, stands_for)
        return _MINUTE.sub(lambda at: f"{at[1]}:{'03'[at[2] >= '3']}0 UTC", text)
