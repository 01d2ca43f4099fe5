"""Handlers as Lambda functions: runtime, log, permissions, and what is in the asset."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack
from aws_cdk import aws_lambda as lambda_

from cabal_backup.infrastructure.function import HandlerFunction
from tests.synth.synthesis import REPOSITORY, Json, Stack, Synthesized

FUNCTION, LOG_GROUP = "AWS::Lambda::Function", "AWS::Logs::LogGroup"
POLICY = "AWS::IAM::ManagedPolicy"


@dataclass(frozen=True)
class Deployed:
    """One function of ours in a stack, and the stack."""

    stack: Stack
    module: str

    @property
    def properties(self) -> Json:
        (found,) = (
            each["Properties"]
            for each in self.stack.all(FUNCTION).values()
            if each["Properties"]["Handler"] == f"cabal_backup.functions.{self.module}.handler"
        )
        return found

    @property
    def role_id(self) -> str:
        return str(self.properties["Role"]["Fn::GetAtt"][0])


@pytest.fixture(params=[("primary", "opt_in"), ("primary", "role_check"), ("dr", "opt_in")])
def deployed(request: pytest.FixtureRequest, prod: Synthesized) -> Deployed:
    """Each function of the two stacks."""
    stack, module = request.param
    return Deployed(getattr(prod, stack), module)


def test_it_runs_on_the_newest_python_on_arm(deployed: Deployed) -> None:
    pythons = [r.name for r in lambda_.Runtime.ALL if r.name.startswith("python3.")]
    newest = max(pythons, key=lambda name: int(name.removeprefix("python3.")))
    assert deployed.properties["Runtime"] == newest
    assert deployed.properties["Architectures"] == ["arm64"]


def test_it_may_take_the_quarter_of_an_hour_its_retries_need(deployed: Deployed) -> None:
    """test_the_worst_case… in tests/unit/functions adds the retries up."""
    assert deployed.properties["Timeout"] == 900


def test_its_log_group_is_its_own_and_kept_for_a_year(deployed: Deployed) -> None:
    log_group = deployed.properties["LoggingConfig"]["LogGroup"]["Ref"]
    kept = deployed.stack.json["Resources"][log_group]["Properties"]["RetentionInDays"]
    assert kept == 365
    assert len(deployed.stack.all(LOG_GROUP)) == len(deployed.stack.all(FUNCTION))


def test_only_lambda_assumes_its_role_which_has_one_policy(deployed: Deployed) -> None:
    role = deployed.stack.json["Resources"][deployed.role_id]["Properties"]
    assert deployed.stack.in_account(role["AssumeRolePolicyDocument"])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        }
    ]
    assert not role.keys() & {"ManagedPolicyArns", "Policies"}
    attached = [policy["Properties"]["Roles"] for policy in deployed.stack.all(POLICY).values()]
    assert attached.count([{"Ref": deployed.role_id}]) == 1


def test_it_has_no_secrets_and_no_url(deployed: Deployed) -> None:
    assert "Environment" not in deployed.properties
    assert not deployed.stack.all("AWS::Lambda::Permission")
    assert not deployed.stack.all("AWS::Lambda::Url")


def test_its_asset_is_its_own_folder_and_what_all_share(prod: Synthesized) -> None:
    codes = {
        function["Properties"]["Code"]["S3Key"].removesuffix(".zip")
        for stack in prod.stacks
        for function in stack.all("AWS::Lambda::Function").values()
    }
    assets = [
        (asset, sorted(path.relative_to(asset) for path in asset.rglob("*") if path.is_file()))
        for asset in (prod.directory.parent / f"asset.{code}" for code in codes)
    ]
    assert sorted([str(path) for path in files] for _, files in assets) == [
        [
            "cabal_backup/__init__.py",
            "cabal_backup/custom_resource.py",
            "cabal_backup/functions/__init__.py",
            f"cabal_backup/functions/{module}/__init__.py",
            "cabal_backup/names.py",
        ]
        for module in ("opt_in", "role_check")
    ]
    for asset, files in assets:
        for path in files:
            assert (asset / path).read_bytes() == (REPOSITORY / path).read_bytes()


def test_both_regions_get_the_same_code(prod: Synthesized) -> None:
    keys = {Deployed(each, "opt_in").properties["Code"]["S3Key"] for each in prod.stacks}
    assert len(keys) == 1


# --- The hash of the asset, with a copy of the package that the test may litter


@pytest.fixture
def copied(tmp_path: Path) -> tuple[ModuleType, Path]:
    """The construct's module in a copy of the package, and the functions beside it."""
    package = tmp_path / "cabal_backup"
    shutil.copytree(
        REPOSITORY / "cabal_backup", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    path = package / "infrastructure" / "function.py"
    spec = importlib.util.spec_from_file_location("copied_function", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, package / "functions"


def asset_hash(module: ModuleType, outdir: Path) -> str:
    app = App(outdir=str(outdir))
    stack = CdkStack(app, "Stack")
    module.HandlerFunction(
        stack,
        "Handler",
        module="opt_in",
        description="",
        grants=[],
        dead_letters="no event gets lost",
    )
    app.synth()
    template = (outdir / "Stack.template.json").read_text()
    (found,) = set(re.findall(r"[0-9a-f]{64}", json.dumps(json.loads(template)["Resources"])))
    return str(found)


def test_bytecode_and_other_modules_do_not_change_the_asset(
    copied: tuple[ModuleType, Path], tmp_path: Path
) -> None:
    module, functions = copied
    before = asset_hash(module, tmp_path / "before")
    (functions / "opt_in" / "__pycache__").mkdir()
    (functions / "opt_in" / "__pycache__" / "__init__.cpython-314.pyc").write_bytes(b"bytecode")
    (functions / "opt_in" / "__init__.pyc").write_bytes(b"bytecode")
    (functions / "another.py").write_text("")
    (functions / "another").mkdir()
    (functions / "another" / "__init__.py").write_text("")
    (functions.parent / "more.py").write_text("")
    (functions.parent.parent / "opt_in.py").write_text("")
    assert asset_hash(module, tmp_path / "after") == before


def test_a_changed_handler_changes_the_asset(
    copied: tuple[ModuleType, Path], tmp_path: Path
) -> None:
    module, functions = copied
    before = asset_hash(module, tmp_path / "before")
    with (functions / "opt_in" / "__init__.py").open("a") as file:
        file.write("# changed\n")
    assert asset_hash(module, tmp_path / "after") != before


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'opt'"):
        HandlerFunction(
            CdkStack(App(), "Stack"),
            "Handler",
            module="opt",
            description="",
            grants=[],
            dead_letters="no event gets lost",
        )
