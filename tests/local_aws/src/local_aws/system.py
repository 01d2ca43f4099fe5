"""The complete local AWS in one process: MiniStack, this AWS Backup, and its time."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws.backup import BackupService, Clock, TreeStore
from local_aws.backup.settings import Settings
from local_aws.ministack import (
    cloudformation,
    functions,
    internals,
    keys,
    managed_policies,
    mfa,
    other_clients,
    simulation,
    strictness,
    workers,
)
from local_aws.ministack.alarms import Alarms
from local_aws.ministack.decisions import Decisions
from local_aws.ministack.delivery import Delivery
from local_aws.ministack.emails import Emails
from local_aws.ministack.endpoint import BackupEndpoint
from local_aws.ministack.event_sources import EventSources
from local_aws.ministack.file_systems import MiniStackFileSystems
from local_aws.ministack.point_in_time import PointInTimeRecovery
from local_aws.ministack.propagation import Propagation
from local_aws.ministack.reports import MiniStackReports
from local_aws.ministack.roles import MiniStackRoles
from local_aws.ministack.sandbox_time import SandboxTime
from local_aws.ministack.schedules import Schedules
from local_aws.ministack.service_faults import ServiceFaults
from local_aws.ministack.service_quotas import Applied, ServiceQuotas
from local_aws.ministack.state import MiniStackState
from local_aws.ministack.table_backups import TableBackups
from local_aws.ministack.table_control import TableControl
from local_aws.ministack.table_history import TableHistory
from local_aws.ministack.tables import MiniStackTables
from local_aws.ministack.trail import Trail
from local_aws.ministack.world import MiniStackWorld

TICK_SECONDS = 1.0
"""How often due events are run while no control moves the clock (real seconds)."""

_FINE_STEP = timedelta(hours=1)
_COARSE_STEP = timedelta(hours=6)
_FINE_REACH = timedelta(days=45)
_DELIVERY_TIMEOUT_SECONDS = 900.0
"""Lambda's longest timeout of a function."""

_STORES = ("backup", "checkpoints")
"""Directories below `data` with files that are written once and never changed."""

_SAVED = "checkpoint.pickle"

_log = logging.getLogger("sandbox")


def _link(source: str, target: str) -> None:
    """Link a file to a second name, or copy it to another file system."""
    if Path(target).exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@dataclass(frozen=True)
class Checkpoint:
    """The complete state at one moment."""

    ministack: MiniStackState
    backup: bytes
    file_systems: Mapping[Path, str]
    emails: tuple[dict[str, str], ...]
    quotas: Applied


class System:
    """Creates the parts, connects them, and moves their time."""

    def __init__(self, data: Path, start: datetime | None) -> None:
        self._data = data
        self.clock = Clock(start)
        time = SandboxTime(self.clock.now)
        for module in (
            internals.cloudtrail,
            internals.cloudwatch,
            internals.dynamodb,
            internals.efs,
            internals.eventbridge,
            internals.sns,
            internals.sqs,
            internals.kms,
        ):
            module.time = time
        internals.ssm._now_epoch = time.time
        history = TableHistory(time.time)
        self.delivery = Delivery()

        def settings() -> Settings:
            return self.service.settings

        control = TableControl(time.time, settings)
        propagation = Propagation(self.clock.now, lambda: settings().iam_propagation)
        roles = MiniStackRoles(propagation)
        self.world = MiniStackWorld(
            tables=MiniStackTables(history, control),
            file_systems=MiniStackFileSystems(data / "efs"),
            roles=roles,
            reports=MiniStackReports(self.delivery),
        )
        self.service = BackupService(world=self.world, clock=self.clock, store=data / _STORES[0])
        self.emails = Emails()
        self._alarms = Alarms(time, self.delivery)
        self._schedules = Schedules(time.time)
        self._event_sources = EventSources(time, self.delivery)
        self.decisions = Decisions()
        self._service_faults = ServiceFaults()
        self.quotas = ServiceQuotas()
        self._trees = TreeStore(data / _STORES[1])
        self._checkpoints: dict[str, Checkpoint] = {}
        self._names = itertools.count(1)
        self._moving = threading.Lock()

        trail = Trail(self.service, self.world.reports)
        history.install()
        PointInTimeRecovery(history, time.time, settings).install()
        control.install()
        TableBackups(time.time, settings).install()
        managed_policies.install()
        propagation.install()
        self.world.file_systems.install(time.time)
        keys.install(time.time)
        self.world.reports.install()
        self._alarms.install()
        self.emails.install()
        trail.install()
        self._schedules.install()
        self._event_sources.install()
        self.quotas.install()
        self._service_faults.install()
        strictness.install()
        cloudformation.install(self.service, trail)
        BackupEndpoint(self.service, trail, roles).install()
        mfa.install()
        functions.install(self._alarms.count_error)
        workers.install(data / "functions")
        simulation.install()
        other_clients.install(self.service)
        self.decisions.install()

    def now(self) -> datetime:
        return self.clock.now()

    def advance_to(self, target: datetime, *, schedules: bool = True) -> None:
        """Move time forward in steps, so that every part sees the time in between.

        :param schedules: whether scheduled rules run.

        There are steps only if something listens: alarms are evaluated at each step, and a Lambda
        function that a report invokes ends before time moves on.
        """
        with self._moving, self.service.files_undisturbed():
            # What is on its way belongs to the time before.
            self.settle()
            step = self._step(target - self.now())
            while (left := target - self.now()) > timedelta(0):
                self.service.advance(min(step, left))
                self._let_others_react(schedules)

    def tick(self) -> None:
        """Run the events that are due by now."""
        if not self._moving.acquire(blocking=False):
            return
        try:
            self.service.tick()
            self._alarms.evaluate(self.now())
            self._schedules.fire()
            self._event_sources.poll()
        finally:
            self._moving.release()

    def settle(self) -> None:
        """Wait until all deliveries are finished.

        Raises:
            TimeoutError: a Lambda function or a delivery does not end.
        """
        self.service.send_reports()
        if not self.delivery.drain(_DELIVERY_TIMEOUT_SECONDS):
            raise TimeoutError(f"Not all was delivered after {_DELIVERY_TIMEOUT_SECONDS:.0f} s")

    def pause(self) -> None:
        """Wait until all deliveries are finished, and run no due events until `resume`."""
        self._moving.acquire()
        try:
            self.settle()
        except BaseException:
            self.resume()
            raise

    def resume(self) -> None:
        self._moving.release()

    def checkpoint(self) -> str:
        """Save the complete state; returns the name for `rollback`."""
        name = f"checkpoint-{next(self._names)}"
        self._checkpoints[name] = Checkpoint(
            ministack=MiniStackState(),
            backup=self.service.export_state(),
            file_systems=self._capture_file_systems(),
            emails=tuple(self.emails.sent),
            quotas=dict(self.quotas.applied),
        )
        return name

    def rollback(self, name: str) -> None:
        """Restore the complete state. Raises KeyError for an unknown name."""
        checkpoint = self._checkpoints[name]
        self.clear_faults()
        checkpoint.ministack.restore()
        self.emails.sent[:] = checkpoint.emails
        self.quotas.applied = dict(checkpoint.quotas)
        self.service.import_state(checkpoint.backup)
        root = self.world.file_systems.all_roots()
        there, wanted = self._capture_file_systems(), checkpoint.file_systems
        for path, _ in there.items() - wanted.items():
            shutil.rmtree(root / path)
        for path, tree in wanted.items() - there.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            self._trees.restore(tree, root / path)

    def _capture_file_systems(self) -> dict[Path, str]:
        """What each file system holds, by its directory below that of all."""
        root = self.world.file_systems.all_roots()
        return {
            path.relative_to(root): self._trees.capture(path).tree for path in root.glob("*/*/*")
        }

    def forget(self, name: str) -> None:
        del self._checkpoints[name]

    def save(self, name: str, directory: Path) -> None:
        """Write a checkpoint to a new directory, for `load` in any process.

        Raises:
            KeyError: there is no such checkpoint.
        """
        checkpoint = self._checkpoints[name]
        directory.mkdir(parents=True)
        for store in _STORES:
            shutil.copytree(self._data / store, directory / store, copy_function=_link)
        with (directory / _SAVED).open("wb") as file:
            pickle.dump(checkpoint, file, pickle.HIGHEST_PROTOCOL)

    def load(self, directory: Path) -> str:
        """Add a saved checkpoint; returns the name for `rollback`.

        Only for directories that `save` wrote: the content is unpickled.
        """
        for store in _STORES:
            shutil.copytree(
                directory / store, self._data / store, copy_function=_link, dirs_exist_ok=True
            )
        name = f"checkpoint-{next(self._names)}"
        with (directory / _SAVED).open("rb") as file:
            self._checkpoints[name] = pickle.load(file)
        return name

    def apply_faults(self, wanted: Mapping[str, Any]) -> None:
        """Turn faults on: AWS Backup's by their keys, rules for other services in `services`."""
        backup = {key: value for key, value in wanted.items() if key != "services"}
        if wanted.get("clear"):
            self._service_faults.clear()
        if "services" in wanted:
            self._service_faults.apply(wanted["services"])
        self.service.faults.apply(backup)

    def describe_faults(self) -> dict[str, Any]:
        return {**self.service.faults.describe(), "services": self._service_faults.describe()}

    def clear_faults(self) -> None:
        self._service_faults.clear()
        self.service.faults.clear()

    def is_lost(self, region: str) -> bool:
        """Whether a fault has disabled the region."""
        return bool(self.service.faults.is_lost(region))

    def close(self) -> None:
        """Stop what runs outside this process."""
        functions.stop_all()

    def _step(self, whole: timedelta) -> timedelta:
        if not (self._alarms.exist() or self.world.reports.has_listeners()):
            return whole
        return _FINE_STEP if whole <= _FINE_REACH else _COARSE_STEP

    def _let_others_react(self, schedules: bool) -> None:
        self._alarms.evaluate(self.now())
        if schedules:
            self._schedules.fire()
        self.settle()
        while self._event_sources.poll():
            self.settle()
