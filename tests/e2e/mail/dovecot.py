"""Debian's Dovecot 2.3 as an ordinary process, configured as Cabal configures it."""

from __future__ import annotations

import contextlib
import imaplib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.shell import HUNG_SECONDS

USER = "alice"
OSID = 65_536
PASSWORD = "sesame"  # of a mailbox that lives for one test

_CONFIGURATION = """
base_dir = {state}/run
state_dir = {state}/state
log_path = {state}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 65536
first_valid_gid = 65536
mail_location = maildir:~/Maildir
maildir_copy_with_hardlinks = yes
mail_max_userip_connections = 20
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={osid} gid={osid} home={home}/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Archive {{
    auto = subscribe
    special_use = \\Archive
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running Dovecot that serves `USER` from `home`."""

    home: Path
    port: int
    log: Path

    @property
    def maildir(self) -> Path:
        """The user's Maildir on disk."""
        return self.home / USER / "Maildir"

    def login(self) -> imaplib.IMAP4:
        """A new client, logged in."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=HUNG_SECONDS)
        client.login(USER, PASSWORD)
        return client


def why_not() -> str | None:
    """Why Dovecot cannot run here, or None. Installs it where that is possible."""
    if os.geteuid() != 0:
        return "Dovecot has to be started by root"
    if shutil.which("dovecot") is None:
        if shutil.which("apt-get") is None:
            return "no dovecot here, and no apt-get to install it with"
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "-y", "--no-install-recommends", "dovecot-imapd"],
        ):
            done = subprocess.run(command, env=environment, check=False, capture_output=True)
            if done.returncode:
                return f"`{' '.join(command)}` failed"
    version = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True)
    if not version.stdout.startswith("2.3."):
        return f"Cabal runs Dovecot 2.3; here is {version.stdout.strip()}"
    return None


@contextlib.contextmanager
def running(home: Path) -> Iterator[Dovecot]:
    """Dovecot over `home` (the mount of the mailstore) until the block ends."""
    # Its sockets have to fit in the 107 bytes of a UNIX address: not under pytest's tmp_path.
    state = Path(tempfile.mkdtemp(prefix="dovecot-"))
    state.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = state / "dovecot.conf"
    configuration.write_text(
        _CONFIGURATION.format(state=state, home=home, port=port, osid=OSID, password=PASSWORD)
    )
    process = subprocess.Popen(["dovecot", "-F", "-c", str(configuration)])
    try:
        _wait_for(port, process, state / "log")
        yield Dovecot(home, port, state / "log")
    finally:
        process.terminate()
        process.wait(timeout=HUNG_SECONDS)
        shutil.rmtree(state)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + HUNG_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    said = log.read_text() if log.exists() else "nothing"
    raise RuntimeError(f"Dovecot does not answer on port {port}; its log says: {said}")
