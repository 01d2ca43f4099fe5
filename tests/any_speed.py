"""Property tests that pass on a busy machine: Hypothesis fails slow examples by default."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
