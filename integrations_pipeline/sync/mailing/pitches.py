"""Sending pitches, each at most once, whatever happens on the way.

    queued ─claim─► claimed ─drafts.create─► drafted ─last look─► sending ─drafts.send─► sent
           commit          then commit the id          commit              then commit

A draft is spent by its sending, so one draft can leave at most once, and a pitch gets another draft only with
proof that the first did not leave. After any doubt: the draft is still there → not sent, go on with it; gone
and the message is found by our own header → sent; neither → `unknown`, for a person, never sent again by
itself. Belongs here: that order, and what becomes of a pitch. Does not: statements (`store.pitches`,
`store.sendings`), the message (`mail.compose`), what must be true of a pitch (`obstacles`), recording (`outcomes`),
requests (`providers`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from integrations_pipeline.errors import (
    InDoubtError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RetryableError,
    UnavailableError,
    UnreachableError,
)
from integrations_pipeline.mail.addresses import spellings, valid_recipient
from integrations_pipeline.mail.compose import LARGEST, Letter, Parent, compose
from integrations_pipeline.providers.mailbox import Draft, Mailbox, SentMessage
from integrations_pipeline.store import pitches, sendings
from integrations_pipeline.store.pitches import PitchRow, SendRules
from integrations_pipeline.store.sendings import CallOff, EmailRow
from integrations_pipeline.sync.mailing.obstacles import Obstacle, look_for_obstacle
from integrations_pipeline.sync.mailing.outcomes import SENT_BEFORE, UNKNOWN, Outcomes, Sending
from integrations_pipeline.sync.runtime import Run

#: Pitches taken up by one run; the rest is due at once again.
MOST_PER_RUN = 500
#: Pitches in a row that the provider gave no clear answer about: then it is not the pitches, and the run ends.
MOST_TROUBLES = 3
#: Messages in a row that the provider refused: perhaps it is not the messages, and the rest waits for the next run.
MOST_REFUSALS = 3


def send_pitches(run: Run, mailbox: Mailbox, daily_limit: int, done: Sending, position: str = "") -> None:
    """Finish what earlier runs left open, then send what is due, within the day's limit. `position`: where the mailbox
    is, as far as it was read."""
    sender = _Sender(run, mailbox, done, Outcomes(run, mailbox, done), daily_limit, position)
    try:
        sender.recover()
        sender.send_due()
        sender.clear_away()
    except RateLimitedError as error:
        done.is_cut_short = str(error)


@dataclass(frozen=True, slots=True)
class _Sender:
    run: Run
    mailbox: Mailbox
    done: Sending
    outcomes: Outcomes
    daily_limit: int
    position: str

    @property
    def rules(self) -> SendRules:
        return SendRules(now=self.run.runtime.clock(), settle_seconds=self.run.settings.settle_seconds)

    @property
    def _title(self) -> str:
        return self.run.spec.title

    # What earlier runs left open

    def recover(self) -> None:
        with self.run.session.begin() as connection:
            pitches.mend_requeued(connection, self.run.connection.workspace_id)
            rows = sendings.unfinished(connection, self.run.connection.id)
            forgotten = pitches.forgotten(connection, self.run.connection.workspace_id)
        for row in rows:
            self._apart(row.pitch_id, partial(self._take_up, row))
        for pitch in forgotten:
            self._apart(pitch.id, partial(self._take_up_forgotten, pitch))

    def _apart(self, pitch_id: UUID, step: Callable[[], None]) -> None:
        """What is wrong with one pitch stops no other; the next run tries it again."""
        try:
            step()
            self.done.troubles = 0
        except UnavailableError:
            raise
        except (RateLimitedError, UnreachableError, NeedsAttentionError) as error:
            self.outcomes.explain(pitch_id, str(error))
            raise
        except PermanentError as error:
            self.outcomes.set_aside(pitch_id, str(error))
        except RetryableError as error:
            self.outcomes.set_aside(pitch_id, str(error))
            self.done.troubles += 1
            if self.done.troubles >= MOST_TROUBLES:
                raise

    def _take_up(self, row: EmailRow) -> None:
        with self.run.session.begin() as connection:
            pitch = pitches.read_pitch(connection, row.pitch_id)
        if pitch is None:
            return
        if row.state == "sent":
            self.outcomes.read_back(row, SentMessage(message_id=row.gmail_message_id or "", thread_id=""))
        elif row.state == "claimed":
            self._take_up_claim(row, pitch)
        elif row.state == "drafted":
            self._from_draft(row, pitch)
        else:
            self._settle_doubt(row, pitch, tries_left=1)

    def _take_up_claim(self, row: EmailRow, pitch: PitchRow) -> None:
        """Nothing is known of a draft. There may be one, and a database restored from before the sending knows of
        nothing that was sent."""
        already = self._found(pitch)
        if already is not None:
            self.outcomes.record_sent(row, already)
            return
        draft = self._draft_of(row)
        if draft is not None:
            self._from_new_draft(row, pitch, draft)
            return
        obstacle, parent = look_for_obstacle(self.run, pitch)
        if pitch.status != "sending":
            obstacle = Obstacle(reason=f"the pitch was {pitch.status} meanwhile", status=pitch.status)
        if obstacle is not None:
            self.outcomes.refuse(row, pitch, obstacle)
        elif self._has_room():
            self._from_claim(row, pitch, parent)
        else:
            self.done.note("waiting", pitch.id)

    def _take_up_forgotten(self, pitch: PitchRow) -> None:
        """A pitch under way whose ledger is gone, with a connection that was removed: only the mailbox knows."""
        already = self._found(pitch)
        with self.run.session.begin() as connection:
            row = sendings.reopen(connection, self.run.connection.id, pitch.id)
            if already is None:
                pitches.record_pitch(connection, pitch.id, "unknown", UNKNOWN)
        if already is not None:
            self.outcomes.record_sent(row, already)
        else:
            self.done.note("unknown", pitch.id, "its ledger is gone and no sent message was found")

    def clear_away(self) -> None:
        """Delete drafts of pitches that are settled: made by requests that came late, after their pitch had got another
        one. Somebody could take them for mail that is still to be sent."""
        with self.run.session.begin() as connection:
            rows = sendings.in_doubt(connection, self.run.connection.id)
        if not rows:
            return
        pitch_ids = {str(row.pitch_id) for row in rows}
        found = self.mailbox.find_drafts(pitch_ids, rows[0].position, rows[0].created_at)
        with self.run.session.begin() as connection:
            live = sendings.live_drafts(connection, [row.pitch_id for row in rows])
        for _, draft in found:
            if draft.draft_id not in live:
                self.mailbox.delete_draft(draft.draft_id)
        with self.run.session.begin() as connection:
            sendings.settle_doubts(connection, [row.id for row in rows], self.position)

    # What is due

    def send_due(self) -> None:
        with self.run.session.begin() as connection:
            due = pitches.due_pitches(connection, self.run.connection.workspace_id, self.rules, MOST_PER_RUN)
        if due and self._has_room():
            # A grant that cannot even do this takes up no pitch.
            self.mailbox.account()
        waiting: list[PitchRow] = []
        while due:
            waiting = self._send_all(due)
            # A pitch may have waited for another one of this run.
            due = waiting if len(waiting) < len(due) and not self.done.is_cut_short else []
        self.done.counts["waiting"] += len(waiting)

    def _send_all(self, due: Sequence[PitchRow]) -> list[PitchRow]:
        """Those that have to wait for another pitch."""
        waiting = []
        for number, pitch in enumerate(due):
            if not self._has_room():
                self.done.counts["waiting"] += len(due) - number
                break
            obstacle, _ = look_for_obstacle(self.run, pitch)
            if obstacle is not None and obstacle.waits:
                waiting.append(pitch)
            else:
                self._apart(pitch.id, partial(self._send, pitch))
            self.run.progress("send pitches", number + 1, len(due))
        return waiting

    def _has_room(self) -> bool:
        """Whether one more may go out now; if not, the run is cut short and says why."""
        with self.run.session.begin() as connection:
            count = sendings.sent_in_last_day(connection, self.run.connection.id)
            until = sendings.limited_until(connection, self.run.connection.id)
        if until is not None and until > self.run.runtime.clock():
            self.done.is_cut_short = f"{self._title} takes no more mail before {until:%Y-%m-%d %H:%M} UTC"
        elif count >= self.daily_limit:
            self.done.is_cut_short = "the daily limit is reached"
        elif self.done.refusals >= MOST_REFUSALS:
            self.done.is_cut_short = (
                f"{self._title} refused {MOST_REFUSALS} messages in a row; the rest waits for the next run"
            )
        else:
            return True
        return False

    def _send(self, pitch: PitchRow) -> None:
        with self.run.session.begin() as connection:
            taken = sendings.claim(connection, self.run.connection.id, pitch.id, self.rules, self.position)
        if taken is None:
            return
        # As it is now: it may have been edited since the run began.
        row, pitch = taken
        obstacle, parent = look_for_obstacle(self.run, pitch)
        if obstacle is not None:
            self.outcomes.refuse(row, pitch, obstacle)
            return
        already = self._found(pitch)
        if already is not None:
            # The ledger forgot: a database that was restored from before the sending, or a row made anew.
            self.outcomes.record_sent(row, already, SENT_BEFORE)
        else:
            self._from_claim(row, pitch, parent)

    def _found(self, pitch: PitchRow) -> SentMessage | None:
        """The sent message of a pitch, wherever one may be and whenever it was sent."""
        with self.run.session.begin() as connection:
            traces = sendings.traces_of(connection, pitch.id)
        return self.mailbox.find_sent(str(pitch.id), _recipient(pitch), traces.threads, traces.known)

    # Steps

    def _from_claim(self, row: EmailRow, pitch: PitchRow, parent: Parent | None) -> None:
        letter = Letter(
            pitch_id=str(pitch.id),
            to=_recipient(pitch),
            to_name=pitch.to_name or "",
            subject=pitch.subject,
            body=pitch.body,
        )
        is_too_large = letter.least_size > LARGEST
        try:
            sender = self.mailbox.account().sender
            raw = b"" if is_too_large else compose(letter, sender, self.run.runtime.clock(), parent)
            if is_too_large or len(raw) > LARGEST:
                raise PermanentError(f"the message is larger than {self._title} takes")
            draft = self._new_draft(row, pitch, raw)
        except PermanentError as error:
            self.done.refusals += 1
            self.outcomes.refuse(row, pitch, Obstacle(reason=str(error)))
        except InDoubtError as error:
            # There may be a draft, but none that we could send: the pitch waits, and a later run gives it another.
            self.outcomes.put_back(row, f"{error}: the next run tries again")
            raise
        except NeedsAttentionError as error:
            # The provider refused to hear of it, or was not asked: it waits in the queue until a person has acted.
            self.outcomes.refuse(row, pitch, Obstacle(reason=str(error), status="queued"))
            raise
        else:
            self._from_new_draft(row, pitch, draft)

    def _new_draft(self, row: EmailRow, pitch: PitchRow, raw: bytes) -> Draft:
        with self.run.session.begin() as connection:
            parent = pitches.read_parent(connection, pitch.id)
        thread_id = parent.gmail_thread_id if parent else None
        try:
            return self.mailbox.create_draft(raw, thread_id)
        except InDoubtError:
            with self.run.session.begin() as connection:
                sendings.note_doubt(connection, row.id)
            return self._draft_of(row) or self.mailbox.create_draft(raw, thread_id)

    def _draft_of(self, row: EmailRow) -> Draft | None:
        found = self.mailbox.find_drafts({str(row.pitch_id)}, row.position, row.created_at)
        return found[0][1] if found else None

    def _from_new_draft(self, row: EmailRow, pitch: PitchRow, draft: Draft) -> None:
        thread_id = draft.thread_id or None
        with self.run.session.begin() as connection:
            is_kept = sendings.record_email(
                connection,
                row.id,
                "drafted",
                only_from=["claimed"],
                evidence={"draft_message_id": draft.message_id},
                draft_id=draft.draft_id,
                gmail_thread_id=thread_id,
            )
        if is_kept:
            self._from_draft(replace(row, state="drafted", draft_id=draft.draft_id, gmail_thread_id=thread_id), pitch)
        else:
            # The pitch or the connection was removed, or another run was faster: nobody will send this one.
            self.mailbox.delete_draft(draft.draft_id)

    def _from_draft(self, row: EmailRow, pitch: PitchRow, tries_left: int = 1) -> None:
        if pitch.status == "sending" and not self._has_room():
            self.done.note("waiting", pitch.id)
            return
        with self.run.session.begin() as connection:
            off = sendings.begin_send(connection, row, self.rules, spellings(pitch.to_email))
        if off is not None:
            self._called_off(row, pitch, off)
            return
        row = replace(row, state="sending", was_tried=True)
        try:
            sent = self.mailbox.send_draft(row.draft_id or "")
        except InDoubtError:
            self._settle_doubt(row, pitch, tries_left)
        except PermanentError as error:
            self._after_refusal(row, pitch, str(error))
        except (RetryableError, NeedsAttentionError) as error:
            self.outcomes.back_to_draft(row, error)
            raise
        else:
            self.outcomes.record_sent(row, sent)

    def _after_refusal(self, row: EmailRow, pitch: PitchRow, reason: str) -> None:
        """A refused send sent nothing, if the draft is still there to prove it."""
        if self.mailbox.draft_exists(row.draft_id or ""):
            self.mailbox.delete_draft(row.draft_id or "")
            self.done.refusals += 1
            self.outcomes.refuse(row, pitch, Obstacle(reason=reason))
        else:
            self._settle_doubt(row, pitch, tries_left=0)

    def _settle_doubt(self, row: EmailRow, pitch: PitchRow, tries_left: int) -> None:
        """After a send whose end nobody saw; also asked again of those that are unknown, which are only looked
        for. A draft that is still there may be sent: it can leave but once."""
        if row.state != "unknown" and row.draft_id and self.mailbox.draft_exists(row.draft_id):
            self.outcomes.back_to_draft(row)
            if tries_left > 0:
                self._from_draft(replace(row, state="drafted"), pitch, tries_left - 1)
            else:
                self.outcomes.set_aside(pitch.id, f"{self._title} did not send its draft, and did not say why")
            return
        found = self._found(pitch)
        if found is not None:
            self.outcomes.record_sent(row, found)
        elif row.state != "unknown":
            self.outcomes.unknown(row, pitch)
        else:
            with self.run.session.begin() as connection:
                sendings.note_look(connection, row.id)

    def _called_off(self, row: EmailRow, pitch: PitchRow, off: CallOff) -> None:
        """Nothing must be sent (any more): the draft goes, and its going is the proof. Without it: was it sent?"""
        if not off.is_ours:
            return
        was_there = not row.was_tried or self.mailbox.draft_exists(row.draft_id or "")
        found = None if self.mailbox.delete_draft(row.draft_id or "") else self._found(pitch)
        if found is not None:
            self.outcomes.record_sent(row, found)
            return
        if not was_there:
            self.outcomes.unknown(row, pitch)
            return
        self.outcomes.refuse(row, pitch, Obstacle(reason=off.reason, status=off.status or pitch.status))


def _recipient(pitch: PitchRow) -> str:
    return valid_recipient(pitch.to_email) or pitch.to_email
