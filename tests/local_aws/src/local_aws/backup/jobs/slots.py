"""One backup or copy job per resource at a time: later ones wait until it has finished.

"Only one backup or copy job can run at a time for a given resource."
https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html
"""

from __future__ import annotations

from local_aws.backup.core import Core
from local_aws.backup.state import Job
from local_aws.backup.world import Scope


def take(core: Core, scope: Scope, job: Job) -> bool:
    """Whether the job may run now; if not, it starts later."""
    region = core.state.region(scope)
    entry = (job.kind, job.job_id)
    if region.running.setdefault(job.resource_arn, entry) == entry:
        return True
    queue = region.waiting.setdefault(job.resource_arn, [])
    if entry not in queue:
        queue.append(entry)
    return False


def release(core: Core, scope: Scope, job: Job) -> None:
    """Let the next job of this resource start, if this one was running or waiting."""
    region = core.state.region(scope)
    entry = (job.kind, job.job_id)
    queue = region.waiting.get(job.resource_arn, [])
    if entry in queue:
        queue.remove(entry)
    if region.running.get(job.resource_arn) != entry:
        return
    del region.running[job.resource_arn]
    if queue:
        kind, job_id = queue.pop(0)
        core.state.agenda.add(core.now(), f"{kind}.start", scope, job_id)


def is_waiting(core: Core, scope: Scope, job: Job) -> bool:
    waiting = core.state.region(scope).waiting.get(job.resource_arn, [])
    return (job.kind, job.job_id) in waiting
