"""Environments synthesized once and shared by every test that looks at them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cabal_backup.config.environment import Environment
from tests.builders import CORE, an_environment
from tests.synth.synthesis import Synthesized, synthesize

Synthesize = Callable[[Environment], Synthesized]


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesize an environment; the same one only once."""
    directory = tmp_path_factory.mktemp("cdk.out")
    seen: dict[Environment, Synthesized] = {}

    def once(environment: Environment) -> Synthesized:
        if environment not in seen:
            seen[environment] = synthesize(environment, directory)
        return seen[environment]

    return once


@pytest.fixture(scope="session")
def prod(synthesized: Synthesize) -> Synthesized:
    """An environment that is protected, and nothing else: see CORE."""
    return synthesized(an_environment(**CORE))


@pytest.fixture(scope="session")
def whole(synthesized: Synthesize) -> Synthesized:
    """An environment with nothing set but what must be, so that every default is on."""
    return synthesized(an_environment())


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(("aws", "us-west-1", "us-west-2"), id="aws"),
        pytest.param(("aws-cn", "cn-north-1", "cn-northwest-1"), id="aws-cn"),
        pytest.param(("aws-us-gov", "us-gov-west-1", "us-gov-east-1"), id="aws-us-gov"),
    ],
)
def partitioned(request: pytest.FixtureRequest, synthesized: Synthesize) -> tuple[str, Synthesized]:
    """An environment in each partition, with the partition's name."""
    partition, region, dr_region = request.param
    return partition, synthesized(an_environment(**CORE, region=region, dr_region=dr_region))
