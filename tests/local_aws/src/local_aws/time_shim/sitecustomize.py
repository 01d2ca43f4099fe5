"""Lets a Python process use the time of the local AWS.

Python imports `sitecustomize` when it starts. With this folder in PYTHONPATH, and the local AWS in
AWS_ENDPOINT_URL, `time` and `datetime` are ahead or behind by the difference that both clocks have
at that moment. If no local AWS answers, the clock remains that of the machine.

https://docs.python.org/3/library/site.html#module-sitecustomize
"""

from __future__ import annotations

import datetime
import http.client
import json
import os
import time
from datetime import date as _date
from datetime import datetime as _datetime
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 300
_time, _time_ns, _gmtime, _localtime = time.time, time.time_ns, time.gmtime, time.localtime


def _difference() -> float:
    """Seconds by which the local AWS is ahead of this machine."""
    connection = http.client.HTTPConnection(
        urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).netloc, timeout=_TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/_sandbox/now")
        now = json.loads(connection.getresponse().read())["now"]
        return _datetime.fromisoformat(now).timestamp() - _time()
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return 0.0
    finally:
        connection.close()


class _Type(type):
    """Values that C code makes belong to the original classes: they count as instances."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls in (_Datetime, _Date):
            return isinstance(instance, cls.__mro__[1])
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls in (_Datetime, _Date):
            return issubclass(subclass, cls.__mro__[1])
        return super().__subclasscheck__(subclass)


class _Datetime(_datetime, metaclass=_Type):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(time.time())


class _Date(_date, metaclass=_Type):
    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(time.time())


def _shift(seconds: float) -> None:
    time.time = lambda: _time() + seconds
    time.time_ns = lambda: _time_ns() + int(seconds * 1e9)
    time.gmtime = lambda secs=None, /: _gmtime(time.time() if secs is None else secs)
    time.localtime = lambda secs=None, /: _localtime(time.time() if secs is None else secs)
    for name, shifted in (("datetime", _Datetime), ("date", _Date)):
        # Pickles name the class by its module and name.
        shifted.__module__, shifted.__name__, shifted.__qualname__ = "datetime", name, name
        setattr(datetime, name, shifted)


if os.environ.get("AWS_ENDPOINT_URL"):
    _shift(_difference())
