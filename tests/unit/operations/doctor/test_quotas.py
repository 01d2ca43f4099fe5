"""The check `quotas` does not call a quota high enough that it has not seen."""

from __future__ import annotations

from typing import Any

from cabal_backup.operations.aws.results import Answer, Known
from cabal_backup.operations.doctor import quotas
from cabal_backup.operations.status.findings import Status
from tests.unit.operations.status.builders import a_state


def test_a_quota_that_is_not_listed_is_unknown() -> None:
    state = a_state()
    answers: dict[str, Answer[Any]] = {
        f"{region.region} quotas {service}": Known({})
        for region in state.regions
        for service in quotas._SERVICES
    }
    seen = quotas.judge(state, answers)
    assert seen.status is Status.UNKNOWN
    assert "Service Quotas in us-west-1 does not list " in seen.evidence
