"""`aws` and `cabal-backup` from processes that are warm: each of their starts takes half a second.

The folder of both commands stands on PATH before the real ones. A command is the real script,
run in a copy of a process that has loaded its modules. It has its own arguments, folder,
environment, input and output, and its exit code is returned.
"""

from __future__ import annotations

import pkgutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import local_aws

from cabal_backup import cli, config, operations
from tests.sandbox.deployment import aws_cli

_CLIENT = """\
#!{python} -IS
import _socket, os, sys
connection = _socket.socket(_socket.AF_UNIX)
connection.connect({address!r})
command = [{script!r}, *sys.argv[1:]]
asked = {{"command": command, "folder": os.getcwd(), "environment": dict(os.environ)}}
line = ascii(asked).encode() + b"\\n"
ours = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
sent = connection.sendmsg([line], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, ours)])
connection.sendall(line[sent:])
answer = b""
while part := connection.recv(64):
    answer += part
code = int(answer.splitlines()[1])
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
"""`socket` and `json` would take longer to load than many a command runs."""

_AWS_CLI = ("awscli.clidriver", "awscli.handlers", "warm_sdk.py")

_SERVER = str(Path(local_aws.__file__).with_name("warm_process.py"))


@contextmanager
def warm_commands() -> Iterator[Path]:
    """Both commands in a folder, as long as the context lasts.

    Signals do not reach what they run: tests of signals start processes of their own.
    """
    real = Path(aws_cli()), Path(sys.executable).with_name("cabal-backup")
    with tempfile.TemporaryDirectory(prefix="cabal-warm-") as name, ExitStack() as stack:
        for script, modules in zip(real, (_AWS_CLI, list(_tool())), strict=True):
            address, command = f"{name}/{script.name}.socket", Path(name, script.name)
            ours, theirs = socket.socketpair()
            with theirs:
                process = stack.enter_context(
                    subprocess.Popen(
                        [str(script.with_name("python")), "-P", _SERVER, address, *modules],
                        stdin=theirs.fileno(),
                        stdout=subprocess.PIPE,
                    )
                )
            assert process.stdout is not None
            stack.callback(ours.close)
            process.stdout.read()
            command.write_text(
                _CLIENT.format(python=sys.executable, script=str(script), address=address)
            )
            command.chmod(0o755)
        yield Path(name)


def _tool() -> Iterator[str]:
    """The modules that `cabal-backup` loads for one command or the other."""
    yield from ("warm_sdk.py", "boto3", "rich.table")
    for package in (cli, config, operations):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield module.name
