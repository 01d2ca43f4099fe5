"""Compare the stacks that were synthesized with the stacks that exist in the account.

Usage: deployed.py ASSEMBLY [--to FILE]

Asks CloudFormation, through the `aws` CLI, in every region that the account has enabled. FILE
gets the templates of each stack as JSON, deployed and synthesized, for comment.py.

Exits with 1, and names the choices, when a stack of this application exists that the
configuration does not describe any more: its backup was switched off, an option was switched
off, or its region changed. Such a stack goes on running, and its storage is billed.

It needs cloudformation:DescribeStacks, cloudformation:GetTemplate and ec2:DescribeRegions.
Standard library only: it runs beside credentials, where nothing is installed.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAMES = ("cabal-backup", "cabal-backup-dr", "cabal-backup-access")
"""Every stack that this application has ever deployed begins with one of these names."""

CHOICES = """\
Choose one:
- Take it down. `cabal-backup teardown plan` shows what that would delete; the runbook is
  docs/runbooks/teardown.md. For an option that was switched off, `aws cloudformation
  delete-stack` deletes its stack.
- Keep it: turn the setting on again, or set the region back."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("assembly", type=Path, help="the cdk.out folder")
    parser.add_argument("--to", type=Path, help="write the templates to this file")
    options = parser.parse_args()
    wanted = synthesized(options.assembly)
    existing = deployed()
    if options.to:
        stacks = [
            {
                "name": name,
                "region": region,
                "deployed": template(name, region) if (name, region) in existing else None,
                "synthesized": wanted.get((name, region)),
            }
            for name, region in sorted({*wanted, *existing})
        ]
        options.to.write_text(json.dumps({"stacks": stacks}, indent=1), encoding="utf-8")
    left = sorted(existing - wanted.keys())
    for name, region in left:
        sys.stdout.write(f"The stack {name} in {region} is deployed; the configuration has none.\n")
    if left:
        sys.stdout.write(f"{CHOICES}\n")
    return 1 if left else 0


def synthesized(assembly: Path) -> dict:
    """The templates in a cloud assembly, by stack name and region."""
    found = {}
    for manifest in sorted(assembly.rglob("manifest.json")):
        artifacts = json.loads(manifest.read_text(encoding="utf-8")).get("artifacts", {})
        for artifact in artifacts.values():
            if artifact["type"] != "aws:cloudformation:stack":
                continue
            properties = artifact["properties"]
            region = artifact["environment"].rpartition("/")[2]
            path = manifest.parent / properties["templateFile"]
            found[properties["stackName"], region] = json.loads(path.read_text(encoding="utf-8"))
    return found


def deployed() -> set:
    """Name and region of each stack of this application that exists."""
    regions = aws("ec2", "describe-regions", "--query=Regions[].RegionName")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(stacks, regions))
    return {
        (stack["StackName"], region)
        for region, there in zip(regions, found, strict=True)
        for stack in there
        if stack["StackName"].startswith(NAMES) and stack["StackStatus"] != "DELETE_COMPLETE"
    }


def stacks(region: str) -> list:
    """Every stack in a region."""
    return aws("cloudformation", "describe-stacks", f"--region={region}")["Stacks"]


def template(name: str, region: str) -> object:
    """The template of a stack as it was deployed; a template in YAML as text."""
    answer = aws(
        "cloudformation",
        "get-template",
        f"--stack-name={name}",
        "--template-stage=Original",
        f"--region={region}",
    )
    return answer["TemplateBody"]


def aws(*arguments: str) -> object:
    """What the `aws` CLI answers. It prints its own errors."""
    ended = subprocess.run(
        ["aws", *arguments, "--output", "json"], stdout=subprocess.PIPE, check=False
    )
    if ended.returncode:
        raise SystemExit(f"aws {' '.join(arguments)} failed with exit code {ended.returncode}.")
    return json.loads(ended.stdout)


if __name__ == "__main__":
    sys.exit(main())
