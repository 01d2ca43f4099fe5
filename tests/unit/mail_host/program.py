"""The program for the mail host, run in this process; test_script.py runs it in one of its own.

`make mail-host` runs it with another Python.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from tests import mail_host
from tests.maildirs import Mailstore

HOST_PYTHON = os.environ.get("HOST_PYTHON", "")
"""The Python of the mail host; empty for this process."""


def run(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """How it ended, and what it printed.

    :param said: what it reads from stdin.
    """
    if HOST_PYTHON:
        command = [HOST_PYTHON, "-I", mail_host.__file__, *arguments]
        return subprocess.run(command, input=said, capture_output=True, text=True, check=False)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", io.StringIO(said)):
        code = mail_host.main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def run_merge(store: Mailstore, *options: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """`mailbox merge` of the store's user; root gives the files to another user."""
    uid = ["--uid", "65536"] if os.geteuid() == 0 else []
    mount = ["--mount", str(store.mount)]
    return run("mailbox", "merge", store.user, *mount, *uid, *options, said=said)
