"""The one file for the mail host: how it is put together, and that it never ends by accident."""

from __future__ import annotations

import ast
import hashlib
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cabal_backup.operations.restore.mail import host_script
from tests import mail_host
from tests.maildirs import Mailstore, deliver, messages
from tests.unit.mail_host.program import HOST_PYTHON

PACKAGE = Path(host_script.__file__).parents[3] / "mail_host"
SCRIPT = Path(mail_host.__file__)
PYTHON = HOST_PYTHON or sys.executable


def imported(path: Path) -> list[str]:
    """The modules that a file imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(str(node.module))
    return found


def top_level_names(path: Path) -> list[str]:
    """What a file defines, without what it imports."""
    found: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            targets = [name for target in node.targets for name in ast.walk(target)]
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    return found


def test_it_has_all_modules_in_the_order_of_their_imports() -> None:
    assert {f"{name}.py" for name in host_script.MODULES} == {
        path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"
    }
    for number, name in enumerate(host_script.MODULES):
        ours = {m for m in imported(PACKAGE / f"{name}.py") if m.startswith("cabal_backup")}
        assert ours <= {f"cabal_backup.mail_host.{m}" for m in host_script.MODULES[:number]}, name


def test_no_name_is_defined_twice() -> None:
    counts = Counter(name for path in PACKAGE.glob("*.py") for name in top_level_names(path))
    assert [name for name, count in counts.items() if count > 1] == []
    assert Counter(top_level_names(SCRIPT)) == counts


def test_a_module_is_at_most_450_lines() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.glob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > 450} == {}


def test_it_is_python_3_9_with_the_standard_library_only() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 9))
    assert {name.split(".")[0] for name in imported(SCRIPT)} <= set(sys.stdlib_module_names)


def test_it_runs_alone(tmp_path: Path) -> None:
    alone = tmp_path / "copied.py"
    alone.write_bytes(SCRIPT.read_bytes())
    command = [PYTHON, "-I", "-S", str(alone), "mailbox", "merge", "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "command", ["", "mailbox", "mailbox merge", "mailstore", "mailstore promote"]
)
def test_each_help_has_a_description_and_examples_that_are_correct(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        mail_host.main([*command.split(), "--help"])
    _, description, *others = capsys.readouterr().out.split("\n\n")
    assert description.endswith(".")
    text = "\n".join(others)
    examples = re.findall(r"^  python3 mail_host\.py (.+)$", text, flags=re.MULTILINE)
    assert examples
    for example in examples:
        assert example.startswith(command)
        mail_host.parse_options(shlex.split(example))


def test_the_first_line_has_the_digest_of_the_others() -> None:
    first, _, others = host_script.build().partition("\n")
    assert first.startswith("# mail_host.py of cabal-backup ")
    assert first.endswith(f": {hashlib.sha256(others.encode()).hexdigest()}")
    assert SCRIPT.read_text() == f"{first}\n{others}"


def run(before: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the file in a Python in which `before` was executed first."""
    code = f"import os, runpy, sys\n{before}\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    starter = f"import sys; del sys.argv[0]; exec({code!r})"
    command = [PYTHON, "-c", starter, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_old_python_is_refused() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))
    done = run("sys.version_info = (3, 8, 18)", "mailbox", "merge", "alice")
    assert done.returncode == mail_host.Exit.REFUSED
    assert done.stderr == (
        "Refused. mail_host.py needs Python 3.9 or newer. Nothing was changed.\n"
    )


@pytest.mark.parametrize("call", ["scandir", "link"])
def test_an_unforeseen_error_has_its_own_exit_code_and_one_line(call: str, tmp_path: Path) -> None:
    store = Mailstore.make(tmp_path)
    deliver(store.recovered, range(40))
    before = messages(store.recovered)
    failing = f"def fail(*_, **__): raise RuntimeError('first\\nsecond')\nos.{call} = fail"
    done = run(
        failing, "mailbox", "merge", "alice", "--yes", "--uid", "65536", "--mount", str(store.mount)
    )
    assert done.returncode == mail_host.Exit.INTERNAL == 70
    (line,) = done.stderr.splitlines()
    assert line.startswith(r"Internal error: RuntimeError: first\nsecond at line ")
    assert messages(store.recovered) == before
