"""The comment a reviewer reads: .github/comment.py."""

from __future__ import annotations

import copy
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".github" / "comment.py"
LIMIT = 65_536
"""Characters that GitHub accepts in a comment."""

RESOURCES: dict[str, Any] = {
    "Vault": {
        "Type": "AWS::Backup::BackupVault",
        "Properties": {
            "BackupVaultName": "cabal-backup",
            "LockConfiguration": {"MinRetentionDays": 30, "MaxRetentionDays": 365},
        },
        "DeletionPolicy": "Retain",
    },
    "Rule": {"Type": "AWS::Events::Rule", "Properties": {"State": "ENABLED"}},
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Description": "Sends alerts", "MemorySize": 128},
    },
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("comment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stack(deployed: Any = None, synthesized: Any = None) -> dict[str, Any]:
    return {
        "name": "cabal-backup",
        "region": "us-west-1",
        "deployed": {"Resources": RESOURCES} if deployed is None else deployed,
        "synthesized": {"Resources": RESOURCES} if synthesized is None else synthesized,
    }


def changed(name: str, *path: str, to: Any) -> dict[str, Any]:
    """The template with one value changed, or removed when `to` is ABSENT."""
    resources = copy.deepcopy(RESOURCES)
    inner = resources[name]
    for part in path[:-1]:
        inner = inner[part]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return {"Resources": resources}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            changed("Vault", "Properties", "LockConfiguration", to=None),
            "`Properties.LockConfiguration: "
            '{"MaxRetentionDays": 365, "MinRetentionDays": 30} → (none)`',
        ),
        (
            changed("Vault", "Properties", "LockConfiguration", "MinRetentionDays", to=1),
            "`Properties.LockConfiguration.MinRetentionDays: 30 → 1`",
        ),
        (changed("Rule", "Properties", "State", to="DISABLED"), '`Properties.State: "ENABLED"'),
        (changed("Vault", "DeletionPolicy", to="Delete"), '`DeletionPolicy: "Retain" → "Delete"`'),
        (changed("Function", "DeletionPolicy", to="Delete"), "`DeletionPolicy: (none)"),
        (
            {"Resources": {key: RESOURCES[key] for key in ("Vault", "Rule")}},
            "- **removed** `cabal-backup` `AWS::Lambda::Function` `Function`",
        ),
    ],
)
def test_a_dangerous_change_is_named_first(
    script: ModuleType, template: dict[str, Any], expected: str
) -> None:
    text = script.comment("development", [stack(synthesized=template)], "the diff")
    head = text.partition("<details>")[0]
    assert "`development`" in head
    assert "**Dangerous: 1 of 1 change**" in head
    assert expected in head


def test_a_harmless_change_is_counted(script: ModuleType) -> None:
    template = changed("Function", "Properties", "MemorySize", to=256)
    text = script.comment("development", [stack(synthesized=template)], "")
    assert "1 change, not to backups" in text
    assert "Dangerous" not in text


def test_a_first_deployment_is_not_dangerous(script: ModuleType) -> None:
    first = {**stack(), "deployed": None}
    assert "3 changes, not to backups" in script.comment("prod", [first], "")


def test_a_new_permission_in_a_deployed_stack_is_dangerous(script: ModuleType) -> None:
    template = {"Resources": {**RESOURCES, "New": {"Type": "AWS::IAM::Policy"}}}
    text = script.comment("prod", [stack(synthesized=template)], "")
    assert "- added `cabal-backup` `AWS::IAM::Policy` `New`" in text


def test_no_change(script: ModuleType) -> None:
    assert "Nothing would change." in script.comment("prod", [stack()], "")


def test_a_stack_that_the_configuration_does_not_have(script: ModuleType) -> None:
    left = {**stack(), "synthesized": None}
    text = script.comment("prod", [left], "")
    assert "Still deployed, but not in the configuration: `cabal-backup` in `us-west-1`" in text
    assert "Dangerous: 3 of 3" in text


def test_an_environment_that_is_off(script: ModuleType) -> None:
    assert "Backup is off, and nothing is deployed." in script.comment("stage", [], "")


def test_no_templates_are_no_verdict(script: ModuleType) -> None:
    assert "did not finish" in script.comment("prod", None, "whatever cdk diff printed")


@pytest.mark.parametrize(
    "claim", ["Number of stacks with differences: 0", "This app contains no stacks"]
)
def test_text_in_a_template_has_no_effect(script: ModuleType, claim: str) -> None:
    template = changed("Vault", "Properties", "LockConfiguration", to=None)
    template["Description"] = claim
    text = script.comment("prod", [stack(synthesized=template)], f"{claim}\n{claim}")
    head = text.partition("<details>")[0]
    assert "Dangerous: 1 of 2 changes" in head
    assert "Nothing would change" not in head
    assert "nothing is deployed" not in head


def test_a_diff_cannot_break_out_of_its_block(script: ModuleType) -> None:
    text = script.comment("prod", [stack()], "```\n</details>\n# not a heading\n````\n")
    fence = text.partition("</summary>\n\n")[2].partition("diff\n")[0]
    assert fence == "`" * 5
    assert text.rstrip().endswith("</details>")


def test_a_name_cannot_break_out_of_its_code(script: ModuleType) -> None:
    name = "X`\n\n# All is well\n\n**Nothing would change.**"
    template = {"Resources": {**RESOURCES, name: {"Type": "AWS::IAM::Role"}}}
    text = script.comment("prod", [stack(synthesized=template)], "")
    assert "`X # All is well **Nothing would change.**`" in text
    assert "\n# All" not in text


@pytest.mark.parametrize("line", ["[~] a line\n", "`" * 200 + "\n", "\\[~] ü €\n"])
def test_it_fits_into_a_comment(script: ModuleType, line: str) -> None:
    resources = {f"Role{number}": {"Type": "AWS::IAM::Role"} for number in range(4000)}
    many = stack(synthesized={"Resources": {**RESOURCES, **resources}})
    text = script.comment("prod", [many], line * 40_000)
    assert len(text) < LIMIT
    assert "cut here" in text
    assert "… and 3960 more" in text
    assert text.rstrip().endswith("</details>")


def test_a_fence_as_long_as_a_comment(script: ModuleType) -> None:
    text = script.comment("prod", [stack()], "`" * 40_000)
    assert len(text) < LIMIT
    assert "Nothing would change." in text


def test_addresses_and_accounts_are_redacted(script: ModuleType) -> None:
    settings = json.dumps(
        {
            "prod.alert_emails": "night.shift@example.com, b@example.org",
            "prod.alert_urls": ["https://hooks.example.com/secret"],
            "prod.delete_after_days": 365,
        }
    )
    secrets = script.redacted_values(settings)
    template = {
        "Resources": {
            **RESOURCES,
            "Topicnightshiftexamplecom1A2B": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {"Endpoint": "night.shift@example.com"},
            },
        }
    }
    diff = (
        "[+] AWS::SNS::Subscription Topicnightshiftexamplecom1A2B\n"
        "https://hooks.example.com/secret other@example.net arn:aws:sns:us-west-1:123456789012:x"
    )
    text = script.comment("prod", [stack(synthesized=template)], diff, secrets)
    for private in ("nightshift", "night.shift", "hooks.example", "other@", "123456789012"):
        assert private not in text
    assert "[+] AWS::SNS::Subscription" in text


def test_colours_are_taken_out(script: ModuleType) -> None:
    assert "\x1b" not in script.comment("prod", [stack()], "\x1b[31mStack\x1b[0m\n")


def test_it_runs_without_anything_installed(tmp_path: Path) -> None:
    templates, diff = tmp_path / "templates.json", tmp_path / "diff.txt"
    templates.write_text(json.dumps({"stacks": [stack()]}))
    diff.write_text("[~] a line\n")
    ended = subprocess.run(
        [
            *(sys.executable, "-I", "-S", str(SCRIPT), "prod"),
            *("--templates", str(templates), "--diff", str(diff)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Nothing would change." in ended.stdout
    assert "! [~] a line" in ended.stdout


def test_a_missing_file_still_makes_a_comment(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "prod"),
            *("--templates", str(tmp_path / "none"), "--diff", str(tmp_path / "none")),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "did not finish" in ended.stdout
