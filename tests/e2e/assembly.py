"""The application synthesized in this process, which has CDK loaded already.

A process that runs app.py takes seconds to load CDK, and the CDK CLI starts one for every
command. What the CLI is given here is what app.py makes of the same context. That app.py
is run by the CLI as cdk.json says is shown by the commands of docs/install.md and by the demo.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.sandbox.deployment import PROJECT

_OF_THE_CLI = {
    "aws:cdk:enable-path-metadata": True,
    "aws:cdk:enable-asset-metadata": True,
    "aws:cdk:version-reporting": True,
    "aws:cdk:bundling-stacks": [],
}
"""The context that the CDK CLI adds."""


def synthesize_here(context: Mapping[str, str]) -> Path:
    """The cloud assembly that the application makes of the settings, as after `cdk -c`."""
    return _synthesize(tuple(sorted(context.items())))


@cache
def _synthesize(settings: tuple[tuple[str, str], ...]) -> Path:
    from aws_cdk import App

    from app import build

    declared: dict[str, Any] = json.loads((PROJECT / "cdk.json").read_text("utf-8"))["context"]
    directory = Path(_folder().name) / f"{len(list(Path(_folder().name).iterdir()))}"
    app = App(outdir=str(directory), context={**declared, **_OF_THE_CLI, **dict(settings)})
    code = build(app)
    assert code == 0, f"the application refused {dict(settings)}"
    return directory


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="cabal-assemblies-")
