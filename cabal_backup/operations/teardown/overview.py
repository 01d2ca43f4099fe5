"""The teardown as a whole: what there is, what it costs, what comes next."""

from __future__ import annotations

from collections.abc import Iterator

from cabal_backup import names
from cabal_backup.operations.teardown.inventory import Inventory


def overview(seen: Inventory) -> Iterator[str]:
    """`teardown plan`, line by line."""
    if seen.gone:
        yield f"Nothing is left of the backup of {seen.environment} in account {seen.account}."
        yield from (f"  {line}" for line in seen.stays())
        return
    yield f"The backup of {seen.environment} in account {seen.account}:"
    for stack in seen.stacks:
        guarded = "protected against termination" if stack.protected else "NOT protected"
        yield f"  stack {stack.name} in {stack.region}: {stack.status}, {guarded}"
    yield from (f"  vault{line[1:]}" for line in seen.vault_lines() if seen.vaults)
    if seen.plan_id:
        yield f"  plan {names.PLAN}: takes another recovery point every night until it is gone"
    yield from seen.other_lines()
    if seen.role_goes:
        yield f"  role {names.ROLE}"
    yield from (f"  {line}" for line in seen.stays())
    yield from _cost(seen)
    yield from _steps(seen)


def _cost(seen: Inventory) -> Iterator[str]:
    if not seen.points:
        return
    yield (
        f"Taking it down deletes the backups of {seen.nights:,} nights. Nothing brings them back; "
        "what is live, the tables and the mailstore, is not touched."
    )
    end = seen.all_expired_at
    if end is None:
        yield "Some recovery points never expire by themselves."
    else:
        yield (
            f"Without deleting anything, the last one expires by itself on {end:%Y-%m-%d}, if "
            "the plan takes no more and the role is kept until then."
        )


def _steps(seen: Inventory) -> Iterator[str]:
    blockers = seen.blockers()
    if blockers:
        yield "In the way, in this order:"
        yield from (f"  {number}. {text}" for number, text in enumerate(blockers, 1))
        yield f"Last: cabal-backup teardown destroy -e {seen.environment}"
    else:
        yield f"Nothing is in the way. Next: cabal-backup teardown destroy -e {seen.environment}"
