"""The program for the mail host, run in this process; test_script.py runs it in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from tests import mail_host
from tests.maildirs import Mailstore


def run(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """How it ended, and what it printed.

    :param said: what it reads from stdin.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", io.StringIO(said)):
        code = mail_host.main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def run_merge(store: Mailstore, *options: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """`mailbox merge` of the store's user; root gives the files to another user."""
    uid = ["--uid", "65536"] if os.geteuid() == 0 else []
    mount = ["--mount", str(store.mount)]
    return run("mailbox", "merge", store.user, *mount, *uid, *options, said=said)
