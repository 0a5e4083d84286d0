"""Links and the base snapshot: what both sides of a connection last agreed, per contact.

Belongs here: statements on `integration_links`. Does not: when the base may advance (`sync.contacts.load`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.model import Normalised
from integrations_pipeline.store.rows import base_columns, dump, from_json, to_json

if TYPE_CHECKING:
    import pandas as pd

_UPSERT = text(
    """
    insert into integration_links
        (connection_id, workspace_id, contact_id, external_id, base, contact_version, base_fingerprint, normalised)
    select :connection_id, :workspace_id, r.contact_id, r.external_id, r.agreed, r.contact_version, r.fingerprint,
        r.normalised
    from jsonb_to_recordset(cast(:rows as jsonb))
        as r(contact_id uuid, external_id text, agreed jsonb, contact_version bigint, fingerprint text,
            normalised jsonb)
    on conflict (connection_id, contact_id) do update set
        external_id = excluded.external_id,
        base = integration_links.base || excluded.base,
        contact_version = coalesce(excluded.contact_version, integration_links.contact_version),
        base_fingerprint = excluded.base_fingerprint,
        normalised = nullif(
            coalesce(integration_links.normalised - array(select jsonb_object_keys(excluded.base)), '{}')
            || coalesce(excluded.normalised, '{}'), '{}')
    where (integration_links.external_id, integration_links.base, integration_links.contact_version) is distinct from
        (excluded.external_id, integration_links.base || excluded.base,
         coalesce(excluded.contact_version, integration_links.contact_version))
        or excluded.normalised is not null
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWrite:
    """Fields newly agreed for one link. `contact_version` None leaves the known version as it is. `fingerprint`: of the
    record with which the base agrees now; without one the next full read looks at the record itself. `normalised`: of
    the agreed fields what the provider holds instead, where it writes the value in its own way."""

    contact_id: str
    external_id: str
    agreed: Mapping[str, str] = field(default_factory=dict)
    contact_version: int | None = None
    fingerprint: str | None = None
    normalised: Mapping[str, str] = field(default_factory=dict)


def read_base(
    connection: Connection,
    connection_id: UUID,
    names: Sequence[str],
    *,
    only: Mapping[str, Collection[str]] | None = None,
) -> "pd.DataFrame":
    """The base as `engine.diff.diff_linked` wants it, ordered by contact id.

    `only` narrows to links with one of the `contact_ids`, `external_ids` or identity keys (`emails`).
    """
    from integrations_pipeline.store.frames import to_frame  # noqa: PLC0415 - pandas is for syncs alone

    columns, bound = base_columns(names)
    chosen, values = _narrow(only)
    statement = text(
        "select l.contact_id::text, l.external_id, coalesce(l.contact_version, -1)"  # noqa: S608
        f"{columns} from integration_links l where l.connection_id = :connection_id {chosen} "
        "order by l.contact_id"
    )
    is_empty = only is not None and not any(only.values())
    given = {"connection_id": connection_id, **bound, **values}
    found = [] if is_empty else connection.execute(statement, given).fetchall()
    frame = to_frame(
        found,
        ["contact_id", "external_id", "contact_version", *names],
        index="contact_id",
        texts=["external_id", *names],
    )
    frame["contact_version"] = frame["contact_version"].astype("int64")
    return frame


def _narrow(only: Mapping[str, Collection[str]] | None) -> tuple[str, dict[str, Any]]:
    if only is None:
        return "", {}
    return (
        "and (l.contact_id = any(cast(:contact_ids as uuid[])) or l.external_id = any(:external_ids) "
        "or l.identity_key = any(:emails))",
        {name: list(only.get(name, ())) for name in ("contact_ids", "external_ids", "emails")},
    )


#: Between ids in one text: none holds it.
SEPARATOR = "\x1e"
#: The beginnings of all fingerprints as one text: a row for each would cost more than everything that is compared.
_KNOWN = text(
    "select coalesce(string_agg(substr(base_fingerprint, 1, 16), ''), '') from integration_links "
    "where connection_id = :connection_id and length(base_fingerprint) = 32"
)
_NOTE = text(
    """
    update integration_links l set base_fingerprint = r.fingerprint
    from unnest(string_to_array(:ids, chr(30)), string_to_array(:fingerprints, chr(30))) as r(id, fingerprint)
    where l.connection_id = :connection_id and l.external_id = r.id
        and l.base_fingerprint is distinct from r.fingerprint
    """
)


def known_fingerprints(connection: Connection, connection_id: UUID) -> str:
    """The first 8 bytes of each link's fingerprint, in hexadecimal, one after the other and in no order."""
    return str(connection.execute(_KNOWN, {"connection_id": connection_id}).scalar_one())


def note_fingerprints(connection: Connection, connection_id: UUID, fingerprints: Mapping[str, str]) -> None:
    """What records look like that were compared with their base and agree with it; where that is known, no row is
    written."""
    if fingerprints:
        connection.execute(_NOTE, {"connection_id": connection_id, **_joined(fingerprints)})


def _joined(fingerprints: Mapping[str, str]) -> dict[str, str]:
    """One text instead of an array: the driver quotes it once."""
    return {"ids": SEPARATOR.join(fingerprints), "fingerprints": SEPARATOR.join(fingerprints.values())}


def linked_in_order(connection: Connection, connection_id: UUID, after: str, count: int) -> list[str]:
    """The next external ids of links, at most so many, by their order."""
    statement = text(
        "select external_id from integration_links where connection_id = :connection_id and external_id > :after "
        "order by external_id limit :count"
    )
    bound = {"connection_id": connection_id, "after": after, "count": count}
    return list(connection.execute(statement, bound).scalars())


def linked_external_ids(connection: Connection, connection_id: UUID) -> list[str]:
    statement = text("select external_id from integration_links where connection_id = :connection_id")
    return list(connection.execute(statement, {"connection_id": connection_id}).scalars())


def contacts_by_record(connection: Connection, connection_id: UUID, external_ids: Sequence[str]) -> dict[str, str]:
    """External id → contact id of those of these records that are linked. One look into the unique index each: of an
    array of ids Postgres may take all links of the connection, while their table has no statistics yet."""
    statement = text(
        "select w.id, l.contact_id::text from unnest(cast(:ids as text[])) as w(id) "
        "cross join lateral (select contact_id from integration_links "
        "where connection_id = :connection_id and external_id = w.id limit 1) l"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "ids": list(external_ids)})
    return {external_id: contact_id for external_id, contact_id in found}


def read_normalised(
    connection: Connection, connection_id: UUID, external_ids: Collection[str] | None = None
) -> dict[str, dict[str, Normalised]]:
    """By external id and field, of all links or of those of these records; most connections have none."""
    statement = text(
        "select external_id, normalised, base from integration_links "
        "where connection_id = :connection_id and normalised is not null "
        "and (cast(:ids as text[]) is null or external_id = any(cast(:ids as text[])))"
    )
    ids = None if external_ids is None else list(external_ids)
    return {
        row.external_id: {
            name: Normalised(held=held, agreed=agreed.get(name, "")) for name, held in from_json(row.normalised).items()
        }
        for row in connection.execute(statement, {"connection_id": connection_id, "ids": ids})
        for agreed in [from_json(row.base)]
    }


def linked_elsewhere(connection: Connection, connection_id: UUID, contact_ids: Collection[str]) -> set[str]:
    """Those of these contacts that another connection has, too."""
    statement = text(
        "select distinct contact_id::text from integration_links "
        "where contact_id = any(cast(:contact_ids as uuid[])) and connection_id <> :connection_id"
    )
    bound = {"connection_id": connection_id, "contact_ids": list(contact_ids)}
    return set(connection.execute(statement, bound).scalars())


def count_links(connection: Connection, connection_id: UUID) -> int:
    statement = text("select count(*) from integration_links where connection_id = :connection_id")
    return int(connection.execute(statement, {"connection_id": connection_id}).scalar_one())


def gone_contact_ids(connection: Connection, workspace_id: UUID, connection_id: UUID) -> list[str]:
    """Linked contacts that the workspace deleted, whether marked or really removed."""
    statement = text(
        "select found.id::text from (select l.contact_id as id from integration_links l "
        "where l.connection_id = :connection_id except all "
        "select c.id from workspace_contacts c where c.workspace_id = :workspace_id and c.deleted_at is null) found"
    )
    bound = {"workspace_id": workspace_id, "connection_id": connection_id}
    return list(connection.execute(statement, bound).scalars())


def upsert_links(connection: Connection, connection_id: UUID, workspace_id: UUID, writes: Sequence[LinkWrite]) -> None:
    """Make links or advance their base by the agreed fields; one that says so already is not written."""
    if writes:
        rows = [
            {
                "contact_id": write.contact_id,
                "external_id": write.external_id,
                "agreed": to_json(write.agreed),
                "contact_version": write.contact_version,
                "fingerprint": write.fingerprint,
                "normalised": to_json(write.normalised) or None,
            }
            for write in writes
        ]
        connection.execute(
            _UPSERT,
            {"connection_id": connection_id, "workspace_id": workspace_id, "rows": dump(rows)},
        )


def forget_fields(
    connection: Connection, connection_id: UUID, names: Sequence[str], external_ids: Sequence[str] | None
) -> None:
    """Drop these fields from the bases of these links (None: of all)."""
    statement = text(
        "update integration_links set base = base - cast(:names as text[]), base_fingerprint = null, "
        "normalised = nullif(normalised - cast(:names as text[]), '{}') "
        "where connection_id = :connection_id "
        "and (cast(:ids as text[]) is null or external_id = any(cast(:ids as text[])))"
    )
    ids = None if external_ids is None else list(external_ids)
    connection.execute(statement, {"connection_id": connection_id, "names": list(names), "ids": ids})


def move_away(connection: Connection, connection_id: UUID, run_id: UUID | None) -> int:
    """Drop all links of a connection, each into the journal first; returns how many."""
    bound = {"connection_id": connection_id, "run_id": run_id}
    connection.execute(
        text(
            "insert into integration_changes (run_id, connection_id, workspace_id, contact_id, external_id, side, "
            "kind, base, state, reason) select :run_id, connection_id, workspace_id, contact_id, external_id, 'local', "
            "'unlink', base, 'applied', 'moved to another place at the provider, as a person approved' "
            "from integration_links where connection_id = :connection_id"
        ),
        bound,
    )
    gone = text("delete from integration_links where connection_id = :connection_id")
    return connection.execute(gone, bound).rowcount


def delete_links(connection: Connection, connection_id: UUID, contact_ids: Sequence[str]) -> None:
    statement = text(
        "delete from integration_links where connection_id = :connection_id "
        "and contact_id = any(cast(:contact_ids as uuid[]))"
    )
    if contact_ids:
        connection.execute(statement, {"connection_id": connection_id, "contact_ids": list(contact_ids)})
