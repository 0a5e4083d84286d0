"""The ledger of sendings: how far each e-mail of a pitch has come.

A row of `pitch_emails` is written before the provider hears of a pitch, and follows it:

    claimed → drafted → sending → sent
       └─────────┴─────────┴────→ unsent (proof that nothing went out) or unknown (a person decides)

Belongs here: statements on `pitch_emails`, and taking pitches out of the queue. Does not: pitches themselves
(`pitches`), deciding. A transaction that touches both tables touches the pitch first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.store.pitches import (
    BAR,
    CONTENT,
    IS_DUE,
    IS_SETTLED,
    IS_TIME,
    REASON,
    PitchRow,
    SendRules,
    read_pitch,
    record_pitch,
)
from integrations_pipeline.store.rows import dump


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailRow:
    """One sending in the ledger. `was_tried`: a request to send its draft may have gone out. `position`: where the
    mailbox was before it had a draft. `was_missed`: its message was not there when its Message-ID was asked for."""

    id: UUID
    pitch_id: UUID
    state: str
    attempt: int
    draft_id: str | None
    gmail_message_id: str | None
    gmail_thread_id: str | None
    rfc822_message_id: str | None
    created_at: datetime
    was_tried: bool
    was_missed: bool
    position: str


_EMAIL = (
    "id, pitch_id, state, attempt, draft_id, gmail_message_id, gmail_thread_id, rfc822_message_id, created_at, "
    "evidence ->> 'tried' is not null was_tried, evidence ->> 'missed' is not null was_missed, "
    "coalesce(evidence ->> 'position', '') \"position\""
)
#: How long after each look in vain an unknown pitch is looked for once more, until it is a week old.
_LOOKS = "cast(array['1 hour', '4 hours', '1 day', '2 days', '4 days'] as interval[])"


def claim(
    connection: Connection, connection_id: UUID, pitch_id: UUID, rules: SendRules, position: str = ""
) -> tuple[EmailRow, PitchRow] | None:
    """Take a pitch that is due: from here on nobody else sends it. Returned as it is now; None if somebody else
    took it, it is not due any more, or the connection is gone. `position`: where the mailbox is."""
    there = text("select from integration_connections where id = :id for key share")
    if not connection.execute(there, {"id": connection_id}).rowcount:
        return None
    taken = text(
        "update pitches p set status = 'sending', error_message = null "  # noqa: S608 - constants only
        f"where p.id = :id and {IS_DUE} returning {CONTENT}"
    )
    content = connection.execute(taken, {"id": pitch_id, **rules.bound}).scalar()
    pitch = read_pitch(connection, pitch_id) if content else None
    if pitch is None:
        return None
    statement = text(
        "insert into pitch_emails (pitch_id, connection_id, attempt, state, evidence) values (:pitch_id, "  # noqa: S608
        ":connection_id, 1 + coalesce((select max(attempt) from pitch_emails where pitch_id = :pitch_id), 0), "
        "'claimed', jsonb_build_object('content', cast(:content as text), 'position', cast(:position as text))) "
        f"returning {_EMAIL}"
    )
    bound = {"pitch_id": pitch_id, "connection_id": connection_id, "content": content, "position": position}
    return EmailRow(**connection.execute(statement, bound).one()._mapping), pitch


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOff:
    """Why a draft must not be sent. `status`: what becomes of the pitch; "" leaves it as it is. Not `is_ours`:
    another worker has gone on with it."""

    reason: str
    status: str = ""
    is_ours: bool = True


def begin_send(connection: Connection, row: EmailRow, rules: SendRules, spellings: Sequence[str]) -> CallOff | None:
    """The last look before the one request that sends: moves the ledger to `sending`, or tells why nothing must be
    sent, with nothing moved. The pitch is locked: a cancel waits or comes first. `spellings`: further forms of the
    recipient's address under which a person may have opted out."""
    connection.execute(text("select from pitches where id = :id for update"), {"id": row.pitch_id})
    statement = text(
        f"select p.status, {REASON} unwilling, {IS_TIME} is_time, {IS_SETTLED} is_settled, e.state, e.draft_id, "  # noqa: S608
        f"e.id email_id, coalesce(e.evidence ->> 'content', {CONTENT}) = {CONTENT} is_same, "
        f"(select {BAR} from suppressions s where s.workspace_id = p.workspace_id "
        "and s.identity_key = any(:spellings)) unwilling_too "
        "from pitches p left join pitch_emails e on e.pitch_id = p.id and e.id = :email_id where p.id = :id"
    )
    bound = {"id": row.pitch_id, "email_id": row.id, "spellings": list(spellings), **rules.bound}
    found = connection.execute(statement, bound).one_or_none()
    off = CallOff(reason="the pitch was deleted") if found is None else _why_not(found._asdict(), row)
    if off is None:
        record_email(connection, row.id, "sending", evidence={"tried": True, "tried_at": rules.now.isoformat()})
    return off


def _why_not(now: Mapping[str, Any], row: EmailRow) -> CallOff | None:
    if now["email_id"] is None:
        return CallOff(reason="the connection was removed", status="queued")
    if (now["state"], now["draft_id"]) != ("drafted", row.draft_id):
        return CallOff(reason="another run has gone on with it", is_ours=False)
    if now["status"] != "sending":
        return CallOff(reason=f"the pitch was {now['status']} meanwhile")
    if now["unwilling"] or now["unwilling_too"]:
        return CallOff(reason=now["unwilling"] or now["unwilling_too"], status="cancelled")
    if not now["is_same"]:
        return CallOff(reason="it was edited meanwhile", status="queued")
    if not now["is_time"] or not now["is_settled"]:
        return CallOff(reason="its time, or its contact, was edited meanwhile", status="queued")
    return None


def record_email(
    connection: Connection, email_id: UUID, state: str, *, only_from: Sequence[str] = (), **values: Any
) -> bool:
    """Move a ledger row, from these states only if any are named; whether it was moved. `values` are columns to
    set, `evidence` is merged into what is known."""
    known = {"draft_id", "gmail_message_id", "gmail_thread_id", "rfc822_message_id", "sent_at"}
    names = sorted(values.keys() & known)
    sets = "".join(f", {name} = :{name}" for name in names)
    statement = text(
        f"update pitch_emails set state = :state{sets}, "  # noqa: S608 - names from the set above
        "evidence = evidence || cast(:evidence as jsonb) where id = :id "
        "and (cardinality(cast(:only_from as text[])) = 0 or state = any(:only_from))"
    )
    bound = {name: values[name] for name in names} | {"only_from": list(only_from)}
    evidence = dump(values.get("evidence") or {})
    return bool(connection.execute(statement, {"id": email_id, "state": state, "evidence": evidence, **bound}).rowcount)


def unfinished(connection: Connection, connection_id: UUID) -> list[EmailRow]:
    """Sendings that an earlier run left open, those whose Message-ID was not read back yet, and, ever more seldom for
    a week, those that nobody could say anything about, oldest first."""
    statement = text(
        f"select {_EMAIL} from pitch_emails where connection_id = :connection_id "  # noqa: S608
        "and (state in ('claimed', 'drafted', 'sending') "
        "or (state = 'unknown' and created_at > now() - interval '7 days' "
        "and coalesce(cast(evidence ->> 'look_at' as timestamptz), created_at) <= now()) "
        "or (state = 'sent' and rfc822_message_id is null and gmail_message_id is not null)) order by created_at, id"
    )
    return [EmailRow(**row._mapping) for row in connection.execute(statement, {"connection_id": connection_id})]


def reopen(connection: Connection, connection_id: UUID, pitch_id: UUID) -> EmailRow:
    """A new ledger row, still of no use, for a pitch whose own are gone: to be moved in the same transaction."""
    statement = text(
        "insert into pitch_emails (pitch_id, connection_id, state, evidence) values (:pitch_id, :connection_id, "  # noqa: S608
        f"'unknown', '{{\"ledger\": \"lost\"}}') returning {_EMAIL}"
    )
    row = connection.execute(statement, {"pitch_id": pitch_id, "connection_id": connection_id}).one()
    return EmailRow(**row._mapping)


def note_look(connection: Connection, email_id: UUID) -> None:
    """An unknown pitch was looked for in vain."""
    statement = text(
        "update pitch_emails set evidence = evidence || jsonb_build_object("  # noqa: S608 - constants only
        "'looks', coalesce(cast(evidence ->> 'looks' as integer), 0) + 1, 'look_at', coalesce(now() + "
        f"({_LOOKS})[1 + coalesce(cast(evidence ->> 'looks' as integer), 0)], 'infinity')) "
        "where id = :id and state = 'unknown'"
    )
    connection.execute(statement, {"id": email_id})


def note_doubt(connection: Connection, email_id: UUID) -> None:
    """A draft may have been made, or may yet be, of which nobody told us the id."""
    statement = text(
        "update pitch_emails set evidence = evidence || jsonb_build_object('doubtful_draft', now()) where id = :id"
    )
    connection.execute(statement, {"id": email_id})


def in_doubt(connection: Connection, connection_id: UUID) -> list[EmailRow]:
    """Sendings of the last day for which there may be a draft too many, oldest first; not while their pitch is getting
    another one."""
    statement = text(
        f"select {_EMAIL} from pitch_emails d where connection_id = :connection_id "  # noqa: S608
        "and evidence ? 'doubtful_draft' and state in ('sent', 'unsent') "
        "and cast(evidence ->> 'doubtful_draft' as timestamptz) > now() - interval '1 day' "
        "and not exists (select from pitch_emails c where c.pitch_id = d.pitch_id and c.state = 'claimed') "
        "order by created_at, id"
    )
    return [EmailRow(**row._mapping) for row in connection.execute(statement, {"connection_id": connection_id})]


def settle_doubts(connection: Connection, email_ids: Sequence[UUID], position: str) -> None:
    """They were looked for up to this position. Of an hour ago, they are in doubt no more: whatever was under way has
    arrived by now."""
    over = "cast(evidence ->> 'doubtful_draft' as timestamptz) < now() - interval '1 hour'"
    statement = text(
        f"update pitch_emails set evidence = case when {over} then evidence - 'doubtful_draft' "  # noqa: S608
        "else evidence || jsonb_build_object('position', cast(:position as text)) end "
        f"where id = any(:ids) and ({over} or (:position <> '' and evidence ->> 'position' <> :position))"
    )
    connection.execute(statement, {"ids": list(email_ids), "position": position})


def live_drafts(connection: Connection, pitch_ids: Sequence[UUID]) -> set[str]:
    """The drafts of these pitches that are to be sent, or may have been."""
    statement = text(
        "select draft_id from pitch_emails where pitch_id = any(:ids) and draft_id is not null "
        "and state in ('drafted', 'sending', 'unknown')"
    )
    return set(connection.execute(statement, {"ids": list(pitch_ids)}).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Where what was sent for a pitch may be: `threads` of its drafts, the latest first; `known`: messages to the same
    person that are other pitches."""

    threads: Sequence[str]
    known: frozenset[str]


def traces_of(connection: Connection, pitch_id: UUID) -> Traces:
    statement = text(
        "select e.pitch_id = p.id is_own, e.gmail_thread_id, e.gmail_message_id from pitches p "
        "join pitches o on o.workspace_id = p.workspace_id and o.identity_key = p.identity_key "
        "join pitch_emails e on e.pitch_id = o.id where p.id = :id order by e.attempt desc"
    )
    rows = connection.execute(statement, {"id": pitch_id}).all()
    threads = dict.fromkeys(row.gmail_thread_id for row in rows if row.is_own and row.gmail_thread_id)
    known = {row.gmail_message_id for row in rows if not row.is_own and row.gmail_message_id}
    return Traces(threads=list(threads), known=frozenset(known))


def sent_in_last_day(connection: Connection, connection_id: UUID) -> int:
    """E-mails of this connection that went out, or may have, within 24 hours."""
    # What was sent was touched since, but for an hour between two clocks; that bound is what an index serves. When it
    # was touched last says nothing more: what is unknown is looked for, and touched, for a week.
    statement = text(
        "select count(*) from pitch_emails where connection_id = :connection_id "
        "and state in ('sending', 'sent', 'unknown') and updated_at > now() - interval '25 hours' "
        "and coalesce(sent_at, cast(evidence ->> 'tried_at' as timestamptz), created_at) > now() - interval '24 hours'"
    )
    return int(connection.execute(statement, {"connection_id": connection_id}).scalar_one())


def limited_until(connection: Connection, connection_id: UUID) -> datetime | None:
    """Until when the provider said that it takes no more mail, as far as pitches under way know."""
    statement = text(
        "select max(cast(evidence ->> 'limited_until' as timestamptz)) from pitch_emails "
        "where connection_id = :connection_id and state in ('claimed', 'drafted', 'sending')"
    )
    found: datetime | None = connection.execute(statement, {"connection_id": connection_id}).scalar()
    return found


def adopt_sent(connection: Connection, connection_id: UUID, pitch_id: UUID, values: Mapping[str, Any]) -> None:
    """Record a message found in the mailbox for a pitch that the ledger does not know as sent. `values`: columns of the
    ledger, and `remark`, what a person should know."""
    known = connection.execute(
        text("select id from pitch_emails where pitch_id = :pitch_id order by attempt desc limit 1"),
        {"pitch_id": pitch_id},
    ).scalar()
    if known is None:
        known = connection.execute(
            text(
                "insert into pitch_emails (pitch_id, connection_id, state) "
                "values (:pitch_id, :connection_id, 'claimed') returning id"
            ),
            {"pitch_id": pitch_id, "connection_id": connection_id},
        ).scalar_one()
    record_pitch(connection, pitch_id, "sent", values.get("remark"), sent_at=values.get("sent_at"))
    record_email(connection, known, "sent", **values)
