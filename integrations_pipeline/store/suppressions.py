"""Addresses that must not be mailed or subscribed, whatever becomes of the contact.

Belongs here: statements on `suppressions`, and what they mean to contacts. Does not: who asks (imports and the
sync's creates in `contacts`, pitches in `pitches`). Every function works in the caller's transaction and workspace.

A person is kept opted out by three of the four reasons; `bounced` speaks of an address, not of a wish. What keeps
a person out ends by the person's own later opt-in seen at a provider (`opted_out` only), or by an operator who says
why. The contact's own flag is remembered by a trigger as `opted_out`; where it was set only because of another
reason, it carries that reason's time, and is one with it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.store.sync_log import Activity, record_activity


class Reason(StrEnum):
    OPTED_OUT = "opted_out"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    MANUAL = "manual"


#: The reasons that keep a person opted out.
KEEPING_OUT = (Reason.OPTED_OUT, Reason.COMPLAINED, Reason.MANUAL)
#: The same in SQL, of a suppression `s`.
KEEPS_OUT = f"s.reason in ({', '.join(repr(reason.value) for reason in KEEPING_OUT)})"

#: Of an opt-out `s`: only the contact's flag, set because of another reason.
_IS_REPEATED = (
    "s.reason = 'opted_out' and exists (select from suppressions o where o.workspace_id = s.workspace_id "
    "and o.identity_key = s.identity_key and o.created_at = s.created_at and o.reason in ('complained', 'manual'))"
)
_RECORD = text(
    """
    insert into suppressions (workspace_id, identity_key, reason, source)
    select :workspace_id, given.key, :reason, :source
    from (select distinct integrations_identity_key(k) as key from unnest(cast(:keys as text[])) k) given
    where given.key <> ''
    on conflict do nothing
    returning identity_key
    """
)
_MARK = text(
    f"""
    update workspace_contacts c set email_opt_out = true, email_opt_out_at =
        (select max(s.created_at) from suppressions s where s.workspace_id = c.workspace_id
            and s.identity_key = c.identity_key and {KEEPS_OUT})
    where c.workspace_id = :workspace_id and c.deleted_at is null and not c.email_opt_out
        and c.identity_key = any(:keys)
    """  # noqa: S608 - built from constants only
)
_LIFT = text(
    """
    delete from suppressions s using unnest(cast(:keys as text[]), cast(:times as timestamptz[])) as p(key, opted_in_at)
    where s.workspace_id = :workspace_id and s.identity_key = integrations_identity_key(p.key)
        and s.reason = 'opted_out' and s.created_at < p.opted_in_at
    """
)
_LIFT_OF_CONTACTS = text(
    """
    delete from suppressions s
    using unnest(cast(:ids as uuid[]), cast(:times as timestamptz[])) as p(id, opted_in_at), workspace_contacts c
    where c.id = any(cast(:ids as uuid[])) and c.id = p.id and s.workspace_id = c.workspace_id
        and s.identity_key = c.identity_key and s.reason = 'opted_out'
        and s.created_at < p.opted_in_at
    """
)
_REMOVE = text(
    f"""
    delete from suppressions s where s.workspace_id = :workspace_id
        and s.identity_key = integrations_identity_key(:email) and case when {_IS_REPEATED}
            then not exists (select from suppressions o where o.workspace_id = s.workspace_id
                and o.identity_key = s.identity_key and o.reason in ('complained', 'manual')
                and not o.reason = any(:reasons))
            else s.reason = any(:reasons) end
    returning case when not ({_IS_REPEATED}) then s.reason end
    """  # noqa: S608 - built from constants only
)
_OF_ADDRESS = "workspace_id = :workspace_id and identity_key = integrations_identity_key(:email)"
_CLEAR = text(
    "update workspace_contacts set email_opt_out = false "  # noqa: S608 - built from constants only
    f"where {_OF_ADDRESS} and deleted_at is null and email_opt_out"
)
_ADDRESS = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;:()]+")


def record(connection: Connection, workspace_id: UUID, keys: Collection[str], reason: Reason, source: str) -> int:
    """Suppress these addresses; returns how many were not suppressed for this reason yet.

    A live contact of a person who is to be kept out is marked opted out, so that the next sync tells its
    providers. No keys: no statement; nothing new: nothing is written.
    """
    if not keys:
        return 0
    bound = {"workspace_id": workspace_id, "keys": sorted(keys), "reason": Reason(reason).value, "source": source}
    new = list(connection.execute(_RECORD, bound).scalars())
    if new and reason in KEEPING_OUT:
        connection.execute(_MARK, {"workspace_id": workspace_id, "keys": new})
    return len(new)


def lift_by_opt_in(connection: Connection, workspace_id: UUID, opted_in_at: Mapping[str, datetime]) -> int:
    """Lift the opt-outs of these identity keys that are older than the person's own opt-in at a provider.

    Complaints, bounces and what an operator decided stay. The contact's flag is the caller's: turn it off before
    this, or in the same write (`contacts.update_contacts`). Returns how many were lifted.
    """
    if not opted_in_at:
        return 0
    bound = {"workspace_id": workspace_id, "keys": list(opted_in_at), "times": list(opted_in_at.values())}
    return connection.execute(_LIFT, bound).rowcount


def lift_of_contacts(connection: Connection, opted_in_at: Mapping[str, str]) -> None:
    """The same for contacts by id; the times as texts that Postgres reads, `infinity` for later than anything."""
    if not opted_in_at:
        return
    connection.execute(_LIFT_OF_CONTACTS, {"ids": list(opted_in_at), "times": list(opted_in_at.values())})


def reasons_of(connection: Connection, workspace_id: UUID, emails: Collection[str]) -> frozenset[Reason]:
    """The reasons for which any of these addresses is suppressed."""
    statement = text(
        "select distinct s.reason from suppressions s where s.workspace_id = :workspace_id "  # noqa: S608 - constants
        f"and s.identity_key in (select integrations_identity_key(k) from unnest(cast(:emails as text[])) k) "
        f"and not ({_IS_REPEATED})"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "emails": list(emails)}).scalars()
    return frozenset(map(Reason, found))


def bounced_contact_ids(connection: Connection, workspace_id: UUID) -> frozenset[str]:
    """Live contacts whose address bounced for good. One statement if nobody's did."""
    bound: dict[str, Any] = {"workspace_id": workspace_id}
    keys = text("select identity_key from suppressions where workspace_id = :workspace_id and reason = 'bounced'")
    bound["keys"] = list(connection.execute(keys, bound).scalars())
    if not bound["keys"]:
        return frozenset()
    # One pass over the contacts, the keys hashed: a join could become one pass per key without statistics.
    statement = text(
        "select id::text from workspace_contacts where workspace_id = :workspace_id and deleted_at is null "
        "and identity_key = any(:keys)"
    )
    return frozenset(connection.execute(statement, bound).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Suppressions, newest first; `total` counts also those beyond the limit."""

    rows: list[dict[str, Any]]
    total: int


def list_suppressions(connection: Connection, workspace_id: UUID | None, reason: Reason | None, limit: int) -> Listing:
    """Suppressions of a workspace, or of all that the connection sees."""
    statement = text(
        "select w.slug as workspace, s.identity_key as email, s.reason, s.source, s.created_at, "  # noqa: S608
        "count(*) over () as total from suppressions s join workspaces w on w.id = s.workspace_id "
        "where (cast(:workspace_id as uuid) is null or s.workspace_id = :workspace_id) "
        f"and (cast(:reason as text) is null or s.reason = :reason) and not ({_IS_REPEATED}) "
        "order by s.created_at desc, s.identity_key, s.reason limit :limit"
    )
    bound = {"workspace_id": workspace_id, "reason": reason.value if reason else None, "limit": limit}
    found = [dict(row._mapping) for row in connection.execute(statement, bound)]
    total = found[0]["total"] if found else 0
    return Listing(rows=[{name: row[name] for name in row if name != "total"} for row in found], total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a removal did: the reasons removed, those that still stand, and whether a live contact's opt-out was cleared
    with them."""

    removed: frozenset[Reason]
    standing: frozenset[Reason]
    is_opt_out_cleared: bool = False


def remove(
    connection: Connection, workspace_id: UUID, email: str, reasons: Collection[Reason], because: str
) -> Removal:
    """Remove an address's suppressions for these reasons, and put on record why.

    The opt-out of a live contact with that address goes too, but only when nothing keeps the person out any more:
    the flag alone would be remembered again.
    """
    bound = {"workspace_id": workspace_id, "email": email}
    told = {**bound, "reasons": [Reason(reason).value for reason in reasons]}
    removed = frozenset(Reason(reason) for reason in connection.execute(_REMOVE, told).scalars() if reason)
    standing = reasons_of(connection, workspace_id, [email])
    is_free = bool(removed.intersection(KEEPING_OUT)) and not standing.intersection(KEEPING_OUT)
    is_cleared = is_free and connection.execute(_CLEAR, bound).rowcount > 0
    if removed:
        _put_on_record(connection, workspace_id, email, "suppression_removed", removed, because)
    return Removal(
        removed=removed,
        standing=standing,
        is_opt_out_cleared=is_cleared,
    )


def add(connection: Connection, workspace_id: UUID, email: str, reason: Reason) -> bool:
    """Suppress an address by an operator's word, on record; False if it is suppressed for this reason already."""
    is_new = bool(record(connection, workspace_id, [email], reason, "operator"))
    if is_new:
        _put_on_record(connection, workspace_id, email, "suppression_added", [reason], "")
    return is_new


def _put_on_record(
    connection: Connection, workspace_id: UUID, email: str, action: str, reasons: Collection[Reason], because: str
) -> None:
    told: dict[str, Any] = {"address": masked(email), "reasons": sorted(reason.value for reason in reasons)}
    if because:
        told["because"] = without_addresses(because)
    activity = Activity(
        integration_name="suppressions", action=action, success=True, records_affected=len(reasons), metadata=told
    )
    record_activity(connection, workspace_id, activity)


def without_addresses(words: str) -> str:
    """What a person typed, with every address in it masked."""
    return _ADDRESS.sub(lambda found: masked(found[0]), words)


def masked(email: str) -> str:
    """An address that its owner recognises and nobody else can use: `a…n@example.org`."""
    local, at, domain = email.strip().rpartition("@")
    if not at:
        return "…"
    ends = (local[0], local[-1]) if len(local) > 2 else ("", "")
    return f"{ends[0]}…{ends[1]}@{domain}"
