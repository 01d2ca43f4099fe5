"""Faults that a test or a user can turn on."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from local_aws.backup.errors import ServiceError, access_denied
from local_aws.backup.world import Scope

JobKind = Literal["backup", "copy", "restore"]
KINDS: tuple[JobKind, ...] = ("backup", "copy", "restore")

ENDS: Mapping[JobKind, tuple[str, ...]] = {
    "backup": ("FAILED", "ABORTED", "EXPIRED", "PARTIAL", "COMPLETED"),
    "copy": ("FAILED", "PARTIAL", "COMPLETED"),
    "restore": ("FAILED", "ABORTED", "COMPLETED"),
}
"""How a job can end with a problem, by the API's model. PARTIAL leaves a PARTIAL recovery point;
COMPLETED is "completed with issues" in the console: a complete recovery point, and a message.
"""

HOLDABLE = (*KINDS, "expiry")
"""What can be held; `expiry` is the deletion of recovery points at the end of their lifecycle."""


@dataclass
class Failure:
    """The next `count` jobs of this kind (and type) end in this state with this message."""

    kind: JobKind
    resource_type: str | None
    message: str
    count: int
    state: str = "FAILED"


@dataclass(frozen=True)
class Throttle:
    """This fraction of the calls is refused; the seed makes the choice reproducible."""

    fraction: float
    seed: int
    operations: tuple[str, ...] | None


@dataclass(frozen=True)
class Denial:
    operation: str
    principal: str | None
    message: str | None


class Faults:
    """Every fault is off by default; `clear()` turns all of them off.

    `apply` takes any of the keys that `describe` returns, as JSON::

        {"clear": true,
         "fail_next": [{"kind": "copy", "resource_type": "EFS", "message": "…", "count": 1,
                        "state": "FAILED"}],
         "throttle": {"fraction": 0.33, "seed": 7, "operations": ["ListCopyJobs"]},
         "deny": [{"operation": "StartCopyJob", "principal": null, "message": null}],
         "lost_regions": ["us-west-1"],
         "hold": ["restore"],
         "vault_states": {"a-vault": "FAILED"},
         "service_linked_role": true}
    """

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._throttle: Throttle | None = None
        self._random = random.Random(0)
        self._denials: list[Denial] = []
        self._lost: set[str] = set()
        self._held: set[str] = set()
        self._vault_states: dict[str, str] = {}
        self.lacks_service_linked_role = False
        """Whether AWSServiceRoleForBackup, which deletes expired points, does not exist."""
        self.on_release: Callable[[], None] = lambda: None
        """Called when held jobs are released or a lost region is back."""

    def fail_next(
        self,
        kind: JobKind,
        resource_type: str | None = None,
        message: str = "Internal failure",
        count: int = 1,
        state: str = "FAILED",
    ) -> None:
        """Raises ValueError for a state in which a job of this kind cannot end."""
        if state not in ENDS[_kind(kind)]:
            raise ValueError(f"a {kind} job ends {', '.join(ENDS[kind])}, not {state!r}")
        self._failures.append(Failure(kind, resource_type, message, count, state))

    def throttle(
        self, fraction: float, seed: int = 0, operations: Collection[str] | None = None
    ) -> None:
        """Refuse this fraction (0..1) of the calls with ThrottlingException."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"a fraction lies between 0 and 1, not {fraction}")
        chosen = None if operations is None else tuple(sorted(operations))
        self._throttle = Throttle(fraction, seed, chosen) if fraction else None
        self._random = random.Random(seed)

    def deny(
        self, operation: str, principal: str | None = None, message: str | None = None
    ) -> None:
        """Refuse this operation with AccessDeniedException, for all principals or one."""
        self._denials.append(Denial(operation, principal, message))

    def lose_region(self, region: str) -> None:
        """Nothing in this region answers or progresses until `restore_region`."""
        self._lost.add(region)

    def restore_region(self, region: str) -> None:
        self._lost.discard(region)
        self.on_release()

    def hold(self, kind: str) -> None:
        """Keep work of this kind (HOLDABLE) from finishing until `release` or `clear`."""
        self._held.add(_holdable(kind))

    def release(self, kind: str) -> None:
        self._held.discard(kind)
        self.on_release()

    def clear(self) -> None:
        self._failures.clear()
        self._throttle = None
        self._denials.clear()
        self._lost.clear()
        self._held.clear()
        self._vault_states.clear()
        self.lacks_service_linked_role = False
        self.on_release()

    def apply(self, wanted: Mapping[str, Any]) -> None:
        """Raises ValueError for an unknown key or an invalid value."""
        known = {
            "clear",
            "fail_next",
            "throttle",
            "deny",
            "lost_regions",
            "hold",
            "vault_states",
            "service_linked_role",
        }
        if unknown := set(wanted) - known:
            raise ValueError(f"unknown faults {sorted(unknown)}; there are {sorted(known)}")
        if wanted.get("clear"):
            self.clear()
        for failure in wanted.get("fail_next", ()):
            self.fail_next(**failure)
        if "throttle" in wanted:
            self.throttle(**(wanted["throttle"] or {"fraction": 0.0}))
        for denial in wanted.get("deny", ()):
            self.deny(**denial)
        if "lost_regions" in wanted:
            self._lost = set(wanted["lost_regions"])
        if "hold" in wanted:
            self._held = {_holdable(kind) for kind in wanted["hold"]}
        if "vault_states" in wanted:
            self._vault_states = dict(wanted["vault_states"])
        if "service_linked_role" in wanted:
            self.lacks_service_linked_role = not wanted["service_linked_role"]
        self.on_release()

    def describe(self) -> dict[str, Any]:
        """The faults that are on, in the form that `apply` takes."""
        throttle = self._throttle
        return {
            "fail_next": [asdict(failure) for failure in self._failures],
            "throttle": None
            if throttle is None
            else asdict(throttle)
            | {"operations": None if throttle.operations is None else list(throttle.operations)},
            "deny": [asdict(denial) for denial in self._denials],
            "lost_regions": sorted(self._lost),
            "hold": sorted(self._held),
            "vault_states": dict(self._vault_states),
            "service_linked_role": not self.lacks_service_linked_role,
        }

    def is_lost(self, region: str) -> bool:
        return region in self._lost

    def is_held(self, kind: str) -> bool:
        return kind in self._held

    def vault_state(self, name: str) -> str:
        """`VaultState` of a vault; a backup into one that is not AVAILABLE fails."""
        return self._vault_states.get(name, "AVAILABLE")

    def take_failure(self, kind: str, resource_type: str) -> Failure | None:
        """Remove and return the failure for this job; None if it may succeed."""
        for failure in self._failures:
            if failure.kind == kind and failure.resource_type in (None, resource_type):
                failure.count -= 1
                if failure.count < 1:
                    self._failures.remove(failure)
                return failure
        return None

    def check_region(self, scope: Scope) -> None:
        if self.is_lost(scope.region):
            raise ServiceError("ServiceUnavailableException", "Service Unavailable")

    def check_call(self, operation: str, principal: str) -> None:
        """Raises ThrottlingException or AccessDeniedException when a fault says so."""
        for denial in self._denials:
            if denial.operation == operation and denial.principal in (None, principal):
                raise access_denied(
                    denial.message
                    or f"User: {principal} is not authorized to perform: backup:{operation}"
                )
        throttle = self._throttle
        if throttle is None or (throttle.operations and operation not in throttle.operations):
            return
        if self._random.random() < throttle.fraction:
            raise ServiceError("ThrottlingException", "Rate exceeded", 400)


def _kind(kind: JobKind) -> JobKind:
    if kind not in KINDS:
        raise ValueError(f"jobs are {', '.join(KINDS)}, not {kind!r}")
    return kind


def _holdable(kind: str) -> str:
    if kind not in HOLDABLE:
        raise ValueError(f"what can be held is {', '.join(HOLDABLE)}, not {kind!r}")
    return kind
