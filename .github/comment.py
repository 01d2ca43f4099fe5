"""Turn what `cdk diff` printed into a comment for a pull request.

Usage: comment.py ENVIRONMENT FILE. Standard library only: it runs before anything is
installed, and its output is trusted to be Markdown and nothing else.
"""

import re
import sys
from pathlib import Path

MAX_CHARACTERS = 60_000
"""GitHub takes 65,536 characters for a comment; the rest is for the summary."""


def comment(environment: str, diff: str) -> str:
    """The Markdown: a summary in one line, and the diff folded away behind it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", diff).strip()
    if not text:
        return f"### `cdk diff`: {environment}\n\nNo diff was made; see the log of the job.\n"
    # Whatever the diff holds, it cannot end the block it stands in.
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    shown = marked(text)
    if len(shown) > MAX_CHARACTERS:
        shown = shown[:MAX_CHARACTERS] + "\n… cut here; the log of the job has all of it"
    return (
        f"### `cdk diff`: {environment}\n\n{summary(text)}\n\n"
        f"<details><summary>The whole diff</summary>\n\n{fence}diff\n{shown}\n{fence}\n\n"
        "</details>\n"
    )


def summary(text: str) -> str:
    """What matters to a reviewer first: how much changes, and what would be replaced."""
    if "This app contains no stacks" in text:
        return "Its backup is off, so there is nothing to deploy."
    stacks = re.search(r"Number of stacks with differences: (\d+)", text)
    if stacks is None:
        return "**The diff did not finish.** What it said is below."
    if stacks[1] == "0":
        return "Nothing would change."
    lines = [f"**{stacks[1]} stack(s) would change.**"]
    dangers = [
        line.strip()
        for line in text.splitlines()
        if re.search(r"\b(may be replaced|replace|destroy|orphan)\b", line)
    ]
    if dangers:
        lines += ["", "Look twice at what would be replaced or removed:", ""]
        lines += [f"- `{danger.replace('`', '')[:150]}`" for danger in dangers[:20]]
    return "\n".join(lines)


def marked(text: str) -> str:
    """`cdk diff` puts its marks in brackets; a diff block colours them at the line's start."""
    marks = {"[+]": "+", "[-]": "-", "[~]": "!"}
    return "\n".join(
        f"{next((sign for mark, sign in marks.items() if mark in line), ' ')} {line}"
        for line in text.splitlines()
    )


if __name__ == "__main__":
    environment, file = sys.argv[1:]
    path = Path(file)
    sys.stdout.write(comment(environment, path.read_text() if path.exists() else ""))
