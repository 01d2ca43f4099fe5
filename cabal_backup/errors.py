"""What can go wrong for a person, each with the exit code it owns.

The codes are a contract, documented in docs/exit-codes.md; 64 and up are those of
sysexits(3). Code that a script does not know is a failure.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How a command of the operator's tool ended."""

    OK = 0
    """Done; for `status`: protected."""
    NOT_PROTECTED = 1
    """`status` found something that is not as promised, or `doctor` that something is missing."""
    UNKNOWN = 2
    """Not everything could be read, and nothing is wrong in the rest; or a wait timed out."""
    FAILED = 3
    """AWS refused or failed; the message has AWS's reason."""
    REFUSED = 4
    """Not confirmed, no terminal to ask on, or too dangerous; nothing was changed."""
    DIFFERENT = 5
    """`compare` or `verify-aws` found differences, or `cutover` did when it read back."""
    DRILL_FAILED = 6
    """A drill failed, or could not delete what it made."""
    INCOMPLETE = 7
    """`restore mailstore` restored the files, and the file system has no mount target yet."""
    NO_RECOVERY_POINT = 8
    """There is no such recovery point."""
    NOT_FOUND = 9
    """Something else that the command names or needs does not exist."""
    USAGE = 64
    """The command line is wrong."""
    UNREACHABLE = 69
    """AWS did not answer."""
    INTERNAL = 70
    """A bug in the tool."""
    OUTPUT = 74
    """The output could not be written, for instance because the disk is full."""
    DENIED = 77
    """No credentials, or AWS does not accept them."""
    CONFIGURATION = 78
    """The environment's settings are invalid."""
    INTERRUPTED = 130
    """Ctrl-C."""
    NO_READER = 141
    """The reader of the output, such as `head`, ended first."""


class CabalBackupError(Exception):
    """An error whose message is all that the operator needs."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class FollowingInterrupted(KeyboardInterrupt):
    """Ctrl-C while following something that continues in AWS; the message says how to follow it
    again."""


class UsageError(CabalBackupError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


class NotFoundError(CabalBackupError):
    """Something that the command names or needs does not exist."""

    exit_code = ExitCode.NOT_FOUND


class NoRecoveryPointError(NotFoundError):
    """There is no such recovery point."""

    exit_code = ExitCode.NO_RECOVERY_POINT


class SettingsError(CabalBackupError):
    """The environment does not exist, or its settings are invalid."""

    exit_code = ExitCode.CONFIGURATION


class BackupOffError(SettingsError):
    """The environment's backup is off, and nothing of it is deployed."""


class CredentialsError(CabalBackupError):
    """There are no credentials, they have expired, or they are another account's."""

    exit_code = ExitCode.DENIED


class UnreachableError(CabalBackupError):
    """AWS did not answer."""

    exit_code = ExitCode.UNREACHABLE


class AwsError(CabalBackupError):
    """AWS answered with a refusal or a failure."""

    exit_code = ExitCode.FAILED


class RefusedError(CabalBackupError):
    """The command was not confirmed, or is too dangerous."""

    exit_code = ExitCode.REFUSED


class InternalError(CabalBackupError):
    """A bug in the tool."""

    exit_code = ExitCode.INTERNAL


class UnknownError(CabalBackupError):
    """The result is not known, or not yet."""

    exit_code = ExitCode.UNKNOWN
