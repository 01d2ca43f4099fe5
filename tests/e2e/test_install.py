"""docs/install.md, as it stands there: the tool without a checkout, and CDK without make.

Nothing is downloaded: what pipx, pip and npm would fetch is taken from this environment. The
environments hold what the wheel and requirements.txt declare, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.e2e.exercise import catch_up, write_reports
from tests.e2e.shell import make_checkout, sections
from tests.sandbox.deployment import PROJECT, Deployment

DOCUMENT = sections("docs/install.md")
WITHOUT_CHECKOUT, WITHOUT_MAKE = DOCUMENT.values()

WHEEL = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")

IN_THE_PLACE_OF_THE_NETWORK = """
pipx() {
    test "$1" = install
    "$HERE" -m pip --quiet --python "$CLEAN/bin/python" install --no-index --no-deps "$2"
}
pip() {
    test "$*" = "install --require-hashes -r requirements.txt"
    (cd "$PROJECT" && "$HERE" -m tests.e2e.test_install "$OLDPWD/.venv" requirements.txt)
}
python3() {
    if test "$*" = "-m venv .venv"; then set -- "$@" --without-pip; fi
    command python3 "$@"
}
npm() { test "$*" = ci; ln -s "$NODE_MODULES" node_modules; }
npx() { "./node_modules/.bin/$1" "${@:2}"; }
"""


def with_dependencies(names: Iterable[str]) -> Iterator[str]:
    """The distributions and all that they declare to need here."""
    seen: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for needed in distribution(name).requires or ():
            if "extra ==" not in needed and "sys_platform == " not in needed:
                waiting.append(re.split(r"[^A-Za-z0-9._-]", needed)[0])


def fill(venv: Path, names: Iterable[str]) -> None:
    """Link distributions of this environment into another one."""
    (packages,) = venv.glob("lib/python*/site-packages")
    for name in names:
        for file in distribution(name).files or ():
            if file.parts[:3] == ("..", "..", "..") and file.parts[3] == "bin":
                script = Path(str(file.locate())).read_bytes()
                copy = venv / "bin" / file.name
                here, there = sys.prefix.encode(), bytes(venv.absolute())
                copy.write_bytes(script.replace(b"#!" + here, b"#!" + there, 1))
                copy.chmod(0o755)
            elif ".." not in file.parts and not (packages / file.parts[0]).exists():
                top = Path(str(distribution(name).locate_file(file.parts[0])))
                (packages / file.parts[0]).symlink_to(top)


def type_in(blocks: list[str], folder: Path, variables: dict[str, str]) -> str:
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([IN_THE_PLACE_OF_THE_NETWORK, *blocks])],
        cwd=folder,
        env={**variables, "HERE": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture
def folder(tmp_path: Path, recent: Deployment) -> Path:
    """A folder with the wheel; the user's settings are in their home."""
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    shutil.copytree(
        PROJECT / "cabal_backup",
        source / "cabal_backup",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copytree(PROJECT / "docs", source / "docs")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *WHEEL, "--wheel-dir", str(folder), str(source)],
        check=True,
    )
    settings = tmp_path / "home" / ".config" / "cabal-backup" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        "[environments.prod]\n"
        + "".join(
            f"{key.partition('.')[2]} = {json.dumps(value)}\n"
            for key, value in recent.context.items()
        )
    )
    write_reports(settings.parent / "drills", "prod", recent.sandbox.now())
    return folder


def test_the_tool_works_without_a_checkout(
    folder: Path, tmp_path: Path, recent: Deployment
) -> None:
    clean = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clean)], check=True)
    declared = [re.split("[>=]", each)[0] for each in distribution("cabal-backup").requires or ()]
    fill(clean, with_dependencies(declared))
    # The tool looks at the machine's clock, so the sandbox catches up with it.
    catch_up(recent.sandbox)
    variables = {
        **recent.sandbox.environ(),
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([str(clean / "bin"), "/usr/bin", "/bin"]),
        "CLEAN": str(clean),
    }
    (block,) = WITHOUT_CHECKOUT

    said = type_in(
        [block.replace("status -e prod", "status -e prod --only primary-lock")], folder, variables
    )
    script = type_in(["cabal-backup mailbox script"], folder, variables)
    page = type_in(["cabal-backup help docs/status.md#primary-lock"], folder, variables)

    assert said.startswith("cabal-backup 0.1.0")
    assert "locked in governance mode" in said
    assert page.splitlines()[0].endswith("# primary-lock")
    assert script.startswith("# mail_host.py of cabal-backup 0.1.0")
    with pytest.raises(AssertionError, match="No module named 'aws_cdk'"):
        type_in(["python -c 'import aws_cdk'"], folder, variables)


def test_cdk_works_without_make(tmp_path: Path, recent: Deployment) -> None:
    checkout = make_checkout(tmp_path / "checkout", recent)
    (checkout / ".venv").unlink()
    (checkout / "node_modules").unlink()
    variables = {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join([str(Path(sys.executable).resolve().parent), "/usr/bin", "/bin"]),
        "NODE_MODULES": str(PROJECT / "node_modules"),
        "PROJECT": str(PROJECT),
        # What all processes with CDK unpack once for a user.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache/aws/jsii/package-cache"),
        "CDK_VALIDATION": os.environ["CDK_VALIDATION"],
    }

    type_in(WITHOUT_MAKE, checkout, variables)

    assert [*(checkout / "cdk.out").glob("*/*.template.json")]
    with pytest.raises(AssertionError, match=r"aws_cdk is not installed for .*Run `make setup`"):
        type_in(["rm -r .venv/lib; python3 app.py"], checkout, variables)


if __name__ == "__main__":
    venv, requirements = map(Path, sys.argv[1:])
    fill(
        venv,
        re.findall(r"^([A-Za-z0-9._-]+)==", requirements.read_text(encoding="utf-8"), re.MULTILINE),
    )
