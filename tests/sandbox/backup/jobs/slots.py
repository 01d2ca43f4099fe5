"""One job per resource at a time: later ones wait until the first has finished."""

from __future__ import annotations

from tests.sandbox.backup.core import Core
from tests.sandbox.backup.state import Job
from tests.sandbox.backup.world import Scope


def take(core: Core, scope: Scope, job: Job) -> bool:
    """Whether the job may run now; if not, it is started when its turn has come."""
    region = core.state.region(scope)
    key = (job.kind, job.resource_arn)
    holder = region.running.setdefault(key, job.job_id)
    if holder == job.job_id:
        return True
    queue = region.waiting.setdefault(key, [])
    if job.job_id not in queue:
        queue.append(job.job_id)
    return False


def release(core: Core, scope: Scope, job: Job) -> None:
    """Let the next job of this resource start, if this one was running or waiting."""
    region = core.state.region(scope)
    key = (job.kind, job.resource_arn)
    queue = region.waiting.get(key, [])
    if job.job_id in queue:
        queue.remove(job.job_id)
    if region.running.get(key) != job.job_id:
        return
    del region.running[key]
    if queue:
        core.state.agenda.add(core.now(), f"{job.kind}.start", scope, queue.pop(0))


def is_waiting(core: Core, scope: Scope, job: Job) -> bool:
    waiting = core.state.region(scope).waiting.get((job.kind, job.resource_arn), [])
    return job.job_id in waiting
