"""What each test would build again: the command line's parser, and botocore's service models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache, wraps

import botocore.loaders
import pytest

from cabal_backup.cli import parser


@pytest.fixture(autouse=True, scope="session")
def built_once() -> Iterator[None]:
    """Share them. Reading a command line and making a client leave them as they are."""
    build = parser.build_parser

    @cache
    def built(_defaults: tuple[str | None, ...]) -> parser.Parser:
        return build()

    @wraps(build)
    def build_parser() -> parser.Parser:
        return built(tuple(map(os.environ.get, parser.ENVIRONMENT_VARIABLES)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parser, "build_parser", build_parser)
        patched.setattr(botocore.loaders, "create_loader", cache(botocore.loaders.create_loader))
        yield
