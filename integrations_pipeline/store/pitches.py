"""Pitches: who is to be mailed what, when, and what became of it.

Belongs here: statements on `pitches`, and what must be true before one is sent. Does not: the ledger of sendings
(`sendings`), replies (`replies`), deciding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store.faults import said

#: What keeps a suppressed address from being mailed, in words, by the column `reason`; the first one counts.
_BARS = {
    "opted_out": "the person opted out",
    "complained": "the person complained about mail",
    "bounced": "mail to this address bounced",
    "manual": "the address is suppressed: `integrations suppressions list` shows it",
}
_ORDER = ", ".join(f"'{name}'" for name in _BARS)
_WORDS = " ".join(f"when '{name}' then '{words}'" for name, words in _BARS.items())
#: Of the suppressions `s`, the one that counts, in words.
BAR = f"(array_agg(case s.reason {_WORDS} end order by array_position(array[{_ORDER}], s.reason)))[1]"
#: What keeps a pitch from being sent, asked anew before every step that leads to a send: the suppressions of its
#: address, and the contact it was written for, whatever address that one has by now.
REASON = f"""
    coalesce(
        (select '{_BARS["opted_out"]}' from workspace_contacts o
            where o.id = p.contact_id and o.workspace_id = p.workspace_id and o.email_opt_out),
        (select {BAR} from suppressions s
            where s.workspace_id = p.workspace_id and s.identity_key = p.identity_key),
        '')
"""  # noqa: S608 - built from constants only
#: What the e-mail is made of: a draft of something else must not be sent.
CONTENT = "md5(concat_ws(chr(31), p.to_email, p.subject, p.body, p.in_reply_to_pitch_id::text))"
#: A text as a reader sees it: programs end lines in their own ways, and leave blanks.
_READ = r"btrim(regexp_replace({}, '\s+', ' ', 'g'))"
#: Another pitch by which the same person got, or is getting, the same text, unless somebody said that it may be so.
_TWIN = f"""
    (select t.id from pitches t where not p.is_repeat and t.workspace_id = p.workspace_id and t.id <> p.id
        and t.identity_key = p.identity_key
        and t.status in ('sending', 'sent', 'replied', 'unknown')
        and {_READ.format("t.subject")} = {_READ.format("p.subject")}
        and {_READ.format("t.body")} = {_READ.format("p.body")}
        and t.in_reply_to_pitch_id is not distinct from p.in_reply_to_pitch_id limit 1)
"""  # noqa: S608 - built from constants only
_PITCH = f"""
    p.id, p.to_email, p.subject, p.body, p.in_reply_to_pitch_id, p.status, p.error_message,
    (select c.name from workspace_contacts c where c.id = p.contact_id and c.workspace_id = p.workspace_id) to_name,
    {REASON} unwilling, {_TWIN} twin
"""  # noqa: S608 - built from constants only
IS_TIME = "(p.scheduled_at is null or p.scheduled_at <= :now)"
#: Rows may come with any time of their last edit; one that is still to come, clocks aside, says nothing of an edit, and
#: waiting for it would never end.
_TO_COME = "now() + interval '1 hour'"
#: The person's contact, too, must have been left alone for the settle time. Asked among the contacts that were edited
#: lately, which an index tells: one by id, then one by e-mail, since a plan can hash each but not both at once.
_EDITED = f"""select from workspace_contacts c where c.workspace_id = p.workspace_id
        and c.updated_at > now() - make_interval(secs => :settle) and c.updated_at < {_TO_COME}"""
IS_SETTLED = f"""
    (:settle = 0 or (not exists ({_EDITED} and c.id = p.contact_id)
        and not exists ({_EDITED} and c.identity_key = p.identity_key)))
"""
#: Queued, its time has come, left alone for the settle time, and never sent: who sets a pitch that went out back to
#: `queued` does not make it go out twice.
IS_DUE = f"""
    p.status = 'queued' and p.sent_at is null and {IS_TIME} and {IS_SETTLED}
    and (:settle = 0 or p.updated_at <= now() - make_interval(secs => :settle) or p.updated_at >= {_TO_COME})
    and not exists (select from pitch_emails e where e.pitch_id = p.id and e.state <> 'unsent')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PitchRow:
    """A pitch that may be sent; `unwilling` is why its person must not be mailed, or ""; `twin` another pitch that
    says the same to the same person."""

    id: UUID
    to_email: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    in_reply_to_pitch_id: UUID | None
    status: str
    error_message: str | None
    to_name: str | None = field(repr=False)
    unwilling: str
    twin: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRules:
    """What decides whether it is time: `now` by the run's clock, and the connection's settle time."""

    now: datetime
    settle_seconds: int

    @property
    def bound(self) -> dict[str, Any]:
        return {"now": self.now, "settle": self.settle_seconds}


def due_pitches(connection: Connection, workspace_id: UUID, rules: SendRules, limit: int) -> list[PitchRow]:
    """Queued pitches whose time has come, oldest first; those edited less than the settle time ago, or whose
    contact was, wait."""
    statement = text(
        f"select {_PITCH} from pitches p where p.workspace_id = :workspace_id and {IS_DUE} "  # noqa: S608
        "order by coalesce(p.scheduled_at, p.created_at), p.in_reply_to_pitch_id is not null, p.id limit :limit"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "limit": limit, **rules.bound})
    return [PitchRow(**row._mapping) for row in found]


def mend_requeued(connection: Connection, workspace_id: UUID) -> int:
    """Give pitches that went out, or may have, and that somebody queued again, their status back."""
    statement = text(
        "update pitches p set status = case when p.replied_at is not null then 'replied' "
        "when exists (select from pitch_replies r where r.pitch_id = p.id and r.kind = 'bounce') then 'bounced' "
        "when p.sent_at is null and not exists (select from pitch_emails e where e.pitch_id = p.id "
        "and e.state = 'sent') then 'unknown' else 'sent' end, "
        "error_message = 'it was queued again, but it went out before or may have: make a new pitch to write again' "
        "where p.workspace_id = :workspace_id and p.status = 'queued' and (p.sent_at is not null "
        "or exists (select from pitch_emails e where e.pitch_id = p.id and e.state in ('sent', 'unknown')))"
    )
    return connection.execute(statement, {"workspace_id": workspace_id}).rowcount


def read_pitch(connection: Connection, pitch_id: UUID) -> PitchRow | None:
    """A pitch as it is now."""
    statement = text(f"select {_PITCH} from pitches p where p.id = :id")  # noqa: S608 - constants only
    row = connection.execute(statement, {"id": pitch_id}).one_or_none()
    return PitchRow(**row._mapping) if row else None


def record_pitch(connection: Connection, pitch_id: UUID, status: str, message: str | None, **values: Any) -> None:
    """Set a pitch's status and what a person reads about it, and `sent_at` where it went out. What came back tells
    more than any of that: `replied` and `bounced` stay."""
    statement = text(
        "update pitches set sent_at = coalesce(cast(:sent_at as timestamptz), sent_at), "
        "status = case when status in ('replied', 'bounced') then status else :status end, "
        "error_message = case when status in ('replied', 'bounced') then error_message else :message end where id = :id"
    )
    bound = {"id": pitch_id, "status": status, "message": message, "sent_at": values.get("sent_at")}
    connection.execute(statement, bound)


def explain(connection: Connection, pitch_id: UUID, message: str) -> None:
    """Say on a pitch that is under way what it waits for."""
    statement = text("update pitches set error_message = :message where id = :id and status = 'sending'")
    connection.execute(statement, {"id": pitch_id, "message": message})


def forgotten(connection: Connection, workspace_id: UUID) -> list[PitchRow]:
    """Pitches under way that have no ledger row any more."""
    statement = text(
        f"select {_PITCH} from pitches p where p.workspace_id = :workspace_id and p.status = 'sending' "  # noqa: S608
        "and not exists (select from pitch_emails e where e.pitch_id = p.id)"
    )
    return [PitchRow(**row._mapping) for row in connection.execute(statement, {"workspace_id": workspace_id})]


def oldest_open(connection: Connection, workspace_id: UUID) -> datetime | None:
    """Since when there are pitches that may have left without anybody here knowing it; None if there are none."""
    statement = text(
        "select min(created_at) from pitches where workspace_id = :workspace_id "
        "and status in ('queued', 'sending', 'unknown')"
    )
    found: datetime | None = connection.execute(statement, {"workspace_id": workspace_id}).scalar()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRow:
    """The e-mail that a pitch answers. `subject`: of the pitch that began the thread. `references`: Message-IDs of
    what that e-mail itself answered, oldest first. `is_circle`: the pitch answers itself in the end."""

    status: str
    subject: str
    gmail_message_id: str | None
    gmail_thread_id: str | None
    rfc822_message_id: str | None
    references: Sequence[str]
    is_circle: bool


def read_parent(connection: Connection, pitch_id: UUID) -> ParentRow | None:
    """The parent of a pitch, with all that came before it; None for a pitch that answers nothing."""
    statement = text(
        "with recursive line as (select p.id, p.in_reply_to_pitch_id parent, 0 depth, array[p.id] path, "
        "false is_circle from pitches p where p.id = :id union all "
        "select p.id, p.in_reply_to_pitch_id, l.depth + 1, l.path || p.id, p.id = any(l.path) "
        "from line l join pitches p on p.id = l.parent where not l.is_circle) "
        "select l.is_circle, p.status, p.subject, e.gmail_message_id, e.gmail_thread_id, e.rfc822_message_id "
        "from line l join pitches p on p.id = l.id left join lateral (select * from pitch_emails e "
        "where e.pitch_id = l.id and e.state = 'sent' order by e.attempt desc limit 1) e on true "
        "where l.depth > 0 order by l.depth"
    )
    rows = connection.execute(statement, {"id": pitch_id}).all()
    if not rows:
        return None
    earlier = [row.rfc822_message_id for row in reversed(rows[1:]) if row.rfc822_message_id]
    parent = {**rows[0]._mapping, "subject": rows[-1].subject, "is_circle": any(row.is_circle for row in rows)}
    return ParentRow(**parent, references=earlier)


def add_pitches(connection: Connection, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Insert pitches (`to_email`, `subject`, `body`, `status`, optional `scheduled_at`,
    `in_reply_to_pitch_id`); the contact is found by its e-mail. Returns their ids in order. `ConfigurationError`,
    with nothing inserted, for one that the table refuses."""
    known = _contacts_of(connection, workspace_id, [str(row["to_email"]) for row in rows])
    statement = text(
        "insert into pitches (workspace_id, contact_id, to_email, subject, body, status, scheduled_at, "
        "in_reply_to_pitch_id) values (:workspace_id, cast(:contact_id as uuid), "
        ":to_email, :subject, :body, :status, cast(:scheduled_at as timestamptz), "
        "cast(:in_reply_to_pitch_id as uuid)) returning id::text"
    )
    blank = {"subject": "", "body": "", "status": "queued", "scheduled_at": None, "in_reply_to_pitch_id": None}
    ids = []
    for number, row in enumerate(rows, 1):
        given = {**blank, **row, "contact_id": known.get(str(row["to_email"])), "workspace_id": workspace_id}
        try:
            ids.append(str(connection.execute(statement, given).scalar_one()))
        except IntegrityError as error:
            raise ConfigurationError(f"pitch {number} of {len(rows)}: {_refusal(error)}; none was queued") from error
    return ids


def requeue(connection: Connection, workspace_id: UUID, pitch_id: UUID, fields: Mapping[str, str]) -> None:
    """Queue a pitch that nobody has taken up, with these fields; those that are missing are empty. `ConfigurationError`
    for what the table refuses."""
    statement = text(
        "update pitches set status = 'queued', error_message = null, to_email = :to_email, subject = :subject, "
        "body = :body, scheduled_at = cast(:scheduled_at as timestamptz), "
        "in_reply_to_pitch_id = cast(:in_reply_to_pitch_id as uuid), "
        "contact_id = case when to_email = :to_email then contact_id else cast(:contact_id as uuid) end "
        "where id = :id and workspace_id = :workspace_id and status in ('draft', 'queued')"
    )
    blank = {"subject": "", "body": "", "scheduled_at": None, "in_reply_to_pitch_id": None}
    known = _contacts_of(connection, workspace_id, [fields["to_email"]])
    given = {**blank, **fields, "contact_id": known.get(fields["to_email"]), "workspace_id": workspace_id}
    try:
        connection.execute(statement, {**given, "id": pitch_id})
    except IntegrityError as error:
        raise ConfigurationError(_refusal(error)) from error


def _refusal(error: IntegrityError) -> str:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint == "pitches_in_reply_to":
        return "in_reply_to_pitch_id is none of this workspace's pitches"
    return "scheduled_at is not between the years 2 and 9999" if constraint == "pitches_scheduled_at" else said(error)


def _contacts_of(connection: Connection, workspace_id: UUID, emails: Sequence[str]) -> dict[str, str]:
    """The live contact of each of these addresses, in one look at the contacts."""
    statement = text(
        "select w.email, min(c.id::text) from unnest(cast(:emails as text[])) w(email) join workspace_contacts c "
        "on c.workspace_id = :workspace_id and c.deleted_at is null "
        "and c.identity_key = integrations_identity_key(w.email) group by w.email"
    )
    bound = {"workspace_id": workspace_id, "emails": sorted(set(emails))}
    return {row[0]: row[1] for row in connection.execute(statement, bound)} if emails else {}


def list_pitches(
    connection: Connection, workspace_id: UUID, statuses: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Pitches, newest first, with their last sending; no statuses means all."""
    statement = text(
        "select p.id::text, p.to_email, p.subject, p.status, p.scheduled_at, p.sent_at, p.replied_at, "
        "p.error_message, e.state email_state, e.rfc822_message_id, e.gmail_thread_id, e.attempt, "
        "(select count(*) from pitch_replies r where r.pitch_id = p.id and r.kind = 'reply') replies "
        "from pitches p left join lateral (select * from pitch_emails e where e.pitch_id = p.id "
        "order by e.attempt desc limit 1) e on true where p.workspace_id = :workspace_id "
        "and (cardinality(cast(:statuses as text[])) = 0 or p.status = any(:statuses)) "
        "order by p.created_at desc, p.id limit :limit"
    )
    bound = {"workspace_id": workspace_id, "statuses": list(statuses), "limit": limit}
    return [dict(row._mapping) for row in connection.execute(statement, bound)]


def change_status(connection: Connection, pitch_id: UUID, from_statuses: Sequence[str], status: str) -> bool:
    """Move a pitch by a person's word if it is in one of these statuses; whether it was."""
    statement = text(
        "update pitches set status = :status, error_message = null where id = :id and status = any(:from_statuses)"
    )
    bound = {"id": pitch_id, "status": status, "from_statuses": list(from_statuses)}
    return bool(connection.execute(statement, bound).rowcount)


def retry_failed(
    connection: Connection, workspace_id: UUID, pitch_ids: Sequence[UUID] | None, *, is_repeat: bool = False
) -> list[str]:
    """Queue failed pitches again, all of them or these; the ids of those that were. Never one that went out or may
    have: its ledger must say of every sending that nothing did. `is_repeat`: their persons may get a text again."""
    statement = text(
        "update pitches p set status = 'queued', error_message = null, is_repeat = p.is_repeat or :is_repeat "
        "where p.workspace_id = :workspace_id and p.status = 'failed' and p.sent_at is null "
        "and (cast(:ids as uuid[]) is null or p.id = any(cast(:ids as uuid[]))) "
        "and not exists (select from pitch_emails e where e.pitch_id = p.id and e.state <> 'unsent') "
        "returning p.id::text"
    )
    ids = None if pitch_ids is None else [str(each) for each in pitch_ids]
    bound = {"workspace_id": workspace_id, "ids": ids, "is_repeat": is_repeat}
    return sorted(connection.execute(statement, bound).scalars())


def resolve_unknown(connection: Connection, pitch_id: UUID, *, was_sent: bool) -> bool:
    """A person says what became of an unknown pitch. Not sent: it is queued again, with a new ledger row."""
    state, status = ("sent", "sent") if was_sent else ("unsent", "queued")
    if not change_status(connection, pitch_id, ["unknown"], status):
        return False
    statement = text(
        'update pitch_emails set state = :state, evidence = evidence || \'{"resolved_by": "a person"}\' '
        "where pitch_id = :id and state = 'unknown'"
    )
    connection.execute(statement, {"id": pitch_id, "state": state})
    return True


def wake_for_next(connection: Connection, connection_id: UUID, workspace_id: UUID) -> None:
    """Make the mailbox due when its next scheduled pitch is, if that is before its next sync."""
    statement = text(
        "update integration_connections c set next_sync_at = p.at from (select min(scheduled_at) at from pitches "
        "where workspace_id = :workspace_id and status = 'queued' and scheduled_at > clock_timestamp()) p "
        "where c.id = :id and c.next_sync_at > p.at"
    )
    connection.execute(statement, {"id": connection_id, "workspace_id": workspace_id})
