"""What waits for a person, over one workspace or all: looking at it, and choosing what is decided.

Belongs here: the questions behind `inbox`, `holds`, `conflicts` and `failures`, and the lock on what is chosen. Does
not: deciding (`decisions`, `failures`), what a run makes of it (`agenda`). Values and addresses go to who asked, no
further.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, TextClause, text

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.layout import short_id
from integrations_pipeline.store.ids import IdOf, find_id

#: Kinds of the agenda, by who has to do something.
HOLDS = ("held_delete", "held_clear", "held_email", "held_create", "held_place")
CONFLICTS = ("conflict",)
FAILURES = ("failed", "refused")
#: What an edit on either side answers.
SET_ASIDE = ("ambiguous", "skipped", "stopped_field")
#: Everything of the agenda that is not the next run's own.
OF_AGENDA = (*HOLDS, *CONFLICTS, *SET_ASIDE, *FAILURES)
#: Pitches that a person has to look at are no rows of the agenda; they wait all the same.
PITCH = "pitch"
_PITCH_REASONS = {
    "unknown": "nobody knows whether it was sent: look into the mailbox",
    "failed": "it was not sent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing that waits. `fields`: of a conflict its base, local and remote value, else before, after and base of
    the change; `change`: what is held or failed (`model.ChangeKind`). A pitch has a `status`, provider "" and no
    connection; nothing else has a status. `local_at`, `remote_at`: when the sides of a conflict were changed."""

    id: UUID
    workspace: str
    provider: str
    connection_id: UUID | None
    kind: str
    side: str | None
    change: str | None
    contact_id: str | None
    external_id: str | None
    email: str | None = field(repr=False)
    field_name: str | None
    fields: Mapping[str, Any] = field(repr=False)
    reason: str | None
    run_id: str | None
    change_id: str | None
    since: datetime
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    status: str | None = None
    local_at: str | None = None
    remote_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of what waits is meant. Ids may be cut; `run` is a run's id or its beginning. Nothing given, nothing meant:
    `is_all` says that everything is."""

    kinds: Collection[str]
    ids: Sequence[str] = ()
    field_name: str | None = None
    email: str | None = field(default=None, repr=False)
    run: str | None = None
    provider: str | None = None
    is_narrowed: bool = False
    is_all: bool = False

    @property
    def is_filtered(self) -> bool:
        given = (self.field_name, self.email, self.run, self.provider)
        return self.is_narrowed or any(each is not None for each in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """What a command decides about, in words, and where its ids are looked up."""

    one: str
    of: IdOf

    @property
    def command(self) -> str:
        return self.of.value[2]


HOLD = Noun(one="held change", of=IdOf.HELD)
CONFLICT = Noun(one="open conflict", of=IdOf.CONFLICT)
FAILURE = Noun(one="failed record", of=IdOf.FAILURE)

_FROM = """
    from integration_agenda a
    join integration_connections i on i.id = a.connection_id
    join workspaces w on w.id = a.workspace_id
    left join workspace_contacts c on c.id = a.contact_id and c.workspace_id = a.workspace_id
"""
# When the sides of a conflict were changed stands in its row of the journal, once for all of its fields.
_TIMES = "left join integration_changes j on j.id = a.change_id and a.kind = 'conflict'"
# `kind <> 'retry'` names the index of what people are asked.
_FITS = """
    a.kind <> 'retry' and a.kind = any(:kinds)
    and (cast(:workspace_id as uuid) is null or a.workspace_id = :workspace_id)
    and (cast(:provider as text) is null or i.integration_type = :provider)
    and (cast(:field as text) is null or a.field = :field)
    and (cast(:run_id as uuid) is null or a.run_id = :run_id)
    and (cast(:email as text) is null or integrations_identity_key(:email) in (
        c.identity_key, integrations_identity_key(a.fields -> 'after' ->> 'email'),
        integrations_identity_key(a.fields -> 'before' ->> 'email')))
"""
_SELECT = f"""
    select a.id, w.slug as workspace, i.integration_type as provider, a.connection_id, a.kind, a.side, a.change,
        a.contact_id::text, a.external_id, a.field as field_name, a.fields, a.reason, a.run_id::text, a.change_id::text,
        a.created_at as since, a.decision, a.decided_by, a.decided_at,
        coalesce(nullif(c.email, ''), nullif(a.fields -> 'after' ->> 'email', ''),
            nullif(a.fields -> 'before' ->> 'email', '')) as email,
        coalesce(a.fields ->> 'local_at', j.conflict ->> 'local_at') as local_at,
        coalesce(a.fields ->> 'remote_at', j.conflict ->> 'remote_at') as remote_at
    {_FROM} {_TIMES} where {_FITS}
"""
_OPEN = "(:with_decided or a.decision is null)"
_LIST = text(f"{_SELECT} and {_OPEN} order by a.created_at desc, a.id limit :limit")
_COUNT = text(f"select a.kind, count(*) as found {_FROM} where {_FITS} and {_OPEN} group by a.kind")
_LOCK = text(f"{_SELECT} and a.decision is null order by a.id for update of a")
_LOCK_IDS = text(f"{_SELECT} and a.id = any(:ids) order by a.id for update of a")
_PITCHES = """
    from pitches p join workspaces w on w.id = p.workspace_id
    where p.status in ('unknown', 'failed')
    and (cast(:workspace_id as uuid) is null or p.workspace_id = :workspace_id)
"""
_LIST_PITCHES = text(
    "select p.id, w.slug as workspace, p.contact_id::text, p.to_email as email, p.status, "
    f"p.error_message as reason, p.updated_at as since {_PITCHES} order by p.updated_at desc, p.id limit :limit"
)
_COUNT_PITCHES = text(f"select count(*) {_PITCHES}")


def list_waiting(
    connection: Connection, workspace_id: UUID | None, choice: Choice, limit: int, *, with_decided: bool = False
) -> list[Waiting]:
    """What waits of one workspace, or of all that the connection sees, newest first. `with_decided`: also what a person
    has decided and the next run takes up."""
    return _rows(connection, _LIST, workspace_id, choice, limit=limit, with_decided=with_decided)


def count_waiting(connection: Connection, workspace_id: UUID | None, choice: Choice) -> dict[str, int]:
    """How much waits, by kind; what no one waits with is left out."""
    bound = _bound(connection, workspace_id, choice)
    found = connection.execute(_COUNT, {**bound, "with_decided": False})
    return {row.kind: row.found for row in found}


def list_pitches(connection: Connection, workspace_id: UUID | None, limit: int) -> list[Waiting]:
    """Pitches that failed, or of which nobody knows whether they were sent, newest first."""
    found = connection.execute(_LIST_PITCHES, {"workspace_id": workspace_id, "limit": limit})
    return [_pitch(row) for row in found]


def count_pitches(connection: Connection, workspace_id: UUID | None) -> int:
    return int(connection.execute(_COUNT_PITCHES, {"workspace_id": workspace_id}).scalar_one())


def _pitch(row: Row[Any]) -> Waiting:
    return Waiting(
        id=row.id,
        workspace=row.workspace,
        provider="",
        connection_id=None,
        kind=PITCH,
        side=None,
        change=None,
        contact_id=row.contact_id,
        external_id=None,
        email=row.email,
        field_name=None,
        fields={},
        reason=row.reason or _PITCH_REASONS[row.status],
        run_id=None,
        change_id=None,
        since=row.since,
        decision=None,
        decided_by=None,
        decided_at=None,
        status=row.status,
    )


def lock_chosen(
    connection: Connection, workspace_id: UUID, choice: Choice, noun: Noun, *, is_approving: bool = False
) -> list[Waiting]:
    """What is chosen of a workspace, and nobody has decided about, locked until the transaction ends: whoever decides
    at the same time waits here, and is told. That somebody is not made is the one decision that stands for good: by its
    id it can be approved later (`is_approving`).

    `ConfigurationError`, with nothing done, for a choice that says nothing, for an id that is unknown, ambiguous or
    decided, and where nothing fits.
    """
    if choice.ids and (choice.is_filtered or choice.is_all):
        raise ConfigurationError("ids say what is meant: leave --all and the filters out")
    if choice.ids:
        return _by_ids(connection, workspace_id, choice, noun, is_approving=is_approving)
    if not (choice.is_filtered or choice.is_all):
        raise ConfigurationError(f"say which: ids, a filter or --all; `{noun.command}` shows them")
    found = _rows(connection, _LOCK, workspace_id, choice)
    if not found:
        raise ConfigurationError(f"no {noun.one} fits (any more): `{noun.command}` shows them")
    return found


def _by_ids(
    connection: Connection, workspace_id: UUID, choice: Choice, noun: Noun, *, is_approving: bool
) -> list[Waiting]:
    wanted = list(dict.fromkeys(find_id(connection, noun.of, given) for given in choice.ids))
    found = {row.id: row for row in _rows(connection, _LOCK_IDS, workspace_id, choice, ids=wanted)}
    for each in wanted:
        if each not in found:
            raise ConfigurationError(f"no {noun.one} has the id {each} (any more): `{noun.command}` shows them")
        decision = found[each].decision
        is_revised = is_approving and (found[each].kind, decision) == ("held_create", "rejected")
        if decision and not is_revised:
            by = found[each].decided_by or "somebody"
            raise ConfigurationError(f"{short_id(each)} is decided already, {decision} by {by}: nothing was done")
    return list(found.values())


def _rows(
    connection: Connection, statement: TextClause, workspace_id: UUID | None, choice: Choice, **more: object
) -> list[Waiting]:
    bound = _bound(connection, workspace_id, choice)
    return [Waiting(**row._mapping) for row in connection.execute(statement, {**bound, **more})]


def _bound(connection: Connection, workspace_id: UUID | None, choice: Choice) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "kinds": list(choice.kinds),
        "provider": choice.provider,
        "field": choice.field_name,
        "email": choice.email,
        "run_id": None if choice.run is None else find_id(connection, IdOf.RUN, choice.run),
    }
