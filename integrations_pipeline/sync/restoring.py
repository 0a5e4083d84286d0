"""The losing value of a decided conflict, written to the contact here; the next sync carries it to the other side.

Belongs here: whether that is still what the person means, and the write. Does not: the journal's rows
(`store.conflicts`), carrying it over (a run).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from integrations_pipeline.engine.canonical import is_same
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import MappedField, Side, is_contact_field
from integrations_pipeline.store.conflicts import PastConflict, read_past
from integrations_pipeline.store.contacts import ContactWrite, read_contacts, update_contacts
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.suppressions import without_addresses
from integrations_pipeline.store.sync_log import Activity, record_activity

_LOOK = "`integrations conflicts list --all` shows them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    contact_id: str
    provider: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """Which conflict, whole or of one field; who asks, and why."""

    change_id: UUID
    by: str
    field_name: str | None = None
    because: str = ""


def restore_loser(connection: Connection, workspace_id: UUID, request: RestoreRequest) -> Restored:
    """Write the value that lost, on record. `ConfigurationError`, with nothing done, if there is none, if the contact
    is gone, or if it was changed since in one of the fields."""
    past = read_past(connection, request.change_id)
    if past is None:
        raise ConfigurationError(f"no decided conflict has this id (any more): {_LOOK}")
    winner, wanted = _wanted(past, request.field_name)
    contact_id = past.contact_id or ""
    frame = read_contacts(connection, workspace_id, list(wanted), [contact_id] if contact_id else [])
    if frame.empty:
        raise ConfigurationError("the contact of this conflict is deleted: nothing was done")
    row = frame.iloc[0]
    _require_unchanged(past, winner, {name: str(row[name]) for name in wanted})
    lost = {name: past.fields[name].get(winner.other.value, "") for name in wanted}
    write = ContactWrite(contact_id=contact_id, fields=lost, version=int(row["version"]))
    if contact_id not in update_contacts(connection, [write]):
        raise ConfigurationError(
            "the contact was changed at this moment, or another one has this e-mail: nothing was done"
        )
    restored = Restored(contact_id=contact_id, provider=past.provider, fields=wanted)
    _put_on_record(connection, workspace_id, restored, request)
    return restored


def _wanted(past: PastConflict, field_name: str | None) -> tuple[Side, tuple[str, ...]]:
    """Who won, and the fields to restore."""
    wanted = tuple(name for name in past.fields if field_name in (None, name))
    if not wanted:
        raise ConfigurationError(f"this conflict is about {', '.join(past.fields)}, not about {field_name}")
    if not all(map(is_contact_field, wanted)):
        raise ConfigurationError(
            "a delete lost against an edit: `integrations contacts delete EMAIL` deletes the contact again"
        )
    if past.winner is None:
        raise ConfigurationError(
            "neither side's value was taken: `integrations contacts update EMAIL --set FIELD=VALUE` sets one"
        )
    return Side(past.winner), wanted


def _require_unchanged(past: PastConflict, winner: Side, now: Mapping[str, str]) -> None:
    for name, value in now.items():
        kind = MappedField(name=name, column=name).kind
        if is_same(value, past.fields[name].get(winner.other.value, ""), kind):
            raise ConfigurationError(f"the contact has this value of {name} already: nothing was done")
        if not is_same(value, past.fields[name].get(winner.value, ""), kind):
            raise ConfigurationError(
                f"{name} was changed since the conflict was decided: nothing was done; "
                "`integrations explain` shows what it is now"
            )


def _put_on_record(connection: Connection, workspace_id: UUID, restored: Restored, request: RestoreRequest) -> None:
    told = {
        "fields": list(restored.fields),
        "decided_by": without_addresses(request.by),
        **({"because": without_addresses(request.because)} if request.because else {}),
    }
    activity = Activity(
        integration_name=restored.provider,
        action="conflict_restored",
        success=True,
        records_affected=1,
        metadata=told,
    )
    record_activity(connection, workspace_id, activity)
