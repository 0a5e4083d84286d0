"""Answers to pitches: whose they are, each recorded once, and what they make of pitch and contact.

Belongs here: statements on `pitch_replies` and the marks they leave. Does not: reading or classifying mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """One message that answers a pitch. `kind`: reply, auto_reply, bounce, out_of_office."""

    workspace_id: UUID
    connection_id: UUID
    pitch_id: UUID
    gmail_message_id: str
    gmail_thread_id: str
    from_email: str
    received_at: datetime
    kind: str
    snippet: str = ""
    #: Of a bounce: the address will never work, so it is not mailed again.
    is_hard: bool = False


def known_messages(connection: Connection, connection_id: UUID, message_ids: Sequence[str]) -> set[str]:
    """Of these messages, those that are recorded already, as replies, as pitches that we sent, or as our drafts."""
    statement = text(
        "select gmail_message_id from pitch_replies where connection_id = :connection_id "
        "and gmail_message_id = any(:ids) union select gmail_message_id from pitch_emails "
        "where connection_id = :connection_id and state = 'sent' and gmail_message_id = any(:ids) "
        "union select evidence ->> 'draft_message_id' from pitch_emails "
        "where connection_id = :connection_id and evidence ->> 'draft_message_id' = any(:ids)"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "ids": list(message_ids)})
    return set(found.scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPitch:
    """A pitch that went out, or may have, and when."""

    pitch_id: UUID
    sent_at: datetime


def pitches_in_thread(connection: Connection, connection_id: UUID, thread_id: str) -> list[SentPitch]:
    """Pitches of a thread that went out, or may have, the latest first: an answer proves that they did."""
    statement = text(
        "select pitch_id, coalesce(sent_at, created_at) sent_at from pitch_emails "
        "where connection_id = :connection_id and gmail_thread_id = :thread_id and state in ('sent', 'unknown') "
        "order by 2 desc, created_at desc, pitch_id"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "thread_id": thread_id})
    return [SentPitch(**row._mapping) for row in found]


def is_known_as_sent(connection: Connection, pitch_id: UUID) -> bool:
    """Whether both the pitch and its ledger say that it went out."""
    statement = text(
        "select exists (select from pitches p join pitch_emails e on e.pitch_id = p.id and e.state = 'sent' "
        "where p.id = :id and p.status in ('sent', 'replied', 'bounced'))"
    )
    return bool(connection.execute(statement, {"id": pitch_id}).scalar())


def pitch_by_message_ids(connection: Connection, connection_id: UUID, ids: Sequence[str]) -> UUID | None:
    """The pitch that went out under one of these Message-IDs, the first id counting most."""
    statement = text(
        "select pitch_id from pitch_emails where connection_id = :connection_id and rfc822_message_id = any(:ids) "
        "order by array_position(cast(:ids as text[]), rfc822_message_id) limit 1"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "ids": list(ids)}).scalar()
    return UUID(str(found)) if found else None


def pitches_to(connection: Connection, connection_id: UUID, address: str, before: datetime) -> list[tuple[UUID, str]]:
    """(pitch, subject) of what was sent to an address before then, the latest first."""
    statement = text(
        "select p.id, p.subject from pitches p join pitch_emails e on e.pitch_id = p.id "
        "and e.state in ('sent', 'unknown') "
        "where e.connection_id = :connection_id and coalesce(e.sent_at, e.updated_at) <= :before "
        "and integrations_identity_key(p.to_email) = integrations_identity_key(:address) "
        "order by coalesce(e.sent_at, e.updated_at) desc limit 50"
    )
    bound = {"connection_id": connection_id, "address": address, "before": before}
    return [(row[0], row[1]) for row in connection.execute(statement, bound)]


def tracked_threads(connection: Connection, connection_id: UUID, days: int) -> list[str]:
    """Threads of pitches sent within so many days: read whole when the history is lost."""
    statement = text(
        "select distinct gmail_thread_id from pitch_emails where connection_id = :connection_id "
        "and state in ('sent', 'unknown') and gmail_thread_id is not null "
        "and coalesce(sent_at, updated_at) > now() - make_interval(days => :days)"
    )
    return list(connection.execute(statement, {"connection_id": connection_id, "days": days}).scalars())


def record_reply(connection: Connection, reply: NewReply) -> bool:
    """Record it and what follows from it; False if it was recorded before, and then nothing follows.

    A reply makes a sent pitch `replied`, also one that bounced; a bounce makes it `bounced` unless somebody
    replied, and marks the contact if it is for good; answers by machines are kept and change nothing, but any
    of them proves that an unknown pitch was sent.
    """
    statement = text(
        "insert into pitch_replies (workspace_id, pitch_id, connection_id, gmail_message_id, gmail_thread_id, "
        "from_email, received_at, kind, snippet) values (:workspace_id, :pitch_id, :connection_id, "
        ":gmail_message_id, :gmail_thread_id, :from_email, :received_at, :kind, :snippet) "
        "on conflict (connection_id, gmail_message_id) do nothing"
    )
    values = {name: getattr(reply, name) for name in NewReply.__slots__ if name != "is_hard"}
    if not connection.execute(statement, values).rowcount:
        return False
    _prove_sent(connection, reply)
    if reply.kind == "reply":
        _mark_replied(connection, reply)
    elif reply.kind == "bounce":
        _mark_bounced(connection, reply)
    return True


def _prove_sent(connection: Connection, reply: NewReply) -> None:
    bound = {"id": reply.pitch_id}
    connection.execute(
        text("update pitches set status = 'sent', error_message = null where id = :id and status = 'unknown'"), bound
    )
    proof = text(
        "update pitch_emails set state = 'sent', evidence = evidence || '{\"proof\": \"answered\"}' "
        "where pitch_id = :id and state = 'unknown'"
    )
    connection.execute(proof, bound)


def _mark_replied(connection: Connection, reply: NewReply) -> None:
    connection.execute(
        text(
            "update pitches set replied_at = least(coalesce(replied_at, :received_at), :received_at), "
            "status = case when status in ('sent', 'sending', 'bounced') then 'replied' else status end, "
            "error_message = case when status = 'bounced' then null else error_message end where id = :id"
        ),
        {"id": reply.pitch_id, "received_at": reply.received_at},
    )


def _mark_bounced(connection: Connection, reply: NewReply) -> None:
    connection.execute(
        text(
            "update pitches set status = 'bounced', error_message = 'the mail bounced' "
            "where id = :id and status in ('sent', 'sending')"
        ),
        {"id": reply.pitch_id},
    )
    if not reply.is_hard:
        return
    connection.execute(
        text('update pitch_emails set evidence = evidence || \'{"bounce": "hard"}\' where pitch_id = :id'),
        {"id": reply.pitch_id},
    )
    connection.execute(
        text(
            "update workspace_contacts c set email_bounced_at = :received_at from pitches p "
            "where p.id = :id and c.workspace_id = p.workspace_id and c.email_bounced_at is null "
            "and integrations_identity_key(c.email) = integrations_identity_key(p.to_email)"
        ),
        {"id": reply.pitch_id, "received_at": reply.received_at},
    )
