"""`python -m cabal_backup` is the same as `cabal-backup`."""

import sys

from cabal_backup.cli.main import main

sys.exit(main())
