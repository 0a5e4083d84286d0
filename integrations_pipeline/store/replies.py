"""Answers to pitches: whose they are, each recorded once, and what they make of pitch and contact.

Belongs here: statements on `pitch_replies` and the marks they leave. Does not: reading or classifying mail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    #: Who told it: the provider's name.
    source: str
    snippet: str = ""
    #: Of a bounce: the report names the pitch's own address as one that will never work, so it is not mailed again.
    is_hard: bool = False


def known_messages(connection: Connection, connection_id: UUID, message_ids: Sequence[str]) -> set[str]:
    """Of these messages, those that are recorded already, as replies, as pitches that we sent, or as our drafts."""
    statement = text(
        "select gmail_message_id from pitch_replies where connection_id = :connection_id "
        "and gmail_message_id = any(:ids) union select gmail_message_id from pitch_emails "
        "where connection_id = :connection_id and state = 'sent' and gmail_message_id = any(:ids) "
        "union select evidence ->> 'draft_message_id' from pitch_emails where connection_id = :connection_id "
        "and state in ('drafted', 'sending', 'unknown') and evidence ->> 'draft_message_id' = any(:ids) "
        # Of drafts that were sent the history tells for some days.
        "union select evidence ->> 'draft_message_id' from pitch_emails where connection_id = :connection_id "
        "and state in ('sending', 'sent', 'unknown') and updated_at > now() - interval '30 days' "
        "and evidence ->> 'draft_message_id' = any(:ids)"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "ids": list(message_ids)})
    return set(found.scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPitch:
    """A pitch that went out, or may have, to whom, when, and under which Message-ID, "" if nobody could read it."""

    pitch_id: UUID
    to_email: str = field(repr=False)
    subject: str = field(repr=False)
    sent_at: datetime
    rfc822_id: str


_SENT = (
    "p.id pitch_id, p.to_email, p.subject, coalesce(e.sent_at, e.created_at) sent_at, "
    "coalesce(e.rfc822_message_id, '') rfc822_id from pitch_emails e join pitches p on p.id = e.pitch_id"
)


def pitches_in_thread(connection: Connection, connection_id: UUID, thread_id: str) -> list[SentPitch]:
    """Pitches of a thread that went out, or may have, the latest first: an answer proves that they did."""
    statement = text(
        f"select {_SENT} where e.connection_id = :connection_id and e.gmail_thread_id = :thread_id "
        "and e.state in ('sent', 'unknown') order by coalesce(e.sent_at, e.created_at) desc, e.created_at desc, p.id"
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


def pitches_named(connection: Connection, connection_id: UUID, ids: Sequence[str]) -> dict[str, SentPitch]:
    """Of these Message-IDs, those under which a pitch went out, and which."""
    statement = text(f"select {_SENT} where e.connection_id = :connection_id and e.rfc822_message_id = any(:ids)")
    found = connection.execute(statement, {"connection_id": connection_id, "ids": list(ids)}) if ids else ()
    return {row.rfc822_id: SentPitch(**row._mapping) for row in found}


def pitch_of_header(connection: Connection, connection_id: UUID, pitch_id: UUID) -> SentPitch | None:
    """The pitch of this workspace that a message names by our own header."""
    statement = text(
        "select p.id pitch_id, p.to_email, p.subject, coalesce(e.sent_at, p.created_at) sent_at, "
        "coalesce(e.rfc822_message_id, '') rfc822_id "
        "from pitches p left join pitch_emails e on e.pitch_id = p.id and e.connection_id = :connection_id "
        "where p.id = :id order by e.attempt desc nulls last limit 1"
    )
    row = connection.execute(statement, {"id": pitch_id, "connection_id": connection_id}).one_or_none()
    return None if row is None else SentPitch(**row._mapping)


def is_recorded_for(connection: Connection, connection_id: UUID, gmail_message_id: str, pitch_id: UUID) -> bool:
    """Whether a message was recorded as an answer to this pitch."""
    statement = text(
        "select exists (select from pitch_replies where connection_id = :connection_id "
        "and gmail_message_id = :message_id and pitch_id = :pitch_id)"
    )
    bound = {"connection_id": connection_id, "message_id": gmail_message_id, "pitch_id": pitch_id}
    return bool(connection.execute(statement, bound).scalar())


def pitches_to(connection: Connection, connection_id: UUID, address: str, before: datetime) -> list[SentPitch]:
    """What was sent to an address before then, the latest first."""
    statement = text(
        f"select {_SENT} where e.connection_id = :connection_id and e.state in ('sent', 'unknown') "
        "and coalesce(e.sent_at, e.created_at) <= :before "
        "and p.identity_key = integrations_identity_key(:address) "
        "order by coalesce(e.sent_at, e.created_at) desc limit 50"
    )
    bound = {"connection_id": connection_id, "address": address, "before": before}
    return [SentPitch(**row._mapping) for row in connection.execute(statement, bound)]


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
    replied, and bars the address if it is for good; answers by machines are kept and change nothing, but any
    of them proves that an unknown pitch was sent.
    """
    statement = text(
        "insert into pitch_replies (workspace_id, pitch_id, connection_id, gmail_message_id, gmail_thread_id, "
        "from_email, received_at, kind, snippet) values (:workspace_id, :pitch_id, :connection_id, "
        ":gmail_message_id, :gmail_thread_id, :from_email, :received_at, :kind, :snippet) "
        "on conflict (connection_id, gmail_message_id) do nothing"
    )
    values = {name: getattr(reply, name) for name in NewReply.__slots__ if name not in ("is_hard", "source")}
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
    statement = text(
        "insert into suppressions (workspace_id, identity_key, reason, source, created_at) "
        "select p.workspace_id, p.identity_key, 'bounced', :source, :received_at "
        "from pitches p where p.id = :id and p.identity_key <> '' on conflict do nothing"
    )
    bound = {"id": reply.pitch_id, "source": reply.source, "received_at": reply.received_at}
    connection.execute(statement, bound)


def lift_bounces(connection: Connection, workspace_id: UUID, seen: Mapping[str, datetime]) -> int:
    """Take back that mail to these identity keys bounced, where a person wrote from one after it did; how many were
    taken back. Nothing else that bars them is touched."""
    bound = {"workspace_id": workspace_id, "keys": list(seen)}
    barred = text(
        "select identity_key, created_at from suppressions "
        "where workspace_id = :workspace_id and identity_key = any(:keys) and reason = 'bounced'"
    )
    found = connection.execute(barred, bound) if seen else ()
    lifted = [row.identity_key for row in found if row.created_at < seen[row.identity_key]]
    lift = text(
        "delete from suppressions "
        "where workspace_id = :workspace_id and identity_key = any(:keys) and reason = 'bounced'"
    )
    return connection.execute(lift, {**bound, "keys": lifted}).rowcount if lifted else 0
