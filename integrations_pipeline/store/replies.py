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
    """Of these messages, those that are recorded already, as replies or as pitches that we sent."""
    statement = text(
        "select gmail_message_id from pitch_replies where connection_id = :connection_id "
        "and gmail_message_id = any(:ids) union select gmail_message_id from pitch_emails "
        "where connection_id = :connection_id and state = 'sent' and gmail_message_id = any(:ids)"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "ids": list(message_ids)})
    return set(found.scalars())


def pitch_by_thread(connection: Connection, connection_id: UUID, thread_id: str, before: datetime) -> list[UUID]:
    """Pitches sent in a thread before then (give or take a minute between two clocks), the latest first."""
    statement = text(
        "select pitch_id from pitch_emails where connection_id = :connection_id and gmail_thread_id = :thread_id "
        "and state = 'sent' and coalesce(sent_at, created_at) <= cast(:before as timestamptz) + interval '1 minute' "
        "order by sent_at desc nulls last, created_at desc"
    )
    bound = {"connection_id": connection_id, "thread_id": thread_id, "before": before}
    return list(connection.execute(statement, bound).scalars())


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
        "select p.id, p.subject from pitches p join pitch_emails e on e.pitch_id = p.id and e.state = 'sent' "
        "where e.connection_id = :connection_id and coalesce(e.sent_at, e.updated_at) <= :before "
        "and integrations_identity_key(p.to_email) = integrations_identity_key(:address) "
        "order by coalesce(e.sent_at, e.updated_at) desc limit 50"
    )
    bound = {"connection_id": connection_id, "address": address, "before": before}
    return [(row[0], row[1]) for row in connection.execute(statement, bound)]


def tracked_threads(connection: Connection, connection_id: UUID, days: int) -> list[str]:
    """Threads of pitches sent within so many days: read whole when the history is lost."""
    statement = text(
        "select distinct gmail_thread_id from pitch_emails where connection_id = :connection_id and state = 'sent' "
        "and gmail_thread_id is not null and coalesce(sent_at, updated_at) > now() - make_interval(days => :days)"
    )
    return list(connection.execute(statement, {"connection_id": connection_id, "days": days}).scalars())


def record_reply(connection: Connection, reply: NewReply) -> bool:
    """Record it and what follows from it; False if it was recorded before, and then nothing follows.

    A reply makes a sent pitch `replied`; a bounce makes it `bounced` and marks the contact; answers by
    machines are kept and change nothing.
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
    if reply.kind == "reply":
        _mark_replied(connection, reply)
    elif reply.kind == "bounce":
        _mark_bounced(connection, reply)
    return True


def _mark_replied(connection: Connection, reply: NewReply) -> None:
    connection.execute(
        text(
            "update pitches set replied_at = least(coalesce(replied_at, :received_at), :received_at), "
            "status = case when status in ('sent', 'sending', 'unknown') then 'replied' else status end where id = :id"
        ),
        {"id": reply.pitch_id, "received_at": reply.received_at},
    )


def _mark_bounced(connection: Connection, reply: NewReply) -> None:
    connection.execute(
        text(
            "update pitches set status = 'bounced', error_message = 'the mail bounced' "
            "where id = :id and status in ('sent', 'sending', 'unknown')"
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
