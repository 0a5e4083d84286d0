"""What a run does, in parts: each job does one of them, and tells what it came to.

Belongs here: the contract between a run and its jobs. Does not: a job (`mailing.job`, `contacts.job`), their order
(`run`), adding up what they tell (`report`).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from integrations_pipeline.model import Direction, Plan, RunStatus
from integrations_pipeline.sync.runtime import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one job came to, or how far it came. Whatever has no entry for a direction counts as nothing.

    `status`: SUCCESS, PARTIAL or REFUSED; that a run failed is told by the run. `counts`: by direction, keys of
    `COUNT_NAMES`. `errors`: a line each, by ids. `read_calls`: requests that were for reading, once that was over; they
    count for `from_external`, all others for `to_external`.
    """

    status: RunStatus = RunStatus.SUCCESS
    counts: Mapping[Direction, Mapping[str, int]] = field(default_factory=dict)
    errors: Mapping[Direction, Sequence[str]] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    read_calls: int = 0
    #: What was planned, by a job that plans.
    plan: Plan | None = None
    #: Fields that neither side gets, with the reason, and those of them that the last run still synced.
    stopped_fields: Mapping[str, str] = field(default_factory=dict)
    newly_stopped: Set[str] = frozenset()
    #: What a person should know, a line each.
    notices: tuple[str, ...] = ()


class Job(Protocol):
    """One job of one run. It keeps how far it came, so that a run that fails can tell it, too."""

    def run(self, run: Run, direction: Direction) -> bool:
        """Do the work, as far as the direction allows. Whether the next job may follow: not where the provider's limit
        was met. Whoever ends a run, the last job or one that none may follow, records its success."""
        ...

    def finish(self, run: Run) -> None:
        """Called once all jobs have done their work."""
        ...

    def tally(self, *, is_over: bool) -> Tally:
        """What it came to. `is_over`: the run did its work; else it stopped, perhaps in this job."""
        ...
