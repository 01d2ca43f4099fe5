"""Stages as they are synthesized, and stacks as a test wants to look at them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import App

from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.stage import BackupStage

REPOSITORY = Path(__file__).parents[2]
FLAGS: Mapping[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
"""The feature flags the application is synthesized with; a bare App() in a test has none."""

Json = Any


@dataclass(frozen=True)
class Stack:
    """One synthesized stack: its template, and what the cloud assembly says about it."""

    artifact_id: str
    artifact: Mapping[str, Json]
    json: Mapping[str, Json]

    @property
    def region(self) -> str:
        return str(self.artifact["environment"]).rpartition("/")[2]

    @property
    def types(self) -> dict[str, int]:
        """How many resources of each type it has."""
        types = [resource["Type"] for resource in self.json["Resources"].values()]
        return {name: types.count(name) for name in types}

    def all(self, type_: str) -> dict[str, Json]:
        """The resources of one type by their logical ids."""
        resources = self.json["Resources"].items()
        return {name: resource for name, resource in resources if resource["Type"] == type_}

    def only(self, type_: str) -> Json:
        """The one resource of a type."""
        (resource,) = self.all(type_).values()
        return resource

    def id_of(self, type_: str) -> str:
        """The logical id of the one resource of a type."""
        (logical_id,) = self.all(type_)
        return logical_id

    def needs(self, logical_id: str) -> set[str]:
        """The resources CloudFormation completes before it starts with this one."""
        text = json.dumps(self.json["Resources"][logical_id])
        direct = {name for name in self.json["Resources"] if f'"{name}"' in text} - {logical_id}
        return direct.union(*(self.needs(name) for name in direct))

    def in_account(self, value: Json) -> Json:
        """`value` as CloudFormation resolves it in account 123456789012."""
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
        prefix = re.split(r"-(?=[a-z]+-[0-9])", self.region)[0]
        pseudo = {
            "AWS::AccountId": "123456789012",
            "AWS::Region": self.region,
            "AWS::Partition": partition.get(prefix, "aws"),
        }
        return plain(value, pseudo)


@dataclass(frozen=True)
class Synthesized:
    """The cloud assembly of one environment's stage."""

    directory: Path
    manifest: Mapping[str, Json]
    primary: Stack
    dr: Stack
    access: Stack | None = None
    """Only with `access_policies`."""

    @property
    def stacks(self) -> tuple[Stack, ...]:
        both = (self.primary, self.dr)
        return both if self.access is None else (*both, self.access)


def synthesize(environment: Environment, directory: Path) -> Synthesized:
    """Synthesize the stage of one environment with the flags of cdk.json.

    :param directory: where CDK keeps the code of functions, which it copies there only once; the
        assembly of the stage becomes a folder of its own in it.
    """
    app = App(outdir=str(directory), context=dict(FLAGS), tree_metadata=False)
    BackupStage(app, environment=environment)
    app.synth()
    written = directory / f"assembly-{environment.name}"
    return read_assembly(written.rename(tempfile.mkdtemp(dir=directory)))


def read_assembly(directory: Path) -> Synthesized:
    """Read a stage's assembly from where it was written."""
    manifest = json.loads((directory / "manifest.json").read_text())
    stacks = {
        artifact["properties"]["stackName"]: Stack(
            name, artifact, json.loads((directory / f"{name}.template.json").read_text())
        )
        for name, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    primary, dr = stacks.pop("cabal-backup"), stacks.pop("cabal-backup-dr")
    access = stacks.pop("cabal-backup-access", None)
    assert not stacks, "a stage has no other stacks"
    return Synthesized(directory, manifest, primary, dr, access)


def plain(value: Json, pseudo: Mapping[str, str] | None = None) -> Json:
    """`value` with joins and substitutions of known things written out as text.

    A pseudo parameter without a value in `pseudo` is written as ${AWS::Name}.
    """
    known = pseudo or {}
    if isinstance(value, list):
        return [plain(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": str(name)} if name.startswith("AWS::"):
            return known.get(name, f"${{{name}}}")
        case {"Fn::Join": [str(separator), list(parts)]}:
            joined = [plain(part, known) for part in parts]
            if all(isinstance(part, str) for part in joined):
                return separator.join(joined)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{(AWS::\w+)\}", lambda m: known.get(m[1], m[0]), text)
    return {key: plain(item, known) for key, item in value.items()}


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every value in a template with the path that leads to it.

    Logical ids are shown without the hash that CDK ends them with.
    """
    if isinstance(value, dict) and value:
        for key, item in value.items():
            name = re.sub(r"[0-9A-F]{8}$", "", key) if path == "Resources" else key
            yield from leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value
