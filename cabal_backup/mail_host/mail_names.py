"""Names of files, folders and messages."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

RECOVERY = re.compile(r"aws-backup-restore_[0-9A-Za-z.:_-]+\Z")
QUEUES = ("smtp-queue", "smtp-in-queue")
WHY_NOT_QUEUES = "sendmail's queues at the time of the backup: sendmail would send old mail again"


def shown(name: str) -> str:
    """A file name that is safe to print: control characters and undecodable bytes escaped."""
    return "".join(map(_shown_character, name))


def _shown_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, see os.fsdecode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def folder_name(directory: str) -> str:
    """The name that a mail client shows for a Maildir++ directory: "" is INBOX, ".A.B" is A.B."""
    return _decoded(directory[1:]) if directory else "INBOX"


def _decoded(name: str) -> str:
    """IMAP's modified UTF-7 (RFC 3501, 5.1.3) as text; unchanged if it is not valid."""

    def plain(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        packed = match[1].replace(",", "/")
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be")

    try:
        return re.sub(r"&([^-]*)-", plain, name)
    except (ValueError, binascii.Error):
        return name


def is_called(directory: str, asked: str) -> bool:
    """Whether a user can mean this directory by the name `asked`."""
    names = {directory[1:], folder_name(directory)} if directory else {"INBOX"}
    if not directory:
        asked = asked.upper()
    return asked.replace("/", ".") in {name.replace("/", ".") for name in names}


_ONLY_SIZES = re.compile(r"[SWU]=[0-9]+(?:,[SWU]=[0-9]+)*(?::|\Z)").match
SIZE_FIELDS = re.compile(r",(?:[SWU]=[0-9]+|R=[0-9a-f]{32})(?=,|\Z)")


def identity_of(name: str) -> str:
    """The part of a message's file name that does not change during its life.

    It is the base name (the file name without the flags) without the fields that programs
    add and remove: `,S=` and `,W=` (Dovecot: the size), `,U=` (mbsync and OfflineIMAP: the
    UID) and our own `,R=`, see `new_name`. Two messages can have the same identity: only
    their content shows whether they are the same.
    """
    stem, _, fields = name.partition(",")
    if ":" not in stem and _ONLY_SIZES(fields):
        return stem
    base = name.partition(":")[0]
    return SIZE_FIELDS.sub("", base) if "," in base else base


def new_name(name: str, digest: str) -> str:
    """A different base name, for a message whose name another message already has.

    It ends in `,R=<digest of the content>`, so that a repeated run chooses the same name and
    recognizes the message by it.
    """
    base, colon, info = name.partition(":")
    fields = [field for field in base.split(",") if not re.fullmatch("R=[0-9a-f]{32}", field)]
    return f"{','.join(fields)},R={digest}{colon}{info}"


def some_of(names: Sequence[str]) -> str:
    """Up to twenty names, safe to print."""
    return ", ".join(map(shown, names[:20])) + (", …" if len(names) > 20 else "")
