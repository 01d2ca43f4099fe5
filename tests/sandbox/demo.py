"""A rehearsal of the whole system on this machine: `make demo`, and `make sandbox`.

python -m tests.sandbox.demo           everything, shown and checked, then cleaned up
python -m tests.sandbox.demo --stay    set up, then leave it running until Ctrl-C
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws.client import Sandbox, shell_variables
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from tests.sandbox import cabal
from tests.sandbox.deployment import PROJECT, Deployment, aws_cli, bootstrap_regions
from tests.sandbox.seed import PLACES, VERIFICATION, SeedCommand, run_aws

_console = Console(highlight=False)

REPORT = PROJECT / "demo-report.html"

_TOOLS = (PROJECT / ".venv" / "bin", PROJECT / "node_modules" / ".bin", Path(aws_cli()).parent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stay", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 takes a free port")
    options = parser.parse_args()
    # SIGTERM ends it as Ctrl-C does: nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with _step("Start a local AWS"):
            context = Sandbox.start(start=_yesterday(), port=options.port)
            sandbox = context.__enter__()
        try:
            deployment = _prepare(sandbox)
            if options.stay:
                _stay(deployment)
                return 0
            proven = _show(deployment)
        finally:
            context.__exit__(None, None, None)
    except KeyboardInterrupt:
        _console.print("\nInterrupted; everything it started was removed.")
        return 130
    _console.print(f"\nDone in {time.monotonic() - began:.0f} s; nothing is left running.")
    return 0 if proven else 1


def _yesterday() -> datetime:
    now = datetime.now(UTC)
    return now.replace(hour=6, minute=0, second=0, microsecond=0) - timedelta(days=1)


def _prepare(sandbox: Sandbox) -> Deployment:
    with _step("Fill it with a believable Cabal") as say:
        made = cabal.fill(sandbox)
        say(
            f"{len(made.tables)} tables with PITR, {made.addresses:,} addresses, a mailstore with "
            f"{len(made.users)} mailboxes and {made.messages} messages"
        )
    deployment = Deployment(sandbox, made, whole=True)
    with _step("Bootstrap both regions, with the real CDK CLI"):
        bootstrap_regions(sandbox)
    with _step("Deploy development to both regions, with the real CDK CLI") as say:
        deployment.deploy()
        say("stacks cabal-backup-dr (us-west-2), then cabal-backup (us-west-1)")
    with _step("Run a night") as say:
        sandbox.run_nights(1)
        now = sandbox.advance_to(sandbox.now().replace(hour=13))  # the night is over and due
        say(f"the time of the local AWS, and of the commands, is now {now:%Y-%m-%d %H:%M} UTC")
    return deployment


def _show(deployment: Deployment) -> bool:
    _console.print(
        "\n[bold]The verification commands of Cabal's operating document[/], run by the real aws "
        "CLI:"
    )
    results = [_verify(deployment.sandbox, command) for command in VERIFICATION]
    _console.print("\n[bold]The same questions, and the rest, asked by cabal-backup:[/]\n")
    protected = _cabal_backup(deployment, "status") == 0
    _console.print("\n[bold]The nights so far:[/]\n")
    _cabal_backup(deployment, "points", "--nights", "3")
    restored = _lose_and_restore(deployment)
    held = sum(results)
    _console.print(
        Panel(
            f"{held} of {len(results)} expectations of the document hold, and status says "
            f"{'protected' if protected else '[red]NOT protected[/]'}. Every lost address and "
            f"message {'came back' if restored else '[red]did NOT come back[/]'}.\n\n"
            "This was CloudFormation, Lambda, DynamoDB, EFS and IAM as MiniStack has them, and "
            "AWS Backup as tests/local_aws has it, driven by the real CDK and aws CLIs. "
            "Nothing of it was a live AWS account.\n\n"
            f"The report about it is in [bold]{REPORT.name}[/]. To try commands: "
            "[bold]make sandbox[/] leaves it running and prints the environment variables.",
            title="What was proven",
            title_align="left",
        )
    )
    return protected and restored and held == len(results)


def _lose_and_restore(deployment: Deployment) -> bool:
    """The addresses and the mail of one user are lost, and brought back by the operator."""
    sandbox, made = deployment.sandbox, deployment.cabal
    user = made.users[0].user
    home = made.file_system_root / user
    project = _project(deployment)
    addresses, messages = _addresses(deployment), _messages(home)
    with _step(f"Lose the table {made.addresses_table} and the mail of {user}") as say:
        cabal.delete_table(sandbox, made.addresses_table)
        for name in messages:
            (home / name).unlink()
        sandbox.advance(minutes=1)
        say(f"{len(addresses):,} addresses and {len(messages)} messages")
    _console.print("\n[bold]What the operator types:[/]")
    environment = ("-e", deployment.environment)
    ended = [
        _type(deployment, project, "cabal-backup", *command)
        for command in (
            ("restore", "addresses", *environment, "--yes"),
            ("restore", "mailbox", user, *environment, "--yes"),
            ("mailbox", "merge", user, "--mount", str(made.file_system_root), "--yes"),
            ("points", *environment, "--nights", "3"),
            ("report", *environment, "--output", str(REPORT)),
        )
    ]
    back = _addresses(deployment) == addresses and _messages(home) == messages
    mark = "[green]✔[/]" if back else "[red]✘[/]"
    _console.print(
        f"  {mark} {len(addresses):,} addresses and {len(messages)} messages are as before, "
        "compared byte for byte"
    )
    return back and not any(ended)


def _addresses(deployment: Deployment) -> list[str]:
    pages = deployment.sandbox.client("dynamodb").get_paginator("scan")
    return sorted(
        json.dumps(item, sort_keys=True, default=sorted)
        for page in pages.paginate(TableName=deployment.cabal.addresses_table)
        for item in page["Items"]
    )


def _messages(home: Path) -> dict[str, str]:
    """The content of each message, as a SHA-256, by its path without the flags."""
    return {
        str(file.relative_to(home)): hashlib.sha256(file.read_bytes()).hexdigest()
        for folder in ("cur", "new")
        for file in home.glob(f"Maildir/**/{folder}/*")
    }


def _type(deployment: Deployment, project: Path, *command: str) -> int:
    """Run a command as an operator does; the local AWS's time passes meanwhile."""
    _console.print(f"\n[cyan]$ {escape(shlex.join(command))}[/]", soft_wrap=True)
    variables = _variables(deployment)
    with subprocess.Popen(command, cwd=project, env={**os.environ, **variables}) as process:
        while process.poll() is None:
            if "restore" in command:
                deployment.sandbox.advance(minutes=1)
            time.sleep(0.2)
    return process.returncode


def _verify(sandbox: Sandbox, command: SeedCommand) -> bool:
    shown = command.command
    for placeholder, value in PLACES.items():
        shown = shown.replace(placeholder, value)
    _console.print(f"\n[dim]{command.promise}[/] [cyan]$ {escape(shown)}[/]", soft_wrap=True)
    try:
        answer = run_aws(sandbox, command.command)
    except subprocess.CalledProcessError as error:
        _console.print(f"  [red]{escape(error.stderr.strip())}[/]")
        return False
    _console.print(_indented(_short(answer)), style="dim", markup=False, soft_wrap=True)
    holds = command.holds(answer)
    mark = "[green]✔[/]" if holds else "[red]✘[/]"
    _console.print(f"  {mark} expected: {escape(command.expectation)}")
    return holds


def _cabal_backup(deployment: Deployment, command: str, *arguments: str) -> int:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "cabal_backup",
            command,
            "-e",
            deployment.environment,
            *deployment.context_arguments(),
            *arguments,
        ],
        cwd=PROJECT,
        env={**os.environ, **_variables(deployment)},
    ).returncode


def _stay(deployment: Deployment) -> None:
    _console.print("\n[bold]It is running.[/] In another terminal:\n")
    variables = {**_variables(deployment), "CABAL_ENVIRONMENT": deployment.environment}
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    sys.stdout.write(f"cd {shlex.quote(str(_project(deployment)))}\n")
    _console.print(
        "\nThen, for example:\n\n"
        "  cabal-backup status\n"
        "  local-aws advance 1d\n"
        "  local-aws fault --help\n\n"
        "The commands use the time of the local AWS. Ctrl-C stops it and removes everything.",
        soft_wrap=True,
        markup=False,
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        _console.print("\nStopped.")


def _variables(deployment: Deployment) -> dict[str, str]:
    """What turns the commands to the local AWS and to its time."""
    return {
        **shell_variables(deployment.sandbox.endpoint),
        "PATH": os.pathsep.join([*map(str, _TOOLS), os.environ["PATH"]]),
    }


def _project(deployment: Deployment) -> Path:
    """A folder with the application and the settings of this deployment."""
    folder = deployment.sandbox.data / "project"
    folder.mkdir()
    for name in ("app.py", "cabal_backup", "cdk.json"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "cdk.context.json").write_text(json.dumps(dict(deployment.context), indent=2))
    return folder


@contextmanager
def _step(what: str) -> Iterator[Callable[[str], None]]:
    """Progress: what is done, while it is done, and how long it took."""
    began = time.monotonic()
    results: list[str] = []
    with _console.status(f"{what} …"):
        if not _console.is_terminal:
            _console.print(f"{what} …")
        yield results.append
    took = time.monotonic() - began
    _console.print(f"[green]✔[/] {what} [dim]({took:.1f} s)[/]")
    for result in results:
        _console.print(f"  {result}", style="dim")


def _short(answer: Any, lines: int = 14) -> Sequence[str]:
    text = json.dumps(answer, indent=2).splitlines()
    if len(text) <= lines:
        return text
    return [*text[:lines], f"… {len(text) - lines} more lines"]


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
