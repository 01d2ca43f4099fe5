"""The program `cabal-backup`, which `python -m cabal_backup` runs, too."""

import sys


def main() -> int:
    """Run the command line; its exit code, also where the tool cannot even be loaded.

    An exception here would end with Python's 1, which is the verdict of `status`.
    """
    try:
        from cabal_backup.cli.main import main as run

        return run()
    except (ImportError, SyntaxError) as error:
        sys.stderr.write(
            f"cabal-backup: the installation is not complete: {error}. Install it again, "
            "for instance with `make setup`.\n"
        )
        return 70
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
