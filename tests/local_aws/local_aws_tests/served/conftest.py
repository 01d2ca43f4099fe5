from __future__ import annotations

import pytest

from local_aws.client import Sandbox


@pytest.fixture
def sandbox(local_aws: Sandbox) -> Sandbox:
    return local_aws
