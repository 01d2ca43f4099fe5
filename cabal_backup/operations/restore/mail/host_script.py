"""The one file that runs on the mail host: the modules of `mail_host` in one source file."""

from __future__ import annotations

import ast
import hashlib
from importlib import metadata
from pathlib import Path

from cabal_backup import mail_host

MODULES = (
    "mail_names",
    "problems",
    "files",
    "dovecot",
    "trees",
    "folders",
    "other_files",
    "live",
    "survey",
    "merge_plan",
    "choose",
    "mailbox_writer",
    "merge",
    "cleanup",
    "promote",
    "command",
)
"""All modules of `mail_host`; each imports only those before it."""

_PYTHON = """\
if sys.version_info < (3, 9):
    sys.stderr.write("Refused. mail_host.py needs Python 3.9 or newer. Nothing was changed.\\n")
    sys.exit(2)
"""

_RULE = "# " + "-" * 86 + "\n"


def build() -> str:
    """The source of the file; the same for the same version of the tool.

    The modules follow each other in the order of `MODULES`, with their imports at the top.
    The first line has the tool's version and the SHA-256 of all lines after it.
    """
    package = Path(mail_host.__path__[0])
    parts = [_Module(name, (package / f"{name}.py").read_text("utf-8")) for name in MODULES]
    modules: set[str] = set().union(*(part.imports for part in parts))
    names: dict[str, set[str]] = {}
    for part in parts:
        for module, imported in part.names.items():
            names.setdefault(module, set()).update(imported)
    imports = [f"import {module}\n" for module in sorted(modules)]
    imports += [f"from {m} import {', '.join(sorted(names[m]))}\n" for m in sorted(names)]
    blocks = [
        (package / "__init__.py").read_text("utf-8"),
        "from __future__ import annotations\n",
        "".join(imports),
        _PYTHON,
        *(block for part in parts for block in (part.heading, part.code)),
    ]
    body = "\n".join(blocks)
    digest = hashlib.sha256(body.encode("utf-8")).hexdigest()
    return (
        f"# mail_host.py of cabal-backup {_version()}. SHA-256 of the other lines: {digest}\n{body}"
    )


def _version() -> str:
    try:
        return metadata.version("cabal-backup")
    except metadata.PackageNotFoundError:
        return "(not installed)"


class _Module:
    """One module, taken apart: docstring, imports and code."""

    def __init__(self, name: str, source: str) -> None:
        self.imports: set[str] = set()
        """Modules of the standard library that are imported as a whole."""
        self.names: dict[str, set[str]] = {}
        """Names imported from modules of the standard library."""
        tree = ast.parse(source)
        description = ast.get_docstring(tree) or ""
        lines = [f"{name}.py: {description}".rstrip()]
        self.heading = f"\n{_RULE}" + "".join(f"# {line}\n" for line in lines) + _RULE
        first = 0
        for node in tree.body:
            if isinstance(node, ast.Import):
                self.imports.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                ours = str(node.module).partition(".")[0] in (__package__ or "").split(".")
                if not ours and node.module != "__future__":
                    names = self.names.setdefault(str(node.module), set())
                    names.update(alias.name for alias in node.names)
            else:
                continue
            first = node.end_lineno or first
        self.code = "".join(source.splitlines(keepends=True)[first:]).lstrip("\n")
