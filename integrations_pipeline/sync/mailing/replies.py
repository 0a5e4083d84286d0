"""Taking in what came back: replies, bounces and machines' answers, each recorded once, on the right pitch.

What we sent ourselves, which tells of pitches that a restored ledger forgot, comes before all answers. Belongs
here: which messages are looked at, and the position in the mailbox, which is stored last. Does not: whose answer a
message is (`matching`), what kind of message it is (`mail.classify`), statements (`store.replies`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from integrations_pipeline.engine.canonical import identity_key
from integrations_pipeline.errors import (
    CursorExpiredError,
    PermanentError,
    RateLimitedError,
    RetryableError,
    TokenConflictError,
    UnreachableError,
)
from integrations_pipeline.mail.classify import MailKind, classify, is_hard_bounce, sender_of
from integrations_pipeline.model import clean_text
from integrations_pipeline.providers.mailbox import POSITION, Mailbox, StoredMessage
from integrations_pipeline.store import connections, pitches, replies, sendings
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.replies import NewReply
from integrations_pipeline.sync.mailing.matching import CLOCKS_APART, Matcher, named_pitch, names_of
from integrations_pipeline.sync.mailing.outcomes import SENT_BEFORE
from integrations_pipeline.sync.runtime import Run

#: When the provider forgot the position, threads of pitches sent within so many days are read whole.
TRACKED_DAYS = 90
#: And besides so many of the newest messages, for answers that came outside those threads.
MOST_LOOKED_BACK = 1000
#: Our clock may be behind the provider's, and a message is told a moment after it came.
OVERLAP = timedelta(hours=1)
#: What is recorded; everything else is mail that has nothing to do with pitches.
_RECORDED = (MailKind.REPLY, MailKind.AUTO_REPLY, MailKind.BOUNCE, MailKind.OUT_OF_OFFICE)
_SNIPPET = 200
_AT_ONCE = 1000
#: A message that the provider does not give away is asked for in so many runs, one that it says is gone in so many.
MOST_TRIES, MOST_TRIES_IF_GONE = 20, 2
#: Messages in a row that the provider gave no clear answer about: then it is not the messages, and the run ends.
MOST_TROUBLES = 3
#: From so many messages on, one question tells which of them are drafts; the owner writes those, not the world.
_WORTH_ASKING = 3

Pairs = Iterable[tuple[str, str]]
Position = Mapping[str, Any]


@dataclass(slots=True)
class Intake:
    """How many messages of each kind were recorded, and how many were looked at. `is_cut_short`: too many came while
    the provider forgot the position, and the older ones outside the tracked threads were not read. `unread`: messages
    that it did not give away, and in how many runs. `position`: where the mailbox was when this run began."""

    counts: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0
    is_cut_short: bool = False
    unread: dict[str, int] = field(default_factory=dict)
    position: str = ""
    troubles: int = 0
    #: The provider's word about a limit that ended the taking in; the next run goes on where this one began.
    limit: str = ""

    @property
    def recorded(self) -> int:
        return sum(self.counts[kind.value] for kind in _RECORDED)


def take_in(run: Run, mailbox: Mailbox, done: Intake) -> None:
    """Record what came in since the last run, then the new position, with what could not be read yet."""
    stored = run.connection.mail_cursor or {}
    added, following = _read(run, mailbox, stored, done)
    done.position = str(following.get(POSITION, ""))
    messages = _not_recorded(run, mailbox, added, done)
    own = mailbox.account().addresses if messages else ()
    matcher = Matcher(run, mailbox)
    answers = []
    for message in messages:
        matcher.note(message)
        kind = classify(message.received, own)
        if kind is MailKind.OWN:
            _adopt(run, message, done)
        elif kind in _RECORDED:
            answers.append((message.received_at, message.message_id, kind, message))
    for _, _, kind, message in sorted(answers, key=lambda each: each[:2]):
        with run.session.begin() as connection:
            _record(matcher, connection, kind, message, done)
    with run.session.begin() as connection:
        done.counts["lifted"] += replies.lift_bounces(connection, run.connection.workspace_id, _writers(answers))
        unread = {"unread": done.unread} if done.unread else {}
        connections.save_mail_cursor(connection, run.connection.id, {**following, **unread})


def _writers(answers: Iterable[tuple[datetime, str, MailKind, StoredMessage]]) -> dict[str, datetime]:
    """Who wrote as a person, by identity key, and when last: their addresses work."""
    found: dict[str, datetime] = {}
    for at, _, kind, message in answers:
        sender = identity_key(clean_text(sender_of(message.received.headers)))
        if kind is MailKind.REPLY and sender:
            found[sender] = max(at, found.get(sender, at))
    return found


def look_for_sent(run: Run, mailbox: Mailbox, done: Intake) -> None:
    """Find pitches that left and that the ledger, restored from a backup, does not know; for a run that only sends.

    Nothing else is taken in and the position stays where it is, unless there is none and nothing to wait for.
    """
    stored = run.connection.mail_cursor or {}
    done.position = str(stored.get(POSITION, ""))
    with run.session.begin() as connection:
        oldest = pitches.oldest_open(connection, run.connection.workspace_id)
    if oldest is None:
        return
    following = None
    try:
        added = _added(mailbox, stored, is_sent_only=True)[0]
    except CursorExpiredError:
        following = _position(run, mailbox)
        added = _look_back(mailbox, _known_until(stored) or oldest, done, is_sent_only=True)
    for message in _not_recorded(run, mailbox, added, done):
        _adopt(run, message, done)
    with run.session.begin() as connection:
        if following and not stored and not replies.tracked_threads(connection, run.connection.id, TRACKED_DAYS):
            connections.save_mail_cursor(connection, run.connection.id, following)


def _added(
    mailbox: Mailbox, stored: Position, *, is_sent_only: bool = False
) -> tuple[list[tuple[str, str]], Mapping[str, str]]:
    """What came since and is still there, and the new position: the owner's drafts come and go by the minute."""
    pages = list(mailbox.changes(stored, is_sent_only=is_sent_only))
    gone = frozenset().union(*(page.gone for page in pages))
    return [pair for page in pages for pair in page.added if pair[0] not in gone], pages[-1].cursor


def _read(run: Run, mailbox: Mailbox, stored: Position, done: Intake) -> tuple[list[tuple[str, str]], Position]:
    """What is new, and the position after it. Without a position, or with one that is forgotten: the tracked
    threads whole, and the newest messages. The new position is taken before anything is read."""
    now = run.runtime.clock().isoformat()
    again = [(str(message_id), "") for message_id in stored.get("unread") or {}]
    done.unread = dict(stored.get("unread") or {})
    try:
        added, cursor = _added(mailbox, stored)
        return [*again, *added], {**cursor, "at": now}
    except CursorExpiredError:
        position = _position(run, mailbox)
    with run.session.begin() as connection:
        threads = replies.tracked_threads(connection, run.connection.id, TRACKED_DAYS)
        oldest = pitches.oldest_open(connection, run.connection.workspace_id)
    added = [*again, *(pair for thread_id in threads for pair in mailbox.thread_messages(thread_id))]
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
        unknown = [each for each in some if each not in known]
        drafts = mailbox.draft_messages() if len(unknown) >= _WORTH_ASKING else frozenset()
        for message_id in (each for each in unknown if each not in drafts):
            message = _read_one(mailbox, message_id, done)
            if message is not None and "DRAFT" not in message.labels:
                done.looked_at += 1
                run.progress("read mail", done.looked_at, 0)
                yield message


def _read_one(mailbox: Mailbox, message_id: str, done: Intake) -> StoredMessage | None:
    """One message that the provider does not give away must not keep all others from coming in, nor be lost by it."""
    try:
        message = mailbox.read_message(message_id)
    except (RateLimitedError, UnreachableError, TokenConflictError):
        raise
    except (PermanentError, RetryableError) as error:
        done.counts["unreadable"] += 1
        done.counts["given_up"] += _put_off(done, message_id, MOST_TRIES)
        done.troubles += isinstance(error, RetryableError)
        if done.troubles >= MOST_TROUBLES:
            raise
        return None
    done.troubles = 0
    if message is None:
        _put_off(done, message_id, MOST_TRIES_IF_GONE)
    else:
        done.unread.pop(message_id, None)
    return message


def _put_off(done: Intake, message_id: str, most: int) -> bool:
    """Let the next run ask for it again; whether it was asked for often enough."""
    tries = done.unread.pop(message_id, 0) + 1
    if tries < most:
        done.unread[message_id] = tries
    return tries >= most


def _record(matcher: Matcher, connection: Connection, kind: MailKind, message: StoredMessage, done: Intake) -> None:
    sent = matcher.match(connection, kind, message)
    if sent is None:
        return
    report, names = message.received.report, names_of(sent)
    if report is not None and report.about(names).goes_on:
        # It failed for somebody else; this one is still under way.
        return
    reply = NewReply(
        workspace_id=matcher.run.connection.workspace_id,
        connection_id=matcher.run.connection.id,
        pitch_id=sent.pitch_id,
        gmail_message_id=message.message_id,
        gmail_thread_id=message.thread_id,
        from_email=clean_text(sender_of(message.received.headers)),
        received_at=message.received_at,
        kind=kind.value,
        source=matcher.run.spec.name,
        snippet=clean_text(message.received.snippet)[:_SNIPPET],
        is_hard=kind is MailKind.BOUNCE and is_hard_bounce(message.received, sorted(names)),
    )
    done.counts[kind.value] += replies.record_reply(connection, reply)


def _adopt(run: Run, message: StoredMessage, done: Intake) -> None:
    """A pitch of ours that left the mailbox and that the ledger, restored from a backup, does not know."""
    headers = message.received.headers
    pitch_id = named_pitch(headers)
    if "SENT" not in message.labels or pitch_id is None:
        return
    with run.session.begin() as connection:
        ours = replies.pitch_of_header(connection, run.connection.id, pitch_id)
        if ours is None or replies.is_known_as_sent(connection, pitch_id):
            return
        # A row that was made after its mail had left.
        is_anew = ours.sent_at > message.received_at + CLOCKS_APART
        values = {
            "gmail_message_id": message.message_id,
            "gmail_thread_id": message.thread_id,
            "rfc822_message_id": clean_text((headers.get("message-id") or [""])[0]).strip(),
            "sent_at": message.received_at,
            "evidence": {"found": "in the mailbox"},
            "remark": SENT_BEFORE if is_anew else None,
        }
        sendings.adopt_sent(connection, run.connection.id, pitch_id, values)
    done.counts["found_sent"] += 1
