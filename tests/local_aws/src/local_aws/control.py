"""Controls over HTTP, below a path that no AWS service has.

| method, path under /_sandbox | body | answer |
| --- | --- | --- |
| GET /now | | now |
| POST /advance | seconds, or to (ISO 8601); schedules: false runs no scheduled rule | now |
| GET, POST, DELETE /faults | keys of `Faults.apply`, `services`: rules | all that are on |
| GET /emails | | emails that SNS has sent |
| GET, POST /settings | durations in seconds, switches | the settings |
| GET /efs/ACCOUNT/REGION/FILE-SYSTEM-ID | | directory |
| POST /vaults/ACCOUNT/REGION/NAME | encryption_key_arn | |
| POST /quotas/ACCOUNT/REGION | service, code, value | |
| GET, DELETE /decisions | | IAM's decisions (with authentication on) |
| POST /checkpoint | | id |
| POST /rollback/ID | | now |
| DELETE /checkpoint/ID | | |
| POST /save/ID | directory, which must not exist | |
| POST /load | directory that `save` wrote | id |
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local_aws.backup.world import Scope
from local_aws.system import System

PREFIX = "/_sandbox/"

_log = logging.getLogger("sandbox.control")

Body = Mapping[str, Any]
Reply = dict[str, Any]


class BadRequest(Exception):
    """The request is not valid."""


class Control:
    """Answers control requests for one system."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def handle(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and JSON of one request to PREFIX + `path`."""
        try:
            asked = json.loads(body) if body else {}
            reply = await self._answer(method, path.strip("/").split("/"), asked)
        except (BadRequest, ValueError, TypeError, KeyError) as error:
            return HTTPStatus.BAD_REQUEST, _json({"error": f"{type(error).__name__}: {error}"})
        except Exception as error:
            _log.exception("%s %s failed", method, path)
            return HTTPStatus.INTERNAL_SERVER_ERROR, _json({"error": repr(error)})
        return HTTPStatus.OK, _json(reply)

    async def _answer(self, method: str, path: list[str], body: Body) -> Reply:
        match method, path:
            case "GET", ["now"]:
                return self._now()
            case "POST", ["advance"]:
                await asyncio.to_thread(
                    self._system.advance_to,
                    self._target(body),
                    schedules=body.get("schedules", True),
                )
                return self._now()
            case (("GET" | "POST" | "DELETE"), ["faults"]):
                return await asyncio.to_thread(self._faults, method, body)
            case (("GET" | "POST"), ["settings"]):
                return self._settings(body)
            case "GET", ["emails"]:
                return {"emails": self._system.emails.sent}
            case "GET", ["efs", account, region, file_system_id]:
                root = self._system.world.file_systems.root(Scope(account, region), file_system_id)
                return {"directory": str(root)}
            case "POST", ["vaults", account, region, name]:
                vaults = self._system.service.vaults(Scope(account, region))
                vaults[name].encryption_key_arn = body["encryption_key_arn"]
                return {}
            case "POST", ["quotas", account, region]:
                scope = Scope(account, region)
                self._system.quotas.apply(scope, body["service"], body["code"], body["value"])
                return {}
            case "GET", ["decisions"]:
                return {"decisions": self._system.decisions.listed()}
            case "DELETE", ["decisions"]:
                self._system.decisions.clear()
                return {}
            case "POST", ["checkpoint"]:
                return {"id": await self._undisturbed(self._system.checkpoint)}
            case "POST", ["rollback", identity]:
                await self._undisturbed(lambda: self._system.rollback(identity))
                return self._now()
            case "DELETE", ["checkpoint", identity]:
                self._system.forget(identity)
                return {}
            case "POST", ["save", identity]:
                self._system.save(identity, Path(body["directory"]))
                return {}
            case "POST", ["load"]:
                return {"id": self._system.load(Path(body["directory"]))}
        raise BadRequest(f"no such control: {method} /{'/'.join(path)}")

    async def _undisturbed(self, work: Callable[[], Any]) -> Any:
        """Run on the event loop itself, so that no request is answered at the same time."""
        await asyncio.to_thread(self._system.pause)
        try:
            return work()
        finally:
            self._system.resume()

    def _now(self) -> Reply:
        return {"now": self._system.now().isoformat()}

    def _target(self, body: Body) -> datetime:
        if "to" in body:
            target = datetime.fromisoformat(body["to"])
            if target.tzinfo is None:
                raise BadRequest("`to` needs a time zone")
            return target
        seconds = float(body["seconds"])
        if seconds < 0:
            raise BadRequest(f"time only moves forward, not by {seconds} s")
        return self._system.now() + timedelta(seconds=seconds)

    def _faults(self, method: str, body: Body) -> Reply:
        if method == "DELETE":
            self._system.clear_faults()
        elif method == "POST":
            self._system.apply_faults(body)
        return self._system.describe_faults()

    def _settings(self, body: Body) -> Reply:
        settings = self._system.service.settings
        known = {each.name: getattr(settings, each.name) for each in fields(settings)}
        for name, value in body.items():
            if name not in known:
                raise BadRequest(f"unknown setting {name}; there are {', '.join(known)}")
            is_duration = isinstance(known[name], timedelta)
            setattr(settings, name, timedelta(seconds=float(value)) if is_duration else value)
        return {
            name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in asdict(settings).items()
        }


def _json(reply: Reply) -> bytes:
    return json.dumps(reply).encode()
