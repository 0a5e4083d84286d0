"""Taking in what came back: replies, bounces and machines' answers, each recorded once, on the right pitch.

Whose answer a message is, asked in this order:

    a delivery report     the pitch named in the message it returns, else that message's id, else the thread
    thread                the pitch of the thread; of several, the one that is answered, else the latest before
    In-Reply-To           the pitch that went out under that Message-ID
    sender and subject    the latest pitch to that address with that subject

Belongs here: matching, and the position in the mailbox, which is stored last. Does not: what kind of message
it is (`mail.classify`), statements (`store.replies`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from integrations_pipeline.errors import CursorExpiredError
from integrations_pipeline.mail.classify import MailKind, bare_subject, classify, referenced_ids, sender_of
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.providers.mailbox import Mailbox, StoredMessage
from integrations_pipeline.store import connections, pitches, replies
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.replies import NewReply
from integrations_pipeline.sync.runtime import Run

#: When Gmail forgot the position, threads of pitches sent within so many days are read whole.
TRACKED_DAYS = 90
#: What is recorded; everything else is mail that has nothing to do with pitches.
_RECORDED = (MailKind.REPLY, MailKind.AUTO_REPLY, MailKind.BOUNCE, MailKind.OUT_OF_OFFICE)
_SNIPPET = 200


@dataclass(slots=True)
class Intake:
    """How many messages of each kind were recorded, and how many were looked at."""

    counts: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0

    @property
    def recorded(self) -> int:
        return sum(self.counts[kind.value] for kind in _RECORDED)


def take_in(run: Run, mailbox: Mailbox, done: Intake) -> None:
    """Record what came in since the last run, then the new position."""
    cursor: Mapping[str, str] = dict(run.connection.mail_cursor or {})
    for added, following in _read(run, mailbox, cursor):
        _take_page(run, mailbox, added, done)
        cursor = following
    with run.session.begin() as connection:
        connections.save_mail_cursor(connection, run.connection.id, cursor)


def _read(
    run: Run, mailbox: Mailbox, cursor: Mapping[str, str]
) -> Iterator[tuple[Sequence[tuple[str, str]], Mapping[str, str]]]:
    """Pages of what is new; without a position, or with one that Gmail forgot, the tracked threads whole. The
    new position is taken before they are read."""
    if cursor:
        try:
            for page in mailbox.changes(cursor):
                yield page.added, page.cursor
        except CursorExpiredError:
            pass
        else:
            return
    position = mailbox.position()
    with run.session.begin() as connection:
        threads = replies.tracked_threads(connection, run.connection.id, TRACKED_DAYS)
    yield [], position
    for thread_id in threads:
        yield mailbox.thread_messages(thread_id), position


def _take_page(run: Run, mailbox: Mailbox, added: Sequence[tuple[str, str]], done: Intake) -> None:
    ids = list(dict.fromkeys(message_id for message_id, _ in added))
    with run.session.begin() as connection:
        known = replies.known_messages(connection, run.connection.id, ids)
    for message_id in ids:
        if message_id in known:
            continue
        message = mailbox.read_message(message_id)
        if message is None or "DRAFT" in message.labels:
            continue
        done.looked_at += 1
        with run.session.begin() as connection:
            _take(run, connection, mailbox.account().addresses, message, done)
        run.progress("read mail", done.looked_at, 0)


def _take(run: Run, connection: Connection, own: Sequence[str], message: StoredMessage, done: Intake) -> None:
    kind = classify(message.received, own)
    if kind is MailKind.OWN:
        _adopt(run, connection, message)
        return
    if kind not in _RECORDED:
        return
    pitch_id = match(run, connection, message)
    if pitch_id is None:
        return
    report = message.received.report
    reply = NewReply(
        workspace_id=run.connection.workspace_id,
        connection_id=run.connection.id,
        pitch_id=pitch_id,
        gmail_message_id=message.message_id,
        gmail_thread_id=message.thread_id,
        from_email=sender_of(message.received.headers),
        received_at=message.received_at,
        kind=kind.value,
        snippet=message.received.snippet[:_SNIPPET],
        is_hard=kind is MailKind.BOUNCE and (report is None or report.is_permanent),
    )
    done.counts[kind.value] += replies.record_reply(connection, reply)


def match(run: Run, connection: Connection, message: StoredMessage) -> UUID | None:
    """The pitch that a message answers, or None."""
    report = message.received.report
    if report is not None:
        found = _named_pitch(connection, report.pitch_id)
        found = found or replies.pitch_by_message_ids(connection, run.connection.id, report.message_ids)
        if found is not None:
            return found
    ids = referenced_ids(message.received.headers)
    by_id = replies.pitch_by_message_ids(connection, run.connection.id, ids)
    in_thread = replies.pitch_by_thread(connection, run.connection.id, message.thread_id, message.received_at)
    if in_thread:
        return by_id if by_id in in_thread else in_thread[0]
    return by_id or _by_subject(run, connection, message)


def _named_pitch(connection: Connection, pitch_id: str) -> UUID | None:
    try:
        named = UUID(pitch_id)
    except ValueError:
        return None
    return named if pitches.pitch_of_header(connection, named) is not None else None


def _by_subject(run: Run, connection: Connection, message: StoredMessage) -> UUID | None:
    report = message.received.report
    senders = list(report.recipients) if report else [sender_of(message.received.headers)]
    subject = bare_subject((message.received.headers.get("subject") or [""])[0])
    for address in filter(None, senders):
        for pitch_id, sent_subject in replies.pitches_to(connection, run.connection.id, address, message.received_at):
            if report is not None or (subject and bare_subject(sent_subject) == subject):
                return pitch_id
    return None


def _adopt(run: Run, connection: Connection, message: StoredMessage) -> None:
    """A pitch of ours that left the mailbox and that the ledger, restored from a backup, does not know."""
    if "SENT" not in message.labels:
        return
    headers = message.received.headers
    pitch_id = _named_pitch(connection, (headers.get(PITCH_HEADER.lower()) or [""])[0].strip())
    if pitch_id is None or pitches.pitch_of_header(connection, pitch_id) not in ("queued", "sending", "unknown"):
        return
    values = {
        "gmail_message_id": message.message_id,
        "gmail_thread_id": message.thread_id,
        "rfc822_message_id": (headers.get("message-id") or [""])[0].strip(),
        "sent_at": message.received_at,
        "evidence": {"found": "in the mailbox"},
    }
    pitches.adopt_sent(connection, run.connection.id, pitch_id, values)
