"""The tool and the CDK CLI read the same settings, wherever they are written."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.config.project import find_project, merge, read_layers
from cabal_backup.config.reader import ConfigurationError, read_environments
from tests.synth.synthesis import REPOSITORY

PLACES = ("-c", "cdk.json", "cdk.context.json", "~/.cdk.json")
"""From the one that counts first to the one that counts last."""

RUN_EACH = """
const { exec } = require("./node_modules/aws-cdk");
(async () => {
  for (const { folder, home, options } of JSON.parse(process.argv[1])) {
    process.chdir(folder);
    process.env.HOME = home;
    await exec(options).catch(() => {});  // the application makes no assembly
  }
})();
"""

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
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False)
    file.write_text(text, encoding="utf-8-sig" if marked else "utf-8")


@dataclass(frozen=True)
class Project:
    """A CDK application's folder, the home of the user who runs `cdk` in it, and its options."""

    folder: Path
    home: Path
    given: tuple[str, ...] = ()

    @property
    def cdk(self) -> dict[str, Any]:
        """How the CDK CLI is run in it."""
        app = "printenv CDK_CONTEXT_JSON > seen.json"
        context = [part for each in self.given for part in ("-c", each)]
        options = ["ls", "--app", app, "--no-notices", *context]
        return {"folder": str(self.folder), "home": str(self.home), "options": options}

    @property
    def handed_over(self) -> dict[str, Any]:
        """The context that the CDK CLI handed to the application, without what it adds itself."""
        context: dict[str, Any] = json.loads((self.folder / "seen.json").read_text())
        added = ("aws:cdk:", "@aws-cdk/core:fail")
        return {key: value for key, value in context.items() if not key.startswith(added)}


def a_project(root: Path, with_environments: tuple[str, ...]) -> Project:
    project = Project(root / "project", root / "home")
    written = contents(with_environments)
    # One file after the other begins with a byte order mark.
    marked = len(with_environments)
    write(project.folder / "cdk.json", {"context": written["cdk.json"]}, marked=marked != 1)
    write(project.folder / "cdk.context.json", written["cdk.context.json"], marked=marked != 2)
    write(project.home / ".cdk.json", {"context": written["~/.cdk.json"]}, marked=marked != 0)
    return replace(project, given=tuple(f"{k}={v}" for k, v in written["-c"].items()))


PLAIN = "only cdk.json"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...] | str, Project]:
    """A project for each combination of places, after `cdk ls` in each.

    The CLI takes a second to load, so that one process runs it in all of them.
    """
    root = tmp_path_factory.mktemp("projects")
    made: dict[tuple[str, ...] | str, Project] = {
        chosen: a_project(root / str(number), chosen)
        for number, chosen in enumerate(combinations(PLACES[1:]))
    }
    made[PLAIN] = Project(root / "plain", root / "nowhere")
    write(made[PLAIN].folder / "cdk.json", {"context": {"a": 1}}, marked=False)
    subprocess.run(
        ["node", "-e", RUN_EACH, json.dumps([each.cdk for each in made.values()])],
        cwd=REPOSITORY,
        env={**os.environ, "CDK_DISABLE_CLI_TELEMETRY": "true"},
        capture_output=True,
        check=True,
    )
    return made


def problems(context: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read_environments(context)
    return str(raised.value)


@pytest.mark.parametrize("with_environments", combinations(PLACES[1:]), ids=" and ".join)
def test_the_tool_and_cdk_read_the_same(
    projects: dict[tuple[str, ...] | str, Project],
    monkeypatch: pytest.MonkeyPatch,
    with_environments: tuple[str, ...],
) -> None:
    project = projects[with_environments]
    monkeypatch.setenv("HOME", str(project.home))

    layers = read_layers(find_project(project.folder), list(project.given))
    ours, sources = merge(layers), merge(layers, sources=True)
    theirs = project.handed_over

    assert ours == theirs
    assert list(ours.get("environments", {})) == list(theirs.get("environments", {}))
    assert problems(ours) == problems(theirs)
    for number, chosen in enumerate(combinations(PLACES)):
        assert ours.get(f"prod.setting_{number}") == (VALUES[chosen[0]] if chosen else None)
        assert sources.get(f"prod.setting_{number}") == (chosen[0] if chosen else None)


def test_a_project_may_lack_the_files_but_cdk_json(
    projects: dict[tuple[str, ...] | str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = projects[PLAIN]
    monkeypatch.setenv("HOME", str(project.home))

    read = merge(read_layers(find_project(project.folder), []))
    assert read == {"a": 1} == project.handed_over
