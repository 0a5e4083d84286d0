"""Sending pitches, each at most once, whatever happens on the way.

    queued ─claim─► claimed ─drafts.create─► drafted ─last look─► sending ─drafts.send─► sent
           commit          then commit the id          commit              then commit

A draft is spent by its sending, so one draft can leave at most once, and a pitch gets another draft only with
proof that the first did not leave. After any doubt: the draft is still there → not sent, go on with it; gone
and the message is found by our own header → sent; neither → `unknown`, for a person, never sent again by
itself. Belongs here: that order, and what becomes of a pitch. Does not: statements (`store.pitches`), the
message (`mail.compose`), Gmail (`providers`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from integrations_pipeline.errors import InDoubtError, PermanentError, RateLimitedError, UnreachableError
from integrations_pipeline.mail.addresses import valid_recipient
from integrations_pipeline.mail.compose import LARGEST, Letter, Parent, compose
from integrations_pipeline.providers.mailbox import Draft, Mailbox, SentMessage
from integrations_pipeline.store import pitches
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.pitches import EmailRow, PitchRow
from integrations_pipeline.sync.runtime import Run

#: Pitches taken up by one run; the rest is due at once again.
MOST_PER_RUN = 500
_UNKNOWN = (
    "nobody can say whether this was sent: its draft is gone and no sent message was found; look in the mailbox, "
    "then `integrations pitches resolve`"
)


@dataclass(slots=True)
class Sending:
    """What became of the pitches of one run. `is_cut_short`: a limit ended it before all that were due."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    is_cut_short: str = ""

    def note(self, what: str, pitch_id: UUID, reason: str = "") -> None:
        self.counts[what] += 1
        if reason and what in ("failed", "unknown"):
            self.errors.append(f"pitch {pitch_id}: {reason}")


def send_pitches(run: Run, mailbox: Mailbox, daily_limit: int, done: Sending) -> None:
    """Finish what earlier runs left open, then send what is due, within the day's limit."""
    sender = _Sender(run, mailbox, done)
    try:
        sender.recover()
        sender.send_due(daily_limit)
    except RateLimitedError as error:
        done.is_cut_short = str(error)


@dataclass(frozen=True, slots=True)
class _Sender:
    run: Run
    mailbox: Mailbox
    done: Sending

    # What earlier runs left open

    def recover(self) -> None:
        with self.run.session.begin() as connection:
            rows = pitches.unfinished(connection, self.run.connection.id)
        for row in rows:
            with self.run.session.begin() as connection:
                pitch = pitches.read_pitch(connection, row.pitch_id)
            if pitch is not None:
                self._take_up(row, pitch)
        with self.run.session.begin() as connection:
            forgotten = pitches.forgotten(connection, self.run.connection.workspace_id)
        for pitch in forgotten:
            self._take_up_forgotten(pitch)

    def _take_up(self, row: EmailRow, pitch: PitchRow) -> None:
        if row.state == "sent":
            self._read_back(row, SentMessage(message_id=row.gmail_message_id or "", thread_id=""))
        elif row.state == "claimed":
            # A database restored from before the sending knows of no draft, and of nothing that was sent.
            already = self._found(pitch)
            if already is not None:
                self._record_sent(row, already)
            else:
                self._from_claim(row, pitch, draft=self.mailbox.find_draft(str(pitch.id)))
        elif row.state == "drafted":
            self._from_draft(row, pitch)
        else:
            self._settle_doubt(row, pitch, tries_left=1)

    def _take_up_forgotten(self, pitch: PitchRow) -> None:
        """A pitch under way whose ledger is gone, with a connection that was removed: only the mailbox knows."""
        already = self._found(pitch)
        with self.run.session.begin() as connection:
            row = pitches.reopen(connection, self.run.connection.id, pitch.id)
        if already is not None:
            self._record_sent(row, already)
        else:
            self._unknown(row, pitch)

    # What is due

    def send_due(self, daily_limit: int) -> None:
        with self.run.session.begin() as connection:
            room = daily_limit - pitches.sent_in_last_day(connection, self.run.connection.id)
            due = pitches.due_pitches(
                connection,
                self.run.connection.workspace_id,
                self.run.runtime.clock(),
                self.run.settings.settle_seconds,
                MOST_PER_RUN,
            )
        for number, pitch in enumerate(due):
            if room <= 0:
                self.done.is_cut_short = "the daily limit is reached"
                self.done.counts["waiting"] += len(due) - number
                return
            room -= self._send(pitch)
            self.run.progress("send pitches", number + 1, len(due))

    def _send(self, pitch: PitchRow) -> int:
        """1 if the pitch went out or may have, else 0."""
        reason, parent = self._obstacle(pitch)
        if reason == WAITS:
            self.done.counts["waiting"] += 1
            return 0
        with self.run.session.begin() as connection:
            row = pitches.claim(connection, self.run.connection.id, pitch.id)
            if row is not None and reason:
                pitches.record_email(connection, row.id, "unsent", evidence={"reason": reason})
                self._record_refusal(pitch.id, reason, connection)
        if row is None or reason:
            return 0
        already = self._found(pitch)
        if already is not None:
            # The ledger forgot: a database that was restored from before the sending.
            self._record_sent(row, already)
            return 1
        return self._from_claim(row, pitch, draft=None, parent=parent)

    def _obstacle(self, pitch: PitchRow) -> tuple[str, Parent | None]:
        """Why the pitch cannot be sent, `WAITS` if it only has to wait, or "" and its parent."""
        if pitch.unwilling:
            return pitch.unwilling, None
        if valid_recipient(pitch.to_email) is None:
            return "to_email is no valid e-mail address", None
        if pitch.in_reply_to_pitch_id is None:
            return ("" if pitch.subject.strip() else "the subject is empty"), None
        with self.run.session.begin() as connection:
            parent = pitches.read_parent(connection, pitch.in_reply_to_pitch_id)
        if parent is None or parent.status in ("failed", "cancelled", "bounced", "draft", "unknown"):
            return "the pitch that it answers was not sent", None
        if not parent.rfc822_message_id:
            return WAITS, None
        return "", Parent(message_id=parent.rfc822_message_id, subject=parent.subject)

    def _found(self, pitch: PitchRow) -> SentMessage | None:
        return self.mailbox.find_sent(str(pitch.id), pitch.to_email, None)

    def _record_refusal(self, pitch_id: UUID, reason: str, connection: Connection) -> None:
        is_unwilling = reason in UNWILLING
        pitches.record_pitch(connection, pitch_id, "cancelled" if is_unwilling else "failed", reason)
        self.done.note("cancelled" if is_unwilling else "failed", pitch_id, reason)

    # Steps

    def _from_claim(self, row: EmailRow, pitch: PitchRow, draft: Draft | None, parent: Parent | None = None) -> int:
        if draft is None:
            raw = self._compose(pitch, parent or self._obstacle(pitch)[1])
            if len(raw) > LARGEST:
                return self._not_sent(row, pitch, "the message is larger than Gmail takes")
            try:
                draft = self._new_draft(pitch, raw)
            except PermanentError as error:
                return self._not_sent(row, pitch, str(error))
        with self.run.session.begin() as connection:
            pitches.record_email(
                connection, row.id, "drafted", draft_id=draft.draft_id, gmail_thread_id=draft.thread_id or None
            )
        known = replace(row, state="drafted", draft_id=draft.draft_id, gmail_thread_id=draft.thread_id or None)
        return self._from_draft(known, pitch)

    def _new_draft(self, pitch: PitchRow, raw: bytes) -> Draft:
        thread_id = self._thread_of(pitch)
        try:
            return self.mailbox.create_draft(raw, thread_id)
        except InDoubtError:
            return self.mailbox.find_draft(str(pitch.id)) or self.mailbox.create_draft(raw, thread_id)

    def _compose(self, pitch: PitchRow, parent: Parent | None) -> bytes:
        letter = Letter(
            pitch_id=str(pitch.id),
            to=valid_recipient(pitch.to_email) or pitch.to_email,
            to_name=pitch.to_name or "",
            subject=pitch.subject,
            body=pitch.body,
        )
        return compose(letter, self.mailbox.account().sender, self.run.runtime.clock(), parent)

    def _thread_of(self, pitch: PitchRow) -> str | None:
        if pitch.in_reply_to_pitch_id is None:
            return None
        with self.run.session.begin() as connection:
            parent = pitches.read_parent(connection, pitch.in_reply_to_pitch_id)
        return parent.gmail_thread_id if parent else None

    def _from_draft(self, row: EmailRow, pitch: PitchRow, tries_left: int = 1) -> int:
        with self.run.session.begin() as connection:
            reason = pitches.begin_send(connection, row.id, pitch.id)
        if reason:
            return self._called_off(row, pitch, reason)
        try:
            sent = self.mailbox.send_draft(row.draft_id or "")
        except UnreachableError:
            self._back_to_draft(row)
            raise
        except PermanentError as error:
            return self._after_refusal(row, pitch, str(error))
        except InDoubtError:
            return self._settle_doubt(row, pitch, tries_left)
        self._record_sent(row, sent)
        return 1

    def _after_refusal(self, row: EmailRow, pitch: PitchRow, reason: str) -> int:
        """A refused send sent nothing, if the draft is still there to prove it."""
        if not self.mailbox.draft_exists(row.draft_id or ""):
            return self._settle_doubt(row, pitch, tries_left=0)
        self.mailbox.delete_draft(row.draft_id or "")
        return self._not_sent(row, pitch, reason)

    def _settle_doubt(self, row: EmailRow, pitch: PitchRow, tries_left: int) -> int:
        """After a send whose end nobody saw; also asked again of those that are unknown, which are only looked
        for. A draft that is still there may be sent: it can leave but once."""
        is_there = row.state != "unknown" and self.mailbox.draft_exists(row.draft_id or "")
        if is_there:
            self._back_to_draft(row)
            return self._from_draft(row, pitch, tries_left - 1) if tries_left > 0 else 0
        found = self.mailbox.find_sent(str(pitch.id), pitch.to_email, row.gmail_thread_id)
        if found is not None:
            self._record_sent(row, found)
        elif row.state != "unknown":
            self._unknown(row, pitch)
        return 1

    # Ends

    def _record_sent(self, row: EmailRow, sent: SentMessage) -> None:
        now = sent.sent_at or self.run.runtime.clock()
        with self.run.session.begin() as connection:
            pitches.record_email(
                connection,
                row.id,
                "sent",
                gmail_message_id=sent.message_id,
                gmail_thread_id=sent.thread_id or row.gmail_thread_id,
                sent_at=now,
            )
            pitches.record_pitch(connection, row.pitch_id, "sent", None, sent_at=now)
        self.done.note("sent", row.pitch_id)
        self._read_back(row, sent)

    def _read_back(self, row: EmailRow, sent: SentMessage) -> None:
        """Gmail replaces the Message-ID: the one that went out is what replies will name."""
        real = sent if sent.rfc822_id else self.mailbox.read_sent(sent.message_id)
        # "" for a message that somebody deleted meanwhile: it is not asked for again.
        values = {"rfc822_message_id": real.rfc822_id if real else ""}
        values |= {"gmail_thread_id": real.thread_id} if real and real.thread_id else {}
        with self.run.session.begin() as connection:
            pitches.record_email(connection, row.id, "sent", **values)

    def _back_to_draft(self, row: EmailRow) -> None:
        with self.run.session.begin() as connection:
            pitches.record_email(connection, row.id, "drafted", evidence={"draft": "there, so not sent"})

    def _unknown(self, row: EmailRow, pitch: PitchRow) -> None:
        with self.run.session.begin() as connection:
            evidence = {"draft": "gone", "sent_message": "not found"}
            pitches.record_email(connection, row.id, "unknown", evidence=evidence)
            pitches.record_pitch(connection, pitch.id, "unknown", _UNKNOWN)
        self.done.note("unknown", pitch.id, "its draft is gone and no sent message was found")

    def _called_off(self, row: EmailRow, pitch: PitchRow, reason: str) -> int:
        """Nothing was sent yet and nothing will be: the draft goes, the pitch tells why."""
        self.mailbox.delete_draft(row.draft_id or "")
        with self.run.session.begin() as connection:
            pitches.record_email(connection, row.id, "unsent", evidence={"reason": reason})
            now = pitches.read_pitch(connection, pitch.id)
            if now is not None and now.status == "sending":
                pitches.record_pitch(connection, pitch.id, "cancelled", reason)
        self.done.note("cancelled", pitch.id)
        return 0

    def _not_sent(self, row: EmailRow, pitch: PitchRow, reason: str) -> int:
        with self.run.session.begin() as connection:
            pitches.record_email(connection, row.id, "unsent", evidence={"reason": reason})
            pitches.record_pitch(connection, pitch.id, "failed", reason)
        self.done.note("failed", pitch.id, reason)
        return 0


#: The pitch that it answers is on its way: it is asked again by the next run.
WAITS = "waits"
UNWILLING: Sequence[str] = ("the person opted out", "mail to this address bounced")
