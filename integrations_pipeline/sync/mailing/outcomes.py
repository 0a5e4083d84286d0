"""What became of a sending, told to pitch, ledger and report.

Belongs here: recording. Does not: finding it out (`pitches`), statements (`store`).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import RateLimitedError
from integrations_pipeline.providers.mailbox import Mailbox, SentMessage
from integrations_pipeline.store import pitches, sendings
from integrations_pipeline.store.pitches import PitchRow
from integrations_pipeline.store.sendings import EmailRow
from integrations_pipeline.sync.mailing.obstacles import Obstacle
from integrations_pipeline.sync.runtime import Run

#: A limit is waited for so long at least, and at most: the provider's own word about it is not always right.
LEAST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=24)
UNKNOWN = (
    "nobody can say whether this was sent: its draft is gone and no sent message was found; look in the mailbox, "
    "then `integrations pitches resolve`"
)
SENT_BEFORE = (
    "it went out before, under this id, and was not sent again: to write once more, make a new pitch with its own id"
)


@dataclass(slots=True)
class Sending:
    """What became of the pitches of one run. `is_cut_short`: a limit ended it before all that were due. `troubles`,
    `refusals`: how many pitches in a row the provider gave no answer about that helps, and refused."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    is_cut_short: str = ""
    troubles: int = 0
    refusals: int = 0
    #: Of those counted as sent, how many had been sent before this run knew of it.
    found_before: int = 0

    def note(self, what: str, pitch_id: UUID, reason: str = "") -> None:
        self.counts[what] += 1
        if reason and what in ("failed", "stuck", "unknown"):
            self.errors.append(f"pitch {pitch_id}: {reason}")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The ends and halts of one pitch's way."""

    run: Run
    mailbox: Mailbox
    done: Sending

    def record_sent(self, row: EmailRow, sent: SentMessage, remark: str | None = None) -> None:
        """It went out; `remark` is what a person should know about that."""
        now = sent.sent_at or self.run.runtime.clock()
        thread_id = sent.thread_id or row.gmail_thread_id
        known: dict[str, Any] = {"gmail_message_id": sent.message_id, "gmail_thread_id": thread_id, "sent_at": now}
        with self.run.session.begin() as connection:
            pitches.record_pitch(connection, row.pitch_id, "sent", remark, sent_at=now)
            sendings.record_email(connection, row.id, "sent", **known)
        self.done.refusals = 0
        self.done.note("sent", row.pitch_id)
        self.done.found_before += remark is not None
        self.read_back(row, sent)

    def read_back(self, row: EmailRow, sent: SentMessage) -> None:
        """A provider may replace the Message-ID: the one that went out is what replies will name. By its clock, too, is
        told which replies came later."""
        real = sent if sent.rfc822_id else self.mailbox.read_sent(sent.message_id)
        if real is None and not row.was_missed:
            # Deleted by somebody, or an answer that was wrong: the next run asks once more.
            with self.run.session.begin() as connection:
                sendings.record_email(connection, row.id, "sent", evidence={"missed": True})
            return
        # "" for a message that somebody deleted meanwhile: it is not asked for again.
        values: dict[str, Any] = {"rfc822_message_id": real.rfc822_id if real else ""}
        values |= {"gmail_thread_id": real.thread_id} if real and real.thread_id else {}
        values |= {"sent_at": real.sent_at} if real and real.sent_at else {}
        with self.run.session.begin() as connection:
            sendings.record_email(connection, row.id, "sent", **values)

    def back_to_draft(self, row: EmailRow, error: Exception | None = None) -> None:
        """Not sent: the draft is there, or the provider refused to hear of it."""
        evidence = {"draft": "there, so not sent"} if error is None else {"send": "refused"}
        if isinstance(error, RateLimitedError):
            asked = timedelta(seconds=error.retry_after_seconds or 0.0)
            until = self.run.runtime.clock() + min(max(asked, LEAST_PAUSE), LONGEST_PAUSE)
            evidence["limited_until"] = until.isoformat()
        with self.run.session.begin() as connection:
            sendings.record_email(connection, row.id, "drafted", only_from=["sending"], evidence=evidence)

    def unknown(self, row: EmailRow, pitch: PitchRow) -> None:
        evidence = {"draft": "gone", "sent_message": "not found"}
        with self.run.session.begin() as connection:
            pitches.record_pitch(connection, pitch.id, "unknown", UNKNOWN)
            sendings.record_email(connection, row.id, "unknown", evidence=evidence)
        self.done.note("unknown", pitch.id, "its draft is gone and no sent message was found")

    def refuse(self, row: EmailRow, pitch: PitchRow, obstacle: Obstacle) -> None:
        """Nothing went out, with proof. The pitch says why, unless somebody has already said something else."""
        with self.run.session.begin() as connection:
            now = pitches.read_pitch(connection, pitch.id)
            if now is not None and now.status == "sending":
                pitches.record_pitch(connection, pitch.id, obstacle.status, obstacle.reason)
            sendings.record_email(connection, row.id, "unsent", evidence={"reason": obstacle.reason})
        what = {"failed": "failed", "queued": "waiting"}.get(obstacle.status, "cancelled")
        self.done.note(what, pitch.id, obstacle.reason)

    def put_back(self, row: EmailRow, reason: str) -> None:
        """Nothing went out, and nothing is under way that could: back into the queue, for a later run."""
        with self.run.session.begin() as connection:
            now = pitches.read_pitch(connection, row.pitch_id)
            if now is not None and now.status == "sending":
                pitches.record_pitch(connection, row.pitch_id, "queued", reason)
            sendings.record_email(connection, row.id, "unsent", only_from=["claimed"], evidence={"reason": reason})

    def set_aside(self, pitch_id: UUID, reason: str) -> None:
        self.explain(pitch_id, f"{reason}; the next run goes on with it")
        self.done.note("stuck", pitch_id, reason)

    def explain(self, pitch_id: UUID, reason: str) -> None:
        with self.run.session.begin() as connection:
            pitches.explain(connection, pitch_id, reason)
