"""Whose answer a message is.

    what a bounce returns   the pitch named in our own header on it, else the one with its Message-ID; another
                            message's bounce is nobody's, whatever thread it came in
    what it says of whom    where it returns nothing: the latest pitch to a recipient that it names
    In-Reply-To             the pitch that went out under that Message-ID
    References, thread      the pitch that they name, or of the thread the latest before, unless the message answers
                            another mail of this mailbox that was not part of the exchange with the pitch's person
    sender and subject      the latest pitch to that address with that subject, if the message answers no mail that
                            this mailbox has

Belongs here: that order. Does not: what kind of message it is (`mail.classify`), recording (`replies`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from integrations_pipeline.mail.addresses import addresses_of, spellings
from integrations_pipeline.mail.classify import (
    Headers,
    MailKind,
    bare_subject,
    failed_recipients,
    referenced_ids,
    sender_of,
)
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import clean_text
from integrations_pipeline.providers.mailbox import Mailbox, StoredMessage
from integrations_pipeline.store import replies
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.replies import SentPitch
from integrations_pipeline.sync.runtime import Run

#: A machine answers within the second, by its own clock.
CLOCKS_APART = timedelta(minutes=1)


def names_of(sent: SentPitch) -> set[str]:
    """The forms of the address that a pitch went to, in lower case."""
    return {clean_text(sent.to_email).strip().lower(), *spellings(sent.to_email)}


def named_pitch(headers: Headers) -> UUID | None:
    """The pitch that a message says it is, by our own header."""
    return _as_id((headers.get(PITCH_HEADER.lower()) or [""])[0])


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Matcher:
    """Asks the ledger, and, where a message may answer another mail, the mailbox. `seen`: messages of this run by
    Message-ID, which neither a thread nor the search need be asked for."""

    run: Run
    mailbox: Mailbox
    seen: dict[str, StoredMessage] = field(default_factory=dict)

    def note(self, message: StoredMessage) -> None:
        for message_id in message.received.headers.get("message-id", ()):
            self.seen[message_id.strip()] = message

    def match(self, connection: Connection, kind: MailKind, message: StoredMessage) -> SentPitch | None:
        """The pitch that a message answers, or None."""
        in_thread = replies.pitches_in_thread(connection, self.run.connection.id, message.thread_id)
        if kind is MailKind.BOUNCE:
            return self._bounced(connection, message, in_thread)
        return self._answered(connection, message, in_thread)

    # Bounces

    def _bounced(
        self, connection: Connection, message: StoredMessage, in_thread: Sequence[SentPitch]
    ) -> SentPitch | None:
        report, mailbox_id = message.received.report, self.run.connection.id
        if report is not None and (named := _as_id(report.pitch_id)) is not None:
            return replies.pitch_of_header(connection, mailbox_id, named)
        returned = report.message_ids if report is not None else ()
        ids = returned or referenced_ids(message.received.headers)[:1]
        found = _first(replies.pitches_named(connection, mailbox_id, ids), ids)
        people = set(failed_recipients(message.received))
        if found is not None and (returned or not people or people & names_of(found)):
            return found
        if people:
            fitting = [each for each in in_thread if people & names_of(each)] or self._to(connection, message, people)
        else:
            fitting = list(in_thread)
        # A bounce that names another message is about that one; ours may have an id that nobody could read.
        return _latest_before([each for each in fitting if not (ids and each.rfc822_id)], message)

    # Answers

    def _answered(
        self, connection: Connection, message: StoredMessage, in_thread: Sequence[SentPitch]
    ) -> SentPitch | None:
        ids = referenced_ids(message.received.headers)
        named = replies.pitches_named(connection, self.run.connection.id, ids)
        by_id = _first(named, ids)
        nearer = [each for each in ids if each not in named] if by_id is None else _before(ids, named)
        likely = by_id or _latest_before(in_thread, message)
        guess = likely or self._by_subject(connection, message)
        if guess is not None and likely is None and not ids:
            # It names nothing, but lies in a thread: of a mail of ours, it is an answer to that one.
            other = self.mailbox.sent_in_thread(message.thread_id)
            return guess if other is None else self._of_other(connection, other, None, is_named=False)
        other = self._other_mail(nearer, message) if guess is not None and nearer else None
        if other is None:
            return guess
        is_named = by_id is not None or (
            likely is not None and likely.rfc822_id in referenced_ids(other.received.headers)
        )
        return self._of_other(connection, other, likely, is_named=is_named)

    def _other_mail(self, ids: Sequence[str], message: StoredMessage) -> StoredMessage | None:
        """The mail of this mailbox that a message answers."""
        known = next((self.seen[each] for each in ids if each in self.seen), None)
        return known or self.mailbox.find_named(ids, message.thread_id)

    def _of_other(
        self, connection: Connection, other: StoredMessage, likely: SentPitch | None, *, is_named: bool
    ) -> SentPitch | None:
        """Whose answer a message is that answers another mail: a pitch whose Message-ID nobody could read, an earlier
        answer, or what was written besides in the exchange with the pitch's person. `is_named`: the message or that
        other mail refers to the pitch; to lie in its thread is not enough, which a subject can bring about."""
        pitch_id = named_pitch(other.received.headers)
        if pitch_id is not None:
            return replies.pitch_of_header(connection, self.run.connection.id, pitch_id)
        if likely is None:
            return None
        if replies.is_recorded_for(connection, self.run.connection.id, other.message_id, likely.pitch_id):
            return likely
        return likely if is_named and names_of(likely) & set(_people(other.received.headers)) else None

    def _by_subject(self, connection: Connection, message: StoredMessage) -> SentPitch | None:
        subject = bare_subject((message.received.headers.get("subject") or [""])[0])
        sender = sender_of(message.received.headers)
        sent = self._to(connection, message, [sender]) if subject and sender else []
        return next((each for each in sent if bare_subject(each.subject) == subject), None)

    def _to(
        self, connection: Connection, message: StoredMessage, addresses: Sequence[str] | set[str]
    ) -> list[SentPitch]:
        """What was sent to these addresses before the message came, for each the latest first."""
        before = message.received_at + CLOCKS_APART
        return [
            sent
            for address in filter(None, map(clean_text, sorted(addresses)))
            for sent in replies.pitches_to(connection, self.run.connection.id, address, before)
        ]


def _first(found: dict[str, SentPitch], ids: Sequence[str]) -> SentPitch | None:
    return next((found[each] for each in ids if each in found), None)


def _before(ids: Sequence[str], named: dict[str, SentPitch]) -> list[str]:
    """The ids that are nearer than the first one that names a pitch."""
    return list(ids[: next(number for number, each in enumerate(ids) if each in named)])


def _latest_before(sent: Sequence[SentPitch], message: StoredMessage) -> SentPitch | None:
    """Of pitches, latest first, the one that a message can be an answer to; if by the clocks none, the earliest."""
    before = [each for each in sent if each.sent_at <= message.received_at + CLOCKS_APART]
    return next(iter(before or sent[-1:]), None)


def _people(headers: Headers) -> Iterator[str]:
    for name in ("from", "to", "cc"):
        for each in addresses_of(headers.get(name, ()), name.title()):
            yield f"{each.username}@{each.domain}".lower()
