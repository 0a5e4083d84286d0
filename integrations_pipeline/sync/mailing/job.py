"""The mail job of a run: what came in is taken in first, then what is due is sent.

In this order, because what came in tells of bounces, and of pitches that a restored ledger forgot; a run that
only sends looks for the latter alone. Belongs here: that order, and both as counts of the log. Does not: either's
work (`replies`, `pitches`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations_pipeline.errors import RateLimitedError
from integrations_pipeline.model import Direction, RunStatus, Side
from integrations_pipeline.providers.mailbox import Mailbox
from integrations_pipeline.store import connections, pitches
from integrations_pipeline.sync.job import Tally
from integrations_pipeline.sync.mailing.outcomes import Sending
from integrations_pipeline.sync.mailing.pitches import send_pitches
from integrations_pipeline.sync.mailing.replies import Intake, look_for_sent, take_in
from integrations_pipeline.sync.runtime import Run


@dataclass(slots=True)
class MailJob:
    """Implements `sync.job.Job`. What was done so far is filled in while it works."""

    mailbox: Mailbox
    intake: Intake = field(default_factory=Intake)
    sending: Sending = field(default_factory=Sending)
    read_calls: int = 0

    def run(self, run: Run, direction: Direction) -> bool:
        try:
            self._take_in(run, direction)
        except RateLimitedError as error:
            # Not a fault of anybody's. Nothing is sent: a bounce, or an answer, may be among what was not read.
            self.intake.limit = str(error)
            with run.session.begin() as connection:
                connections.record_success(connection, run.connection.id, is_due_again=False)
            return False
        if direction.allows(Side.REMOTE):
            limit = int(getattr(run.settings, "daily_send_limit", 0))
            send_pitches(run, self.mailbox, limit, self.sending, self.intake.position)
        return True

    def _take_in(self, run: Run, direction: Direction) -> None:
        if direction.allows(Side.LOCAL):
            before = run.call_count
            take_in(run, self.mailbox, self.intake)
            self.read_calls = run.call_count - before
        else:
            look_for_sent(run, self.mailbox, self.intake)

    def finish(self, run: Run) -> None:
        with run.session.begin() as connection:
            pitches.wake_for_next(connection, run.connection.id, run.connection.workspace_id)

    def tally(self, *, is_over: bool) -> Tally:  # noqa: ARG002 - what was done is done
        return Tally(
            status=RunStatus.PARTIAL if self.sending.errors else RunStatus.SUCCESS,
            counts={Direction.TO_EXTERNAL: self._sent, Direction.FROM_EXTERNAL: self._taken_in},
            errors={Direction.TO_EXTERNAL: self.sending.errors},
            metadata=self._metadata,
            read_calls=self.read_calls,
        )

    @property
    def _taken_in(self) -> dict[str, int]:
        """A reply recorded counts as created."""
        return {"records_created": self.intake.recorded}

    @property
    def _sent(self) -> dict[str, int]:
        """A pitch sent counts as created, an unknown one as held."""
        sent = self.sending.counts
        return {
            "records_created": sent["sent"],
            "records_failed": sent["failed"] + sent["stuck"],
            "records_held": sent["unknown"],
            "records_skipped": sent["cancelled"] + sent["waiting"],
        }

    @property
    def _metadata(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {f"pitches_{name}": n for name, n in sorted(self.sending.counts.items()) if n}
        told |= {f"mail_{name}": n for name, n in sorted(self.intake.counts.items()) if n}
        told |= {"mail_left_unread": True} if self.intake.is_cut_short else {}
        told |= {"mail_cut_short": self.intake.limit} if self.intake.limit else {}
        told |= {"harvest": self.mailbox.remark} if self.mailbox.remark else {}
        told |= {"mail_to_read_again": len(self.intake.unread)} if self.intake.unread else {}
        told |= {"pitches_found_sent_before": self.sending.found_before} if self.sending.found_before else {}
        return told | ({"cut_short": self.sending.is_cut_short} if self.sending.is_cut_short else {})
