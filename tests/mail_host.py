"""The one file for the mail host, as `cabal-backup mailbox script` writes it, as a module.

It is built once per session, at the first import, and removed at the end. `__file__` is its
path. So the tests run the generated file and not the modules of `cabal_backup.mail_host`.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cabal_backup.operations.restore.mail import host_script

if TYPE_CHECKING:
    from cabal_backup.mail_host.choose import *  # noqa: F403
    from cabal_backup.mail_host.cleanup import *  # noqa: F403
    from cabal_backup.mail_host.command import *  # noqa: F403
    from cabal_backup.mail_host.dovecot import *  # noqa: F403
    from cabal_backup.mail_host.files import *  # noqa: F403
    from cabal_backup.mail_host.folders import *  # noqa: F403
    from cabal_backup.mail_host.mail_names import *  # noqa: F403
    from cabal_backup.mail_host.merge import *  # noqa: F403
    from cabal_backup.mail_host.merge_plan import *  # noqa: F403
    from cabal_backup.mail_host.problems import *  # noqa: F403
    from cabal_backup.mail_host.promote import *  # noqa: F403
    from cabal_backup.mail_host.survey import *  # noqa: F403
    from cabal_backup.mail_host.trees import *  # noqa: F403
else:
    _directory = tempfile.TemporaryDirectory(prefix="mail-host-")
    _path = Path(_directory.name) / "mail_host.py"
    _path.write_text(host_script.build(), encoding="utf-8")
    _path.chmod(0o444)
    _specification = importlib.util.spec_from_file_location(__name__, _path)
    _module = importlib.util.module_from_spec(_specification)
    _module.__directory__ = _directory  # removed with the module
    sys.modules[__name__] = _module
    _specification.loader.exec_module(_module)
