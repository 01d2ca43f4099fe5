"""The way back from a cutover: a moment that point-in-time recovery can return to.

The moment is AWS's, never this machine's: recovery goes by AWS's clock. It is kept as a tag
of the restored table until the cutover has read everything back. A cutover that was killed
and is run again then keeps the moment before its first write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.errors import AwsError, RefusedError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import MOST_SKEW, Clock
from cabal_backup.operations.restore.tables.describe import (
    TableDescription,
    Window,
    recovery_window,
)
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.table_changes import problem_of, read_tags, tag, untag
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.text import name_stamp, timestamp

UNFINISHED = "cabal-backup:unfinished-cutover"
FINISHED = "cabal-backup:finished-cutover"

OLD = timedelta(hours=1)
"""An interrupted cutover is run again within minutes. After an hour it is likely that others
have written to the live table what a way back would take away again.
"""


_BETWEEN_LOOKS = 0.1
_MOST_LOOKS = 100


@dataclass(frozen=True, kw_only=True)
class CutoverRecord:
    """What the tags of a restored table record about the last cutover from it."""

    live: str
    """The name of the live table."""
    at: datetime
    """The undo point: the moment before the first write, in whole seconds."""
    mode: Mode
    """MIRROR only as soon as items may have been deleted; until then OVERWRITE."""
    only: str
    """The `KeyPatterns.name` of the items that the run was about; empty for all."""

    @property
    def value(self) -> str:
        """As the value of a tag."""
        return f"{self.live} {self.at.isoformat()} {self.mode} {self.only}".strip()

    @classmethod
    def read(cls, value: str) -> CutoverRecord | None:
        """The record in the value of a tag; None where it has none."""
        live, _, rest = value.partition(" ")
        moment, _, rest = rest.partition(" ")
        mode, _, only = rest.partition(" ")
        try:
            return cls(live=live, at=datetime.fromisoformat(moment), mode=Mode(mode), only=only)
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """The undo point of an earlier run that did not read everything back."""

    record: CutoverRecord
    age: timedelta
    """By AWS's clock."""
    restored_arn: str
    """The table that has it as a tag."""

    @property
    def at(self) -> datetime:
        """The undo point."""
        return self.record.at

    @property
    def is_old(self) -> bool:
        """Whether others have probably written to the live table since."""
        return self.age > OLD

    @property
    def how_to_forget(self) -> str:
        """The command after which a cutover begins with an undo point of its own."""
        region = self.restored_arn.split(":")[3]
        return (
            f"aws dynamodb untag-resource --region {region} --resource-arn={self.restored_arn} "
            f"--tag-keys {UNFINISHED}"
        )


def find_window(aws: Aws, live: str, clock: Clock) -> Window | None:
    """The moments that the live table can be recovered to; None when recovery is off.

    Raises RefusedError when this machine's clock is too far from AWS's: a moment that the
    operator notes here is another one there.
    """
    window = recovery_window(aws, live)
    ours = clock.now()
    if window is None:
        return None
    skew = (ours - window.now).total_seconds()
    if abs(skew) > MOST_SKEW.total_seconds():
        direction = "ahead of" if skew > 0 else "behind"
        raise RefusedError(
            f"This machine's clock is {abs(skew):,.0f} seconds {direction} AWS's: "
            f"{timestamp(ours)} here, {timestamp(window.now)} there. At most "
            f"{MOST_SKEW.total_seconds():.0f} seconds are accepted. Nothing was changed. Set the "
            "clock, for instance with `timedatectl set-ntp true`, and run the command again."
        )
    return window


def next_second(
    aws: Aws, live: str, clock: Clock, *, after: datetime | None = None
) -> Window | None:
    """As `find_window`, when AWS's clock has reached its next second.

    Recovery goes to whole seconds. AWS does not say whether writes within the second that is named
    are recovered. So the undo point is a second that has just begun: going back to one that began
    before would lose what others wrote in it, and a uid that was handed out would be handed out
    again. And the first write follows when that second is over: it would be recovered, too.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html

    :param after: the second that has to be over; by default the present one.

    Raises AwsError when AWS's clock stands still.
    """
    window = find_window(aws, live, clock)
    for _ in range(_MOST_LOOKS):
        if window is None:
            return None
        after = after or window.now
        if window.now > after:
            return window
        clock.sleep(_BETWEEN_LOOKS)
        window = find_window(aws, live, clock)
    raise AwsError(
        f"AWS's time, in DynamoDB's answers about {live}, does not advance. Nothing was changed. "
        "Does a proxy cache the answers?"
    )


def unfinished(
    aws: Aws, restored: TableDescription, live: TableDescription, window: Window
) -> Unfinished | None:
    """The moment before an earlier run's first write, where that run did not finish.

    None too where it cannot be recovered to any more, or AWS does not let us look.
    """
    try:
        record = _records(aws, restored).get(UNFINISHED)
    except (BotoCoreError, ClientError):
        return None
    if record is None or record.live != live.name:
        return None
    if record.at < max(window.earliest, live.created):
        return None
    return Unfinished(record=record, age=window.now - record.at, restored_arn=restored.arn)


def last_cutover(aws: Aws, restored: TableDescription, live: str) -> CutoverRecord | None:
    """The last cutover from a restored table into a live one, finished or not; None without one.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded(f"looking at the tags of {restored.name}"):
        records = _records(aws, restored)
    for key in (UNFINISHED, FINISHED):
        record = records.get(key)
        if record is not None and record.live == live:
            return record
    return None


def _records(aws: Aws, restored: TableDescription) -> dict[str, CutoverRecord | None]:
    tags = read_tags(aws, restored.arn)
    return {key: CutoverRecord.read(tags[key]) for key in (UNFINISHED, FINISHED) if key in tags}


def begin(aws: Aws, restored: TableDescription, record: CutoverRecord, clock: Clock) -> str | None:
    """Record a cutover that begins, so that a later run finds it; why it could not be recorded,
    or None.
    """
    return _tag(aws, restored, UNFINISHED, record, clock)


def finish(aws: Aws, restored: TableDescription, record: CutoverRecord, clock: Clock) -> str | None:
    """A run has read everything back, so that a later one has a moment of its own; why that
    could not be noted, or None.
    """
    return _tag(aws, restored, FINISHED, record, clock) or forget(aws, restored, clock, UNFINISHED)


def forget(aws: Aws, restored: TableDescription, clock: Clock, *tags: str) -> str | None:
    """Remove records; why they could not be removed, or None."""
    return problem_of(lambda: untag(aws, restored.arn, tags, clock))


def _tag(
    aws: Aws, restored: TableDescription, key: str, record: CutoverRecord, clock: Clock
) -> str | None:
    return problem_of(lambda: tag(aws, restored.arn, {key: record.value}, clock))


def before_name(live: str, at: datetime) -> str:
    """The name of the table that has the live table's items as of an undo point."""
    return f"{live}-before-{name_stamp(at)}"


def how_to_go_back(
    environment: Environment, live: str, at: datetime, options: str
) -> tuple[str, ...]:
    """What to type to have the items of the live table as they were before the cutover.

    :param options: those of the cutover that going back needs too, each after a space.
    """
    before = before_name(live, at)
    lower = " --lower-counter" if live == names.COUNTER_TABLE else ""
    return (
        f"cabal-backup restore table {live} {environment.options} --at {timestamp(at)} "
        f"--to={before}",
        f"cabal-backup cutover {before} {live} {environment.options} --mirror{lower}{options}",
    )


def what_is_lost(live: str, at: datetime, only: KeyPatterns) -> str:
    """What else going back undoes, in a sentence."""
    where = f"the items of {live} that match {only}" if only else live
    lost = f"Going back also undoes every change that others make to {where} after {timestamp(at)}."
    if live != names.COUNTER_TABLE:
        return lost
    return (
        f"{lost} It lowers {names.COUNTER_ATTRIBUTE}: a uid that was handed out since would be "
        "handed out again. Before, make sure that no custom:osid in Cognito is higher than the "
        "value that the second command shows."
    )
