"""The complete state of MiniStack, saved and restored at once.

MiniStack's services have their state in module-level dictionaries scoped by account
and region. One pickle of all of them preserves shared objects, and is an order of
magnitude faster than copying.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from local_aws.ministack import environment, functions, internals

_PREFIX = "ministack.services."

_PLAIN = (
    ("ministack.services.sts", "_sessions"),
    ("ministack.services.ec2", "_default_initialized_scopes"),
    ("ministack.services.eventbridge", "_rule_last_fired"),
    ("ministack.services.scheduler", "_schedule_last_fired"),
    ("ministack.services.cloudformation.wait_conditions", "_handles"),
)
"""State in ordinary containers, which cannot be distinguished from caches and are listed here."""

_NEW: Sequence[tuple[type, Callable[[], Any]]] = (
    (type(threading.Lock()), threading.Lock),
    (type(threading.RLock()), threading.RLock),
    (threading.Event, threading.Event),
    (threading.Thread, lambda: None),
)
"""Types found in some records: kept as they are, and created again in another process."""

_UNPICKLED = tuple(kind for kind, _ in _NEW)


class MiniStackState:
    """The state at one moment. It can be pickled and restored in another process."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self._kept)
        pickler.dump({name: _content(store) for name, store in _stores()})
        self._image = buffer.getvalue()
        self._functions = functions.fingerprint()

    def __getstate__(self) -> dict[str, Any]:
        kinds = [
            next(number for number, kind in enumerate(_UNPICKLED) if isinstance(kept, kind))
            for kept in self._kept
        ]
        return {"image": self._image, "kinds": kinds, "functions": self._functions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._kept = [_NEW[number][1]() for number in state["kinds"]]
        self._image = state["image"]
        self._functions = state["functions"]

    def restore(self) -> None:
        """Restore everything; modules that were not loaded then are emptied."""
        # A later function may have the name of a function since then.
        changed = functions.fingerprint() != self._functions
        content = _Unpickler(io.BytesIO(self._image), self._kept).load()
        for module_name in {name for name, _ in content} - sys.modules.keys():
            importlib.import_module(module_name)
        for name, store in _stores():
            target = _content(store)
            target.clear()
            target.update(content.get(name, ()))
        if internals.lambda_service._esms.has_any():
            internals.lambda_service._ensure_poller()
        if changed:
            functions.stop_all()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._image)


def _address() -> str:
    """The address of this MiniStack; URLs in its records contain it."""
    return f"{environment.LOOPBACK}:{os.environ['GATEWAY_PORT']}"


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, kept: list[Any]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._kept = kept
        self._address = _address()

    def persistent_id(self, value: Any) -> int | list[str] | None:
        if isinstance(value, str):
            return value.split(self._address) if self._address in value else None
        if not isinstance(value, _UNPICKLED):
            return None
        self._kept.append(value)
        return len(self._kept) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, kept: list[Any]) -> None:
        super().__init__(file)
        self._kept = kept

    def persistent_load(self, reference: int | list[str]) -> Any:
        if isinstance(reference, list):
            return _address().join(reference)
        return self._kept[reference]


def _stores() -> Sequence[tuple[tuple[str, str], Any]]:
    """All loaded containers of state, by module and name, each once.

    MiniStack never replaces a container. A module that is being imported has fewer names.
    """
    loaded = sorted(name for name in sys.modules if name.startswith(_PREFIX))
    return _stores_of(tuple((name, len(vars(sys.modules[name]))) for name in loaded))


@lru_cache(maxsize=1)
def _stores_of(modules: tuple[tuple[str, int], ...]) -> Sequence[tuple[tuple[str, str], Any]]:
    scoped = (
        internals.responses.AccountScopedDict,
        internals.responses.AccountRegionScopedDict,
    )
    found: dict[int, tuple[tuple[str, str], Any]] = {}
    for module_name, _ in modules:
        for name, value in sorted(vars(sys.modules[module_name]).items()):
            if isinstance(value, scoped) or (module_name, name) in _PLAIN:
                found.setdefault(id(value), ((module_name, name), value))
    return list(found.values())


def _content(store: Any) -> Any:
    return store if isinstance(store, dict | set) else store._data
