"""The state that all operations and jobs share."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup.agenda import Due
from local_aws.backup.clock import Clock
from local_aws.backup.errors import ServiceError, invalid_parameter, not_found
from local_aws.backup.faults import Faults
from local_aws.backup.file_trees import TreeStore
from local_aws.backup.outbox import Outbox
from local_aws.backup.settings import Settings
from local_aws.backup.state import RecoveryPoint, Region, State, Vault
from local_aws.backup.world import Scope, World


class Core:
    """World, state and time, in one argument."""

    def __init__(self, world: World, clock: Clock, trees: TreeStore) -> None:
        self.world = world
        self.clock = clock
        self.trees = trees
        self.state = State()
        self.faults = Faults()
        self.settings = Settings()
        self.outbox = Outbox(world)
        self.rng = random.Random(0)
        self._instant: datetime | None = None

    def now(self) -> datetime:
        """The time of the current event, otherwise the clock's."""
        return self._instant or self.clock.now()

    def later(self, delay: timedelta, action: str, scope: Scope, *arguments: Any) -> None:
        self.state.agenda.add(self.now() + delay, action, scope, *arguments)

    def run(self, due: Due) -> None:
        """Run one due event at its own time; in a lost region it waits."""
        if self.faults.is_lost(due.scope.region):
            self.park(due.scope, due.action, *due.arguments)
            return
        self._instant = due.at
        try:
            DUE_ACTIONS[due.action](self, due.scope, *due.arguments)
        finally:
            self._instant = None

    def park(self, scope: Scope, action: str, *arguments: Any) -> None:
        """Hold a due event until `unpark`."""
        self.state.region(scope).parked.append((action, arguments))

    def unpark(self) -> None:
        """Make all held events due now."""
        for scope, region in self.state.regions.items():
            parked, region.parked = region.parked, []
            for action, arguments in parked:
                self.state.agenda.add(self.now(), action, scope, *arguments)


@dataclass(frozen=True)
class Call:
    """One request: principal, account, region and parameters with AWS's names."""

    core: Core
    operation: str
    scope: Scope
    principal: str
    params: dict[str, Any]

    @property
    def now(self) -> datetime:
        return self.core.now()

    @property
    def region(self) -> Region:
        return self.core.state.region(self.scope)

    def vault(self, name: str | None = None) -> Vault:
        """The vault that the request names; ResourceNotFoundException without it."""
        wanted = self.params["BackupVaultName"] if name is None else name
        found = self.region.vaults.get(wanted)
        if found is None:
            raise not_found(f"Backup vault {wanted} does not exist")
        return found

    def readable_vault(self) -> Vault:
        """Also a vault that another account, BackupVaultAccountId, has shared."""
        account = self.params.get("BackupVaultAccountId", self.scope.account)
        if account == self.scope.account:
            return self.vault()
        for vault in self.core.state.shared_vaults(self.scope):
            if vault.name == self.params["BackupVaultName"] and vault.arn.split(":")[4] == account:
                return vault
        raise ServiceError(
            "AccessDeniedException", "Insufficient privileges to perform this action."
        )

    def point(self) -> RecoveryPoint:
        """The recovery point that the request names, in the vault that it names."""
        arn = self.params["RecoveryPointArn"]
        found = self.readable_vault().points.get(arn)
        if found is None:
            raise not_found(f"Recovery point {arn} does not exist in this backup vault")
        return found

    def remembered(self) -> str | None:
        """The job that an earlier call with this idempotency token started.

        Raises:
            ServiceError: InvalidParameterValueException when that call asked for something else.
        """
        token = self.params.get("IdempotencyToken")
        known = self.region.tokens.get((self.operation, token)) if token else None
        if known is None:
            return None
        digest, job_id = known
        if digest != self._digest():
            raise invalid_parameter(
                f"The idempotency token {token} was used for a request with other parameters"
            )
        return job_id

    def remember(self, job_id: str) -> None:
        if token := self.params.get("IdempotencyToken"):
            self.region.tokens[self.operation, token] = (self._digest(), job_id)

    def _digest(self) -> str:
        text = json.dumps(self.params, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


Operation = Callable[[Call], Mapping[str, Any]]
DueAction = Callable[..., None]

OPERATIONS: dict[str, Operation] = {}
DUE_ACTIONS: dict[str, DueAction] = {}


def operation(name: str) -> Callable[[Operation], Operation]:
    """Serve this operation of AWS's model with the decorated function."""

    def register(function: Operation) -> Operation:
        OPERATIONS[name] = function
        return function

    return register


def due(name: str) -> Callable[[DueAction], DueAction]:
    """Register the decorated function (core, scope, …) for events of this name."""

    def register(function: DueAction) -> DueAction:
        DUE_ACTIONS[name] = function
        return function

    return register


def new_id() -> str:
    return str(uuid.uuid4())


def newest_first(when: datetime, identity: str) -> tuple[float, str]:
    """A key for paging."""
    return (-when.timestamp(), identity)
