"""Write what a deployment would change as a comment for a pull request.

Usage: comment.py ENVIRONMENT --templates FILE --diff FILE

The summary is computed from the templates that deployed.py collected, not read from the words
of `cdk diff`: a description in a template can contain any words. The text of `cdk diff` follows,
folded and fenced. Both come from code that has not been reviewed yet: everything in them is
escaped, shortened and redacted.

The environment variable SETTINGS, with the contents of cdk.context.json, names the addresses to
redact. Standard library only.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

MAX_CHARACTERS = 65_000
"""GitHub refuses a comment of more than 65,536 characters."""

MAX_DANGERS = 40

DANGEROUS = (
    "AWS::Backup::",
    "AWS::Events::",
    "AWS::IAM::",
    "AWS::KMS::",
    "AWS::RAM::",
    "AWS::SNS::",
    "AWS::SQS::",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Scheduler::",
    "AWS::CloudFormation::CustomResource",
    "Custom::",
)
"""Locks, vaults, plan, selection, rules, subscriptions, policies and the opt-in."""

E_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("environment")
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--diff", type=Path, required=True)
    options = parser.parse_args()
    stacks = None
    if options.templates.exists():
        stacks = json.loads(options.templates.read_text(encoding="utf-8"))["stacks"]
    diff = options.diff.read_text(encoding="utf-8") if options.diff.exists() else ""
    secrets = redacted_values(os.environ.get("SETTINGS", ""))
    sys.stdout.write(comment(options.environment, stacks, diff, secrets))


def comment(environment, stacks, diff, secrets=()):
    """The Markdown: a summary of the templates, then the text of `cdk diff`, folded."""
    head = f"### What a deployment would change: {code(environment)}\n\n"
    head += redact(summary(stacks), secrets) + "\n\n"
    text = redact(re.sub(r"\x1b\[[0-9;]*m", "", diff).strip(), secrets)
    if not text:
        return head
    # A fence that is longer than every run of backticks in the text cannot be closed by it.
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    before = (
        f"{head}<details><summary>The output of <code>cdk diff</code></summary>\n\n{fence}diff\n"
    )
    after = f"\n{fence}\n\n</details>\n"
    cut = "\n… cut here; the log of the job has the rest"
    room = MAX_CHARACTERS - len(before) - len(after) - len(cut)
    shown = marked(text)
    if room < 0:
        return head
    return before + (shown if len(shown) <= room else shown[:room] + cut) + after


def summary(stacks):
    """What matters to a reviewer: first what is dangerous, then how much changes."""
    if stacks is None:
        return "**The comparison did not finish.** See the log of the job."
    if not stacks:
        return "Backup is off, and nothing is deployed."
    changes = [(stack, change) for stack in stacks for change in compare(stack)]
    left = [stack for stack in stacks if stack["synthesized"] is None]
    lines = [
        f"**Still deployed, but not in the configuration: {code(stack['name'])} in "
        f"{code(stack['region'])}.** The deployment fails until it is taken down or turned on "
        "again."
        for stack in left
    ]
    if not changes:
        return "\n\n".join([*lines, "Nothing would change."])
    dangers = [(stack, change) for stack, change in changes if change["dangerous"]]
    count = f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
    if dangers:
        shown = [
            f"- {change['mark']} {code(stack['name'])} {code(change['type'])} "
            f"{code(change['id'])}{': ' + code(change['what']) if change['what'] else ''}"
            for stack, change in dangers[:MAX_DANGERS]
        ]
        if len(dangers) > MAX_DANGERS:
            shown.append(f"- … and {len(dangers) - MAX_DANGERS} more")
        lines.append(
            f"**Dangerous: {len(dangers)} of {count}** (backups, locks, alerts, permissions, or a "
            "resource that is removed).\n\n" + "\n".join(shown)
        )
    else:
        lines.append(f"{count}, not to backups, locks, alerts or permissions.")
    return "\n\n".join(lines)


def compare(stack):
    """Each change of one stack: mark, type, logical id, what, whether it is dangerous."""
    old, new = as_template(stack["deployed"]), as_template(stack["synthesized"])
    before, after = old.get("Resources", {}), new.get("Resources", {})
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        was, becomes = before.get(name), after.get(name)
        kind = str((becomes or was).get("Type"))
        if was is None or becomes is None:
            mark = "added" if was is None else "**removed**"
            dangerous = was is not None or (stack["deployed"] is not None and is_dangerous(kind))
            yield change(mark, kind, name, "", dangerous)
            continue
        for path, value, other in differences(was, becomes):
            if path.startswith("Metadata"):
                continue
            what = f"{path}: {short(value)} → {short(other)}"
            policy = path in ("DeletionPolicy", "UpdateReplacePolicy", "Type")
            yield change("changed", kind, name, what, policy or is_dangerous(kind))
    for section in sorted({*old, *new} - {"Resources", "Metadata"}):
        for path, value, other in differences(old.get(section), new.get(section), section):
            yield change("changed", section, "", f"{path}: {short(value)} → {short(other)}", False)


def change(mark, kind, name, what, dangerous):
    return {"mark": mark, "type": kind, "id": name, "what": what, "dangerous": dangerous}


def as_template(template):
    """A template as a mapping; one that is no JSON has nothing that can be compared."""
    return template if isinstance(template, dict) else {}


def is_dangerous(kind):
    return kind.startswith(DANGEROUS)


def differences(old, new, path=""):
    """(path, old value, new value) of each leaf that differs; ABSENT where there is none."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            inner = f"{path}.{key}" if path else key
            yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    else:
        yield path, old, new


ABSENT = object()


def short(value, most=120):
    """A value on one line of at most `most` characters."""
    if value is ABSENT:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= most else text[:most] + "…"


def code(text):
    """Inline code that its contents cannot leave, on one line."""
    plain = re.sub(r"[\s`]+", " ", str(text)).strip()[:300]
    return f"`{plain}`" if plain else ""


def redacted_values(settings):
    """Every address in the settings: what alert_emails and the like hold."""
    try:
        values = json.loads(settings or "{}").items()
    except ValueError:
        return []
    found = []
    for key, value in values:
        if re.search(r"alert|email|url|phone", key):
            listed = value if isinstance(value, list) else re.split(r"[,\s]+", str(value))
            found += [str(each) for each in listed if len(str(each)) > 5]
    return found


def redact(text, secrets=()):
    """`text` without addresses and account ids. Construct ids hold addresses as letters."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "(redacted)")
        bare = re.sub(r"[^A-Za-z0-9]", "", secret)
        if len(bare) > 5:
            text = re.sub(re.escape(bare), "(redacted)", text, flags=re.IGNORECASE)
    return ACCOUNT.sub("(account)", E_MAIL.sub("(redacted)", text))


def marked(text):
    """`cdk diff` puts its marks in brackets; a diff block colours them at the line's start."""
    marks = {"[+]": "+", "[-]": "-", "[~]": "!"}
    return "\n".join(
        f"{next((sign for mark, sign in marks.items() if mark in line), ' ')} {line}"
        for line in text.splitlines()
    )


if __name__ == "__main__":
    main()
