"""What is printed, wherever it goes: encodings, closed pipes, full disks, text that steers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from cabal_backup.cli import output
from cabal_backup.cli.confirm import confirm
from cabal_backup.cli.console import SafeConsole
from cabal_backup.errors import RefusedError
from cabal_backup.text import REPLACEMENT, one_line, printable, wrap
from tests.any_speed import ANY_SPEED

PROJECT = Path(__file__).parents[3]


def run(
    arguments: list[str],
    variables: dict[str, str] | None = None,
    *,
    program: tuple[str, str] = ("-m", "cabal_backup"),
    stdout: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, without credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=PROJECT,
        env={**kept, "AWS_EC2_METADATA_DISABLED": "true", **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


ENCODINGS: list[dict[str, str]] = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


EXIT_CODES = {
    ("--help",): 0,
    ("status", "-e", "prod", "-c", "prod.addresses_table=ü●✘"): 78,
    ("status", "--nagios", "-e", "●"): 3,
}

RUN_EACH = """
import sys
from cabal_backup.__main__ import main
program, *words = sys.argv
while words:
    end = words.index("END")
    sys.argv, words = [program, *words[:end]], words[end + 1 :]
    code = main()
    for stream in (sys.stdout, sys.stderr):
        print(f"END {code}", file=stream)
"""


@pytest.mark.parametrize("variables", ENCODINGS, ids=str)
def test_an_encoding_without_a_character_changes_no_exit_code(variables: dict[str, str]) -> None:
    words = [word for arguments in EXIT_CODES for word in (*arguments, "END")]

    ended = run(words, variables, program=("-c", RUN_EACH))

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    out, err = (re.split(r"END (\d+)\n", said) for said in (ended.stdout, ended.stderr))
    assert out[1::2] == err[1::2] == [str(code) for code in EXIT_CODES.values()]
    assert all(first or second for first, second in zip(out[:-1:2], err[:-1:2], strict=True))


@pytest.mark.parametrize("arguments", [["--help"], ["mailbox", "script"]])
def test_141_when_what_reads_has_ended(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    ended = run(arguments, stdout=writer)
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
@pytest.mark.parametrize("arguments", [["--help"], ["mailbox", "script"]])
def test_74_on_a_full_disk(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = run(arguments, stdout=full.fileno())

    assert ended.returncode == 74
    assert ended.stderr == "cabal-backup: cannot write the output: No space left on device\n"


def test_a_closed_stdout_is_not_an_error() -> None:
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m cabal_backup --help >&-"],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_closed_stdin_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with output.guarded(), pytest.raises(RefusedError, match="--yes was not given"):
        confirm("Really?", yes=False)


COMMAND = "cabal-backup jobs watch 4e1a6f2c-0b3d-4a57-9c1e-2f8d6b7a9c10 -e prod -c 'prod.a=b, c'"
ARN = "arn:aws:backup:eu-west-1:123456789012:recovery-point:4e1a6f2c-0b3d-4a57-9c1e-2f8d6b7a9c10"
UNITS = st.sampled_from(["restored", "the", "table", f"`{COMMAND}`", f"{COMMAND};", ARN])


def test_the_document_after_a_command_is_not_part_of_it() -> None:
    assert wrap("  cabal-backup relock -e prod (docs/runbooks/locks.md)", 40).split("\n") == [
        "  cabal-backup relock -e prod",
        "  (docs/runbooks/locks.md)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Going back also undoes every change that others make to the live table after that.",
        "It cannot be used by any host, because the file system has no mount target in a subnet.",
        "A recovery point is copied from cabal-backup-dr in us-west-2 to cabal-backup in us-west-1",
    ],
)
def test_a_word_that_is_also_a_program_is_not_a_command(text: str) -> None:
    words = text.split()
    first, second = wrap(text, 80).split("\n")
    assert [*first.split(), *second.split()] == words
    assert len(f"{first} {second.split()[0]}") > 80


@ANY_SPEED
@given(st.lists(UNITS, min_size=1), st.sampled_from(["", "  ", "      "]), st.integers(20, 120))
def test_lines_are_wrapped_at_words_outside_commands(
    units: list[str], indent: str, width: int
) -> None:
    text = indent + " ".join(units)
    lines = wrap(text, width).split("\n")

    assert all(line.startswith(indent) for line in lines)
    assert indent + " ".join(line[len(indent) :] for line in lines) == text
    assert all(len(line) <= width or line.lstrip() in units for line in lines)


def test_a_short_line_and_a_prompt_stay_as_they_are() -> None:
    text = "a  table   with    columns\n\nType prod to continue: "
    assert wrap(text, 30) == text


ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b31m\rAll is well\u202e"


@ANY_SPEED
@given(st.text())
def test_printable_text_has_nothing_that_a_terminal_obeys(text: str) -> None:
    kept = printable(text)
    assert len(kept) == len(text)
    assert not any(
        (ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160 or c in "\u202e\u2066"
        for c in kept
    )
    assert len(one_line(text).splitlines()) <= 1


def test_a_stream_replaces_what_steers(capsys: pytest.CaptureFixture[str]) -> None:
    with output.guarded():
        sys.stdout.write(f"{ATTACK}\n")
        sys.stderr.write(f"{ATTACK}\n")

    for said in capsys.readouterr():
        assert said == f"{printable(ATTACK)}\n"
        assert REPLACEMENT in said


def test_a_table_keeps_its_own_colours_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    table = Table(box=None, show_header=False)
    table.add_row(Text("ok", style="red"), Text(ATTACK), ATTACK)
    with output.guarded():
        SafeConsole().print(table)

    said = capsys.readouterr().out
    assert "\x1b[31mok\x1b[0m" in said
    assert "owned" in said
    assert not {"\x1b]", "\x1b[2J", "\x9b", "\x07", "\r", "\u202e"} & {
        part for part in ("\x1b]", "\x1b[2J", "\x9b", "\x07", "\r", "\u202e") if part in said
    }


def test_progress_shows_its_own_control_sequences_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.progress import Progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with output.guarded(), Progress(console=SafeConsole(stderr=True)) as progress:
        progress.add_task(ATTACK, total=1)
        progress.console.print(ATTACK, markup=False)

    said = capsys.readouterr().err
    assert "owned" in said
    assert not any(part in said for part in ("\x1b]", "\x9b", "\x07", "\u202e"))
