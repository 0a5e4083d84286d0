"""People who come from a provider: contact, link and journal row of each, by one statement.

Belongs here: that statement, whose values are sent and parsed once. Does not: contacts that come back (`contacts`),
links of those that were there (`links`), any other change (`changes`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from integrations_pipeline.model import Change, Side
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.contact_statements import NEW
from integrations_pipeline.store.contacts import insert_rows
from integrations_pipeline.store.rows import to_json, to_patch

#: `after` is told where it is not what the contact is made of; `rest` is what is agreed beyond it. One who is kept out
#: against the record's word is linked with the version before, so that it counts as an edit for the other side.
_ARRIVE = text(
    f"""
    with given as materialized (
        select r.id, r.patch, integrations_identity_key(r.patch ->> 'email') as key, r.change_id, r.external_id,
            r.fingerprint, r.reason, coalesce(r.after, r.patch) as after,
            coalesce(r.after, r.patch) || coalesce(r.rest, '{{}}') as agreed
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, patch jsonb, change_id uuid, external_id text,
            fingerprint text, reason text, after jsonb, rest jsonb)
    ), made as ({NEW}), linked as (
        insert into integration_links
            (connection_id, workspace_id, contact_id, external_id, base, identity_key, contact_version,
             base_fingerprint)
        select :connection_id, :workspace_id, p.id, p.external_id, p.agreed,
            integrations_identity_key(p.agreed ->> 'email'),
            m.version - (m.email_opt_out and (p.patch ->> 'email_opt_out') is distinct from 'true')::integer,
            p.fingerprint
        from made m join given p using (id)
    ), told as (
        insert into integration_changes (id, run_id, plan_id, sync_log_id, connection_id, workspace_id, contact_id,
            external_id, side, kind, before, after, base, state, reason)
        select p.change_id, :run_id, :plan_id, :sync_log_id, :connection_id, :workspace_id, p.id,
            p.external_id, 'local', 'create', '{{}}', p.after, '{{}}', 'applied', p.reason
        from made m join given p using (id)
    )
    select id::text, version, email_opt_out from made
    """  # noqa: S608 - built from constants only
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A create in the workspace of somebody who never was there, under the contact's new id; with the fingerprint of
    the record if nothing is left to sync of it."""

    contact_id: str
    change: Change
    fingerprint: str | None = None


def make_contacts(connection: Connection, scope: JournalScope, arrivals: Sequence[Arrival]) -> dict[str, int]:
    """Contact id → version of those made, which are linked and in the journal as applied. Nothing is written of the
    others, whose e-mail somebody has by now or whose values no table takes."""
    bound = {
        "connection_id": scope.connection_id,
        "workspace_id": scope.workspace_id,
        "run_id": scope.run_id,
        "plan_id": scope.plan_id,
        "sync_log_id": (scope.log_ids or {}).get(Side.LOCAL),
    }
    return insert_rows(connection, _ARRIVE, [_row(arrival) for arrival in arrivals], bound)


def _row(arrival: Arrival) -> dict[str, Any]:
    change = arrival.change
    after, patch = to_json(change.after), to_patch(change.after)
    row = {
        "id": arrival.contact_id,
        "patch": patch,
        "change_id": change.id,
        "external_id": change.external_id,
        "fingerprint": arrival.fingerprint,
    }
    if change.reason:
        row["reason"] = change.reason
    if after != patch:
        row["after"] = after
    if change.agreed != change.after:
        row["rest"] = to_json({name: value for name, value in change.agreed.items() if change.after.get(name) != value})
    return row
