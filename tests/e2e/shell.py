"""A document's commands, typed into one shell in a checkout of the project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.assembly import synthesize_here
from tests.sandbox.deployment import PROJECT, Deployment, aws_cli

BLOCK = re.compile(r"^```sh\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
_LONG_AGO = 946_684_800
"""The year 2000: these tests run in the project's environment, so make finds it up to date."""

HUNG_SECONDS = 900
"""What takes longer hangs, on however busy a machine."""

_SLEEP = """sleep() { local-aws advance "$1s"; }"""
"""What a document waits for happens in the time of the local AWS."""

HEADING = re.compile(r"^##+ ", flags=re.MULTILINE)


def make_checkout(
    folder: Path, deployment: Deployment, *, synthesized: Sequence[tuple[str, str]] | None = None
) -> Path:
    """The project as an operator has it: its files, and the settings that git does not hold.

    :param synthesized: settings that some commands have of their own. Then the CDK CLI does not
        start app.py, but gets what app.py makes of the settings; docs/install.md and the demo
        show that it starts app.py.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
            os.utime(folder / name, (_LONG_AGO, _LONG_AGO))
    for made in (".venv", ".venv-awscli", "node_modules"):
        if (PROJECT / made).exists():
            (folder / made).symlink_to(PROJECT / made)
    (folder / "cdk.context.json").write_text(json.dumps(dict(deployment.context)))
    if synthesized is not None:
        declared = json.loads((folder / "cdk.json").read_text("utf-8"))
        in_files = {**declared["context"], **deployment.context}
        (folder / "copy.py").write_text(_copy_assembly(deployment, synthesized, in_files))
        app = f"{sys.executable} -IS copy.py"
        (folder / "cdk.json").write_text(json.dumps({**declared, "app": app}))
    return folder


_COPY = """\
import json, os, shutil, sys
given = json.loads(os.environ["CDK_CONTEXT_JSON"])
typed = {{
    name: value
    for name, value in given.items()
    if {in_files!r}.get(name) != value and not name.startswith(("aws:", "@aws-cdk/"))
}}
for context, assembly in {assemblies!r}:
    if typed == context:
        sys.exit(shutil.copytree(assembly, os.environ["CDK_OUTDIR"], dirs_exist_ok=True) and 0)
sys.exit(f"nothing was synthesized for the context {{typed}}")
"""


def _copy_assembly(
    deployment: Deployment, settings: Sequence[tuple[str, str]], in_files: Mapping[str, object]
) -> str:
    """A script in the place of app.py: the context on the command line chooses what it copies, and
    any other one is an error.
    """
    environment = {"environment": deployment.environment}
    contexts: list[dict[str, str]] = [{}, environment]
    contexts += [{**environment, f"{deployment.environment}.{key}": each} for key, each in settings]
    assemblies = [
        (context, str(synthesize_here({**environment, **deployment.context, **context})))
        for context in contexts
    ]
    return _COPY.format(in_files=dict(in_files), assemblies=assemblies)


def sections(document: str) -> dict[str, list[str]]:
    """The `sh` blocks of a document, by the heading they stand under; "" before the first."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    first, *others = HEADING.split(text)
    named = [("", first), *((part.split("\n", 1)[0], part) for part in others)]
    return {heading: BLOCK.findall(part) for heading, part in named if BLOCK.search(part)}


def type_in(blocks: Sequence[str], checkout: Path, deployment: Deployment) -> str:
    """Type blocks into one shell that stops at the first failure; what it said."""
    environment = {
        **deployment.sandbox.environ(),
        "PATH": os.pathsep.join([str(Path(aws_cli()).parent), os.environ["PATH"]]),
        "ARGS": "--require-approval never",  # there is no terminal
        "COLUMNS": "120",
    }
    ended = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join([_SLEEP, *blocks])],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HUNG_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout
