"""The tool and the CDK CLI read the same settings, wherever they are written."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.config.project import find_project, merge, read_layers
from cabal_backup.config.reader import ConfigurationError, read_environments
from tests.synth.synthesis import REPOSITORY

PLACES = ("-c", "cdk.json", "cdk.context.json", "~/.cdk.json")
"""From the one that counts first to the one that counts last."""

DUMP = "import os, sys; open(sys.argv[1], 'w').write(os.environ['CDK_CONTEXT_JSON'])"

VALUES: dict[str, Any] = {
    "-c": "101",
    "cdk.json": 102.0,
    "cdk.context.json": 103,
    "~/.cdk.json": "104",
}


def combinations(places: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [
        chosen for size in range(len(places) + 1) for chosen in itertools.combinations(places, size)
    ]


def contents(with_environments: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What is in each place: a key for every combination of places, and `environments` in some."""
    written: dict[str, dict[str, Any]] = {place: {} for place in PLACES}
    for number, chosen in enumerate(combinations(PLACES)):
        for place in chosen:
            written[place][f"prod.setting_{number}"] = VALUES[place]
    for place in with_environments:
        written[place]["environments"] = {
            "prod": {
                "backup": True,
                f"of_{place}": 1,
                "delete_after_days": VALUES[place],
                "account": None if place == "cdk.json" else "123456789012",
                "pitr_tables": [place],
            },
            place.strip("~/.").replace(".", "-"): {"backup": False},
        }
    written["cdk.json"]["prod.nothing"] = None
    written["cdk.context.json"]["prod.nothing"] = "something"
    written["cdk.context.json"]["prod.an_object"] = {"a": {"b": 1}}
    written["~/.cdk.json"]["prod.an_object"] = {"a": {"c": 2}, "d": "=ü"}
    written["-c"]["prod.text"] = "a=b=c"
    written["-c"]["prod.empty"] = ""
    return written


def write(file: Path, content: dict[str, Any], *, marked: bool) -> None:
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(content, ensure_ascii=False)
    file.write_text(text, encoding="utf-8-sig" if marked else "utf-8")


def ask_cdk(project: Path, home: Path, given: list[str]) -> dict[str, Any]:
    """The context that the CDK CLI hands to an application."""
    seen = project / "seen.json"
    app = f'{sys.executable} -c "{DUMP}" {seen}'
    subprocess.run(
        [REPOSITORY / "node_modules/.bin/cdk", "ls", "--app", app, "--no-notices", *given],
        cwd=project,
        env={**os.environ, "HOME": str(home), "CDK_DISABLE_CLI_TELEMETRY": "true"},
        capture_output=True,
        check=False,  # that application makes no assembly
    )
    context: dict[str, Any] = json.loads(seen.read_text())
    # What the CLI adds by itself.
    return {
        k: v for k, v in context.items() if not k.startswith(("aws:cdk:", "@aws-cdk/core:fail"))
    }


def problems(context: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read_environments(context)
    return str(raised.value)


@pytest.mark.parametrize("with_environments", combinations(PLACES[1:]), ids=" and ".join)
def test_the_tool_and_cdk_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_environments: tuple[str, ...]
) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    written = contents(with_environments)
    # One file after the other begins with a byte order mark.
    marked = len(with_environments)
    write(project / "cdk.json", {"context": written["cdk.json"]}, marked=marked != 1)
    write(project / "cdk.context.json", written["cdk.context.json"], marked=marked != 2)
    write(home / ".cdk.json", {"context": written["~/.cdk.json"]}, marked=marked != 0)
    monkeypatch.setenv("HOME", str(home))
    given = [f"{key}={value}" for key, value in written["-c"].items()]

    layers = read_layers(find_project(project), given)
    ours, sources = merge(layers), merge(layers, sources=True)
    theirs = ask_cdk(project, home, [part for each in given for part in ("-c", each)])

    assert ours == theirs
    assert list(ours.get("environments", {})) == list(theirs.get("environments", {}))
    assert problems(ours) == problems(theirs)
    for number, chosen in enumerate(combinations(PLACES)):
        assert ours.get(f"prod.setting_{number}") == (VALUES[chosen[0]] if chosen else None)
        assert sources.get(f"prod.setting_{number}") == (chosen[0] if chosen else None)


def test_a_project_may_lack_the_files_but_cdk_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    write(tmp_path / "cdk.json", {"context": {"a": 1}}, marked=False)

    assert (
        merge(read_layers(find_project(tmp_path), []))
        == {"a": 1}
        == ask_cdk(tmp_path, tmp_path / "nowhere", [])
    )
