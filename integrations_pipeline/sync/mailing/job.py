"""The mail half of a run: what came in is taken in first, then what is due is sent.

In this order, because what came in tells of bounces, and of pitches that a restored ledger forgot; a run that
only sends looks for the latter alone. Belongs here: that order, and both as counts of the log. Does not: either's
work (`replies`, `pitches`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from integrations_pipeline.errors import RateLimitedError
from integrations_pipeline.model import COUNT_NAMES, Direction, Side
from integrations_pipeline.providers.mailbox import Mailbox
from integrations_pipeline.sync.mailing.outcomes import Sending
from integrations_pipeline.sync.mailing.pitches import send_pitches
from integrations_pipeline.sync.mailing.replies import Intake, look_for_sent, take_in
from integrations_pipeline.sync.runtime import Run


@dataclass(slots=True)
class MailDone:
    """What the mail half of a run did so far; filled while it works, so that a failed run can tell it too."""

    intake: Intake = field(default_factory=Intake)
    sending: Sending = field(default_factory=Sending)
    sending_calls: int = 0
    mailbox: Mailbox | None = None

    def counts(self, direction: Direction) -> dict[str, int]:
        """As counts of a log row: a pitch sent and a reply recorded count as created, an unknown pitch as held."""
        counts = dict.fromkeys(COUNT_NAMES, 0)
        if direction is Direction.FROM_EXTERNAL:
            counts["records_created"] = self.intake.recorded
            return counts
        sent = self.sending.counts
        return counts | {
            "records_created": sent["sent"],
            "records_failed": sent["failed"] + sent["stuck"],
            "records_held": sent["unknown"],
            "records_skipped": sent["cancelled"] + sent["waiting"],
        }

    @property
    def metadata(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {f"pitches_{name}": n for name, n in sorted(self.sending.counts.items()) if n}
        told |= {f"mail_{name}": n for name, n in sorted(self.intake.counts.items()) if n}
        told |= {"mail_left_unread": True} if self.intake.is_cut_short else {}
        told |= {"mail_cut_short": self.intake.limit} if self.intake.limit else {}
        told |= {"harvest": self.mailbox.remark} if self.mailbox and self.mailbox.remark else {}
        told |= {"mail_to_read_again": len(self.intake.unread)} if self.intake.unread else {}
        told |= {"pitches_found_sent_before": self.sending.found_before} if self.sending.found_before else {}
        return told | ({"cut_short": self.sending.is_cut_short} if self.sending.is_cut_short else {})


def handle_mail(run: Run, direction: Direction, done: MailDone) -> None:
    """Take in, then send, as far as the direction allows; `done` is filled on the way."""
    mailbox = cast(Mailbox, run.provider.mailbox)  # type: ignore[attr-defined]  # `has_mailbox` says so
    done.mailbox = mailbox
    try:
        if direction.allows(Side.LOCAL):
            take_in(run, mailbox, done.intake)
        before = run.provider.call_count
        if direction.allows(Side.REMOTE) and not direction.allows(Side.LOCAL):
            look_for_sent(run, mailbox, done.intake)
    except RateLimitedError as error:
        # Not a fault of anybody's. Nothing is sent: a bounce, or an answer, may be among what was not read.
        done.intake.limit = str(error)
        return
    if direction.allows(Side.REMOTE):
        limit = int(getattr(run.settings, "daily_send_limit", 0))
        send_pitches(run, mailbox, limit, done.sending, done.intake.position)
        done.sending_calls = run.provider.call_count - before
