"""Taking in what came back: replies, bounces and machines' answers, each recorded once, on the right pitch.

Whose answer a message is, asked in this order:

    a delivery report     the pitch named in the message it returns, else that message's id, else the thread
    thread                the pitch of the thread; of several, the one that is answered, else the latest before
    In-Reply-To           the pitch that went out under that Message-ID
    sender and subject    the latest pitch to that address with that subject

What we sent ourselves, which tells of pitches that a restored ledger forgot, comes before all answers. Belongs
here: matching, and the position in the mailbox, which is stored last. Does not: what kind of message it is
(`mail.classify`), statements (`store.replies`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import CursorExpiredError, PermanentError
from integrations_pipeline.mail.classify import (
    MailKind,
    bare_subject,
    classify,
    failed_recipients,
    is_hard_bounce,
    referenced_ids,
    sender_of,
)
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import clean_text
from integrations_pipeline.providers.mailbox import Mailbox, StoredMessage
from integrations_pipeline.store import connections, pitches, replies, sendings
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.replies import NewReply, SentPitch
from integrations_pipeline.sync.runtime import Run

#: When Gmail forgot the position, threads of pitches sent within so many days are read whole.
TRACKED_DAYS = 90
#: And besides so many of the newest messages, for answers that came outside those threads.
MOST_LOOKED_BACK = 1000
#: Our clock may be behind Gmail's, and a message is told a moment after it came.
OVERLAP = timedelta(hours=1)
#: A machine answers within the second, by its own clock.
CLOCKS_APART = timedelta(minutes=1)
#: What is recorded; everything else is mail that has nothing to do with pitches.
_RECORDED = (MailKind.REPLY, MailKind.AUTO_REPLY, MailKind.BOUNCE, MailKind.OUT_OF_OFFICE)
_SNIPPET = 200
_AT_ONCE = 1000

Pairs = Iterable[tuple[str, str]]
Position = Mapping[str, Any]


@dataclass(slots=True)
class Intake:
    """How many messages of each kind were recorded, and how many were looked at. `is_cut_short`: too many came
    while Gmail forgot the position, and the older ones outside the tracked threads were not read."""

    counts: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0
    is_cut_short: bool = False

    @property
    def recorded(self) -> int:
        return sum(self.counts[kind.value] for kind in _RECORDED)


def take_in(run: Run, mailbox: Mailbox, done: Intake) -> None:
    """Record what came in since the last run, then the new position."""
    stored = run.connection.mail_cursor or {}
    added, following = _read(run, mailbox, stored, done)
    messages = _not_recorded(run, mailbox, added, done)
    own = mailbox.account().addresses if messages else ()
    answers = []
    for message in messages:
        kind = classify(message.received, own)
        if kind is MailKind.OWN:
            _adopt(run, message, done)
        elif kind in _RECORDED:
            answers.append((message.received_at, message.message_id, kind, message))
    for _, _, kind, message in sorted(answers, key=lambda each: each[:2]):
        with run.session.begin() as connection:
            _record(run, connection, kind, message, done)
    with run.session.begin() as connection:
        connections.save_mail_cursor(connection, run.connection.id, following)


def look_for_sent(run: Run, mailbox: Mailbox, done: Intake) -> None:
    """Find pitches that left and that the ledger, restored from a backup, does not know; for a run that only sends.

    Nothing else is taken in and the position stays where it is, unless there is none and nothing to wait for.
    """
    stored = run.connection.mail_cursor or {}
    with run.session.begin() as connection:
        oldest = pitches.oldest_open(connection, run.connection.workspace_id)
    if oldest is None:
        return
    following = None
    try:
        added: Pairs = [pair for page in mailbox.changes(stored, is_sent_only=True) for pair in page.added]
    except CursorExpiredError:
        following = _position(run, mailbox)
        added = _look_back(mailbox, _known_until(stored) or oldest, done, is_sent_only=True)
    for message in _not_recorded(run, mailbox, added, done):
        _adopt(run, message, done)
    with run.session.begin() as connection:
        if following and not stored and not replies.tracked_threads(connection, run.connection.id, TRACKED_DAYS):
            connections.save_mail_cursor(connection, run.connection.id, following)


def _read(run: Run, mailbox: Mailbox, stored: Position, done: Intake) -> tuple[list[tuple[str, str]], Position]:
    """What is new, and the position after it. Without a position, or with one that Gmail forgot: the tracked
    threads whole, and the newest messages. The new position is taken before anything is read."""
    now = run.runtime.clock().isoformat()
    try:
        pages = list(mailbox.changes(stored))
        return [pair for page in pages for pair in page.added], {**pages[-1].cursor, "at": now}
    except CursorExpiredError:
        position = _position(run, mailbox)
    with run.session.begin() as connection:
        threads = replies.tracked_threads(connection, run.connection.id, TRACKED_DAYS)
        oldest = pitches.oldest_open(connection, run.connection.workspace_id)
    added = [pair for thread_id in threads for pair in mailbox.thread_messages(thread_id)]
    known_until = _known_until(stored)
    if known_until is not None:
        added += _look_back(mailbox, known_until, done)
    elif oldest is not None:
        # Nothing was ever taken in: only what we sent can be of interest, where the ledger was lost.
        added += _look_back(mailbox, oldest, done, is_sent_only=True)
    return added, position


def _position(run: Run, mailbox: Mailbox) -> Position:
    at = run.runtime.clock().isoformat()
    return {**mailbox.position(), "at": at}


def _known_until(stored: Position) -> datetime | None:
    return datetime.fromisoformat(str(stored["at"])) if stored.get("at") else None


def _look_back(mailbox: Mailbox, until: datetime, done: Intake, *, is_sent_only: bool = False) -> list[tuple[str, str]]:
    found = list(islice(mailbox.since(until - OVERLAP, is_sent_only=is_sent_only), MOST_LOOKED_BACK))
    done.is_cut_short = done.is_cut_short or len(found) == MOST_LOOKED_BACK
    return found


def _not_recorded(run: Run, mailbox: Mailbox, added: Pairs, done: Intake) -> list[StoredMessage]:
    """These messages, but for those that are recorded already, drafts, and what cannot be read."""
    ids = list(dict.fromkeys(message_id for message_id, _ in added))
    return list(_read_messages(run, mailbox, ids, done))


def _read_messages(run: Run, mailbox: Mailbox, ids: Sequence[str], done: Intake) -> Iterator[StoredMessage]:
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        with run.session.begin() as connection:
            known = replies.known_messages(connection, run.connection.id, some)
        for message_id in (each for each in some if each not in known):
            try:
                message = mailbox.read_message(message_id)
            except PermanentError:
                # One message that Gmail does not give away must not keep all others from coming in.
                done.counts["unreadable"] += 1
                continue
            if message is not None and "DRAFT" not in message.labels:
                done.looked_at += 1
                run.progress("read mail", done.looked_at, 0)
                yield message


def _record(run: Run, connection: Connection, kind: MailKind, message: StoredMessage, done: Intake) -> None:
    pitch_id = match(run, connection, kind, message)
    if pitch_id is None:
        return
    reply = NewReply(
        workspace_id=run.connection.workspace_id,
        connection_id=run.connection.id,
        pitch_id=pitch_id,
        gmail_message_id=message.message_id,
        gmail_thread_id=message.thread_id,
        from_email=clean_text(sender_of(message.received.headers)),
        received_at=message.received_at,
        kind=kind.value,
        snippet=clean_text(message.received.snippet)[:_SNIPPET],
        is_hard=kind is MailKind.BOUNCE and is_hard_bounce(message.received),
    )
    done.counts[kind.value] += replies.record_reply(connection, reply)


def match(run: Run, connection: Connection, kind: MailKind, message: StoredMessage) -> UUID | None:
    """The pitch that a message answers, or None."""
    report = message.received.report
    if report is not None:
        found = _named_pitch(connection, report.pitch_id)
        found = found or replies.pitch_by_message_ids(connection, run.connection.id, report.message_ids)
        if found is not None:
            return found
    ids = referenced_ids(message.received.headers)
    by_id = replies.pitch_by_message_ids(connection, run.connection.id, ids)
    in_thread = replies.pitches_in_thread(connection, run.connection.id, message.thread_id)
    if in_thread:
        return by_id if by_id in {sent.pitch_id for sent in in_thread} else _latest_before(in_thread, message)
    if by_id is not None:
        return by_id
    if kind is MailKind.BOUNCE:
        # A report that names another message is about that one.
        is_open = report is None or not report.message_ids
        return _by_address(run, connection, message, failed_recipients(message.received)) if is_open else None
    return _by_address(run, connection, message, [sender_of(message.received.headers)], is_subject_asked=True)


def _latest_before(sent: Sequence[SentPitch], message: StoredMessage) -> UUID:
    """Of pitches, latest first, the one that a message can be an answer to; if by the clocks none, the earliest."""
    before = [each for each in sent if each.sent_at <= message.received_at + CLOCKS_APART]
    return (before or sent[-1:])[0].pitch_id


def _named_pitch(connection: Connection, pitch_id: str) -> UUID | None:
    try:
        named = UUID(pitch_id)
    except ValueError:
        return None
    return named if pitches.pitch_of_header(connection, named) is not None else None


def _by_address(
    run: Run,
    connection: Connection,
    message: StoredMessage,
    addresses: Sequence[str],
    *,
    is_subject_asked: bool = False,
) -> UUID | None:
    """The latest pitch to one of these addresses; of those under the message's subject, if that is asked for."""
    subject = bare_subject((message.received.headers.get("subject") or [""])[0])
    before = message.received_at + CLOCKS_APART
    for address in filter(None, map(clean_text, addresses)):
        for pitch_id, sent_subject in replies.pitches_to(connection, run.connection.id, address, before):
            if not is_subject_asked or (subject and bare_subject(sent_subject) == subject):
                return pitch_id
    return None


def _adopt(run: Run, message: StoredMessage, done: Intake) -> None:
    """A pitch of ours that left the mailbox and that the ledger, restored from a backup, does not know."""
    headers = message.received.headers
    named = (headers.get(PITCH_HEADER.lower()) or [""])[0].strip()
    if "SENT" not in message.labels or not named:
        return
    with run.session.begin() as connection:
        pitch_id = _named_pitch(connection, named)
        if pitch_id is None or replies.is_known_as_sent(connection, pitch_id):
            return
        values = {
            "gmail_message_id": message.message_id,
            "gmail_thread_id": message.thread_id,
            "rfc822_message_id": clean_text((headers.get("message-id") or [""])[0]).strip(),
            "sent_at": message.received_at,
            "evidence": {"found": "in the mailbox"},
        }
        sendings.adopt_sent(connection, run.connection.id, pitch_id, values)
    done.counts["found_sent"] += 1
