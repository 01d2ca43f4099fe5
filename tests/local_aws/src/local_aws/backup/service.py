"""AWS Backup: answers requests, and runs jobs and plans when time passes."""

from __future__ import annotations

import gzip
import logging
import pickle
import threading
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from local_aws.backup import metrics, operations
from local_aws.backup.clock import Clock
from local_aws.backup.core import OPERATIONS, Call, Core, due
from local_aws.backup.errors import ModelViolation, ServiceError, access_denied
from local_aws.backup.faults import Faults
from local_aws.backup.file_trees import TreeStore
from local_aws.backup.model import VERSIONS, Model, Route, model_of
from local_aws.backup.policies import denies
from local_aws.backup.protocol import (
    AnswerWriter,
    RequestReader,
    Response,
    failure,
    success,
)
from local_aws.backup.settings import Settings
from local_aws.backup.state import Vault
from local_aws.backup.world import Scope, World

log = logging.getLogger(__name__)

due("metrics.flush")(metrics.flush)
SERVED = operations.__all__

_ROOT = "arn:aws:iam::{account}:root"


class _Api:
    """Reads the requests and writes the answers of one API."""

    def __init__(self, name: str, model: Model) -> None:
        self._prefix = "" if name == "backup" else f"{name}."
        self.model = model
        self.reader = RequestReader(model)
        self.writer = AnswerWriter(model)

    def name_of(self, route: Route) -> str:
        """The operation, as `operation` registers it."""
        return self._prefix + route.operation


class BackupService:
    """The service for all accounts and regions. Threads may share it.

    `store` is the directory that holds the content of EFS recovery points.
    """

    def __init__(self, world: World, clock: Clock, store: Path) -> None:
        self._core = Core(world, clock, TreeStore(store))
        self._core.faults.on_release = self._release
        self._apis = {name: _Api(name, model_of(name)) for name in VERSIONS}
        self._lock = threading.RLock()
        self._imports = 0
        self.model_violations: list[str] = []
        """Answers that did not fit AWS's model: always a bug, so tests assert none."""

    @property
    def faults(self) -> Faults:
        return self._core.faults

    @property
    def settings(self) -> Settings:
        return self._core.settings

    @property
    def clock(self) -> Clock:
        return self._core.clock

    def handle(
        self,
        method: str,
        path: str,
        query: Mapping[str, list[str]],
        body: bytes,
        headers: Mapping[str, str],
        scope: Scope,
        principal: str,
        api: str = "backup",
    ) -> Response:
        """Answer one HTTP request that `principal` (an ARN) made in this account and region."""
        del headers  # AWS Backup's parameters are in path, query and body only.
        self.tick()
        request_id = str(uuid.uuid4())
        called = self._apis[api]
        found = called.model.find(method, path)
        if found is None:
            unknown = ServiceError("UnknownOperationException", f"No operation {method} {path}")
            return failure(unknown, request_id)
        route, labels = found
        params: dict[str, Any] | None = None
        try:
            self.faults.check_region(scope)
            self.faults.check_call(called.name_of(route), principal)
            params = called.reader.read(route, labels, query, body)
            answer = self._perform(called.name_of(route), scope, principal, params)
            return success(route, called.writer.write(route, answer), params, request_id)
        except ServiceError as error:
            return failure(error, request_id, route.operation, params)
        except Exception as error:  # A bug here must be visible and must not look like AWS.
            return self._broken(route, error, request_id, params)
        finally:
            self._core.outbox.deliver(wait=False)

    def call(self, operation: str, scope: Scope, **params: Any) -> dict[str, Any]:
        """An operation from Python, checked like a request; dates in the answer are datetimes.

        :param operation: of AWS Backup, or with its API: `ram.CreateResourceShare`.

        Raises:
            ServiceError: the error that the request would have returned.
        """
        self.tick()
        api, _, name = operation.rpartition(".")
        called = self._apis[api or "backup"]
        route = called.model.route(name)
        try:
            self.faults.check_region(scope)
            checked = called.reader.check(route, params)
            principal = _ROOT.format(account=scope.account)
            answer = self._perform(operation, scope, principal, checked)
            called.writer.write(route, answer)
        except ModelViolation as error:
            self.model_violations.append(str(error))
            raise
        finally:
            self._core.outbox.deliver(wait=False)
        return {name: value for name, value in answer.items() if value is not None}

    def advance(self, by: timedelta) -> None:
        """Move the clock forward; all events that become due happen at their own times."""
        clock = self._core.clock
        with self._lock:
            imports = self._imports
            target = clock.now() + by
        while True:
            with self._lock:
                if self._imports != imports:
                    return  # After a rollback `target` has no meaning.
                due_now = self._core.state.agenda.take(target)
                if due_now is None:
                    clock.move_to(target)
                    return
                clock.move_to(due_now.at)
                self._core.run(due_now)
            self._core.outbox.deliver(wait=True)

    def later(self, delay: timedelta, action: str, scope: Scope, *arguments: Any) -> None:
        """Run an action of `DUE_ACTIONS` after this time; checkpoints contain it."""
        with self._lock:
            self._core.later(delay, action, scope, *arguments)

    def tick(self) -> None:
        """Run all events that are due."""
        self.advance(timedelta(0))

    def files_undisturbed(self) -> AbstractContextManager[None]:
        """In this context, only restores change files, and each file system is read once."""
        return self._core.trees.undisturbed()

    def send_reports(self) -> None:
        """Send every report that another thread has begun to send."""
        self._core.outbox.deliver(wait=True)

    def export_state(self) -> bytes:
        """The complete state: time, settings and the manifests of file trees included.

        Faults are not part of it.
        """
        with self._lock:
            core = self._core
            manifests = core.trees.export(core.state.tree_uses)
            rng = core.rng.getstate()
            snapshot = (core.clock.now(), core.settings, core.state, rng, manifests)
            return gzip.compress(pickle.dumps(snapshot, pickle.HIGHEST_PROTOCOL), 1)

    def import_state(self, exported: bytes) -> None:
        """Restore what `export_state` returned, in the same store, the clock included."""
        instant, settings, state, rng, manifests = pickle.loads(gzip.decompress(exported))
        with self._lock:
            self._imports += 1
            self._core.outbox.drop()
            self._core.settings = settings
            self._core.state = state
            self._core.rng.setstate(rng)
            self._core.trees.bring_back(manifests)
            self._core.clock.set(instant)

    def vaults(self, scope: Scope) -> dict[str, Vault]:
        """The vaults themselves, for changes that AWS Backup has no call for."""
        return self._core.state.region(scope).vaults

    def tagged(self, scope: Scope) -> dict[str, dict[str, str]]:
        """The tags of all vaults, plans and other tagged resources, by ARN."""
        region = self._core.state.region(scope)
        arns = [
            *(vault.arn for vault in region.vaults.values()),
            *(plan.arn for plan in region.plans.values() if plan.deleted is None),
            *(plan.arn for plan in region.testing_plans.values()),
        ]
        return {arn: region.tags.get(arn, {}) for arn in (*arns, *region.tags)}

    def served_operations(self) -> dict[str, bool]:
        """Every operation of AWS's model, and whether it is served here."""
        return {name: name in OPERATIONS for name in self._apis["backup"].model.operations}

    def _perform(
        self, operation: str, scope: Scope, principal: str, params: dict[str, Any]
    ) -> Mapping[str, Any]:
        function = OPERATIONS.get(operation)
        if function is None:
            raise ServiceError(
                "UnsupportedOperationException",
                f"{operation} exists in AWS but is not served by this sandbox",
            )
        with self._lock:
            self._check_vault_policy(operation, scope, principal, params)
            return function(Call(self._core, operation, scope, principal, params))

    def _check_vault_policy(
        self, operation: str, scope: Scope, principal: str, params: Mapping[str, Any]
    ) -> None:
        region = self._core.state.region(scope)
        name = params.get("BackupVaultName", params.get("SourceBackupVaultName"))
        if name is None and (point := region.point(params.get("RecoveryPointArn", ""))):
            # StartRestoreJob names only the recovery point.
            name = point.vault_name
        vault = region.vaults.get(name or "")
        if vault is None:
            return
        resource = params.get("RecoveryPointArn", vault.arn)
        if denies(vault, f"backup:{operation}", principal, resource):
            raise access_denied(
                f"User: {principal} is not authorized to perform: backup:{operation} on "
                f"resource: {resource} with an explicit deny in a resource-based policy"
            )

    def _broken(
        self, route: Route, error: Exception, request_id: str, params: dict[str, Any] | None
    ) -> Response:
        log.exception("%s failed in the sandbox", route.operation)
        if isinstance(error, ModelViolation):
            self.model_violations.append(str(error))
        internal = ServiceError("InternalFailure", f"A bug in the sandbox: {error!r}")
        return failure(internal, request_id, route.operation, params)

    def _release(self) -> None:
        with self._lock:
            self._core.unpark()
