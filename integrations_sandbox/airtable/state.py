"""The state of the sandboxed Airtable and what a person in the app can do to it.

Belongs here: bases, tokens, options, iterators and webhooks in one object; editing as a person.
Does not belong here: HTTP, the public API's rules about batches, scopes and limits (`api`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from integrations_sandbox.airtable import columns, errors, schema, writing
from integrations_sandbox.airtable.cell_input import CellWriter
from integrations_sandbox.airtable.cells import COMPUTED_TYPES, CellReader
from integrations_sandbox.airtable.computed import all_cells, column_changes, computed_cells, with_computed
from integrations_sandbox.airtable.limits import RateLimiter
from integrations_sandbox.airtable.model import Base, Field, Record, Table, View
from integrations_sandbox.airtable.reading import Iterators
from integrations_sandbox.airtable.webhooks import (
    Actor,
    FieldChanges,
    Transaction,
    Webhooks,
    described,
    field_changes,
)
from integrations_sandbox.airtable.writing import Edit, Outcome
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.stage import LoggedRequest, Stage, iso
from integrations_sandbox.wire import JsonObject, WireError

ALL_SCOPES = frozenset(
    ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write", "webhook:manage"]
)
DEFAULT_TOKEN = "patSandbox.token"  # noqa: S105 - opens a server on loopback that holds invented data only
#: What a user may do in a base, each level with all that the ones before it may.
PERMISSION_LEVELS = ("read", "comment", "edit", "create")
#: What every base id looks like; anything else is answered as garbage.
BASE_ID = re.compile(r"app[A-Za-z0-9]{14}")
PERSON = Actor(source="client", user_id="usrSandboxPerson1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableOptions:
    """`shuffle_pages` lists without a sort in arbitrary order; `allows_webhooks` False answers 403 to their
    creation; `webhooks_tell_computed` False keeps computed cells out of their payloads; `missing_table_is_forbidden`
    answers 403 instead of 404 for a table that does not exist; `iterator_seconds` is how long an unused `offset`
    lives; `bases_page_size` the page of the list of bases.
    """

    rate_limit_scale: float | None = 1.0
    shuffle_pages: bool = False
    allows_webhooks: bool = True
    missing_table_is_forbidden: bool = False
    webhooks_tell_computed: bool = True
    iterator_seconds: float = 300.0
    bases_page_size: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A personal token, or an OAuth token when `oauth_client` is set. `base_ids` None reaches all bases, where its user
    is a creator, or whatever else `permission` says (`PERMISSION_LEVELS`).

    Tokens of one `user_id` share the limit on requests.
    """

    value: str
    user_id: str
    scopes: frozenset[str] = ALL_SCOPES
    base_ids: frozenset[str] | None = None
    oauth_client: str | None = None
    permission: str = "create"

    def __post_init__(self) -> None:
        if self.permission not in PERMISSION_LEVELS:
            raise ValueError(f"permission must be one of {', '.join(PERMISSION_LEVELS)}")

    def reaches(self, base_id: str) -> bool:
        return self.base_ids is None or base_id in self.base_ids


@dataclass(slots=True)
class _Holdings:
    bases: dict[str, Base] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)


class Airtable:
    """Everything the sandboxed Airtable knows. Methods take base ids, and table and field ids or names.

    Those that act as a person (`*_records`, `create_*`, `rename_*`) are not limited in number or rate, show
    in webhooks with the source `client`, and convert values as the app's editor does, like typecast. They
    raise WireError with the body that the API would have sent. All are safe to call from any thread.
    """

    def __init__(self, stage: Stage, options: AirtableOptions) -> None:
        self.stage = stage
        self._first_options = options
        self.reset()

    def reset(self) -> None:
        """Back to the start: no bases, one token that may do everything, options as given at the start."""
        with self.stage.lock:
            self.options = self._first_options
            self._held = _Holdings()
            self.limiter = RateLimiter(self.options.rate_limit_scale)
            self.iterators = Iterators(self.stage.clock, self.stage.ids, self.options.iterator_seconds)
            self.webhooks = Webhooks(self.stage.ids)
            self.create_token(value=DEFAULT_TOKEN)

    def set_options(self, **changes: Any) -> None:
        """Changes options of the running server. Raises TypeError for one that does not exist."""
        with self.stage.lock:
            self.options = replace(self.options, **changes)
            self.limiter.scale = self.options.rate_limit_scale

    # Tokens

    def create_token(
        self,
        *,
        value: str | None = None,
        user_id: str | None = None,
        scopes: Iterable[str] = ALL_SCOPES,
        base_ids: Iterable[str] | None = None,
        oauth_client: str | None = None,
        permission: str = "create",
    ) -> Token:
        with self.stage.lock:
            ids = self.stage.ids
            token = Token(
                value=value or ids.new("pat") + "." + ids.new("", 32),
                user_id=user_id or ids.new("usr"),
                scopes=frozenset(scopes),
                base_ids=None if base_ids is None else frozenset(base_ids),
                oauth_client=oauth_client,
                permission=permission,
            )
            self._held.tokens[token.value] = token
            return token

    def revoke_token(self, value: str) -> None:
        with self.stage.lock:
            self._held.tokens.pop(value, None)

    def token(self, value: str | None) -> Token:
        """Raises WireError 401 for a token that was never given out, has been revoked or has expired."""
        token = self._held.tokens.get(value or "") or self._oauth_token(value)
        if token is None:
            raise errors.authentication_required()
        return token

    def _oauth_token(self, value: str | None) -> Token | None:
        """A token that the authorization server issued; it reaches all bases."""
        grant = self.stage.grants.find("airtable", value, self.stage.clock.now())
        if grant is None:
            return None
        return Token(value=grant.token, user_id=grant.account, scopes=grant.scopes, oauth_client=grant.client_id)

    # Bases, tables, fields

    @property
    def bases(self) -> list[Base]:
        return list(self._held.bases.values())

    def find_base(self, base_id: str) -> Base | None:
        return self._held.bases.get(base_id)

    def base(self, base_id: str) -> Base:
        base = self.find_base(base_id)
        if base is None:
            raise errors.no_permission_or_model()
        return base

    def table(self, base_id: str, table: str) -> Table:
        found = self.base(base_id).table(table)
        if found is None:
            raise self.missing_table(base_id, table)
        return found

    def missing_table(self, base_id: str, table: str) -> WireError:
        if self.options.missing_table_is_forbidden:
            return errors.no_permission_or_model()
        return errors.table_not_found(table, base_id)

    def create_base(self, name: str, base_id: str | None = None) -> Base:
        """Raises ValueError for an id that Airtable could not have given out, or that is in use."""
        if base_id is not None and (not BASE_ID.fullmatch(base_id) or self.find_base(base_id)):
            raise ValueError("a base id is `app` and 14 letters or digits, and not in use yet")
        with self.stage.lock:
            base = Base(base_id or self.stage.ids.new("app"), name)
            self._held.bases[base.id] = base
            return base

    def create_table(
        self,
        base_id: str,
        name: str,
        fields: Sequence[JsonObject],
        *,
        description: str | None = None,
        by_person: bool = True,
    ) -> Table:
        """`fields` as in the schema API, the first being the primary one; a person can also make formulas."""
        with self.stage.lock:
            base = self.base(base_id)
            document = {"name": name, "fields": list(fields), "description": description}
            if base.table(name) is not None:
                # Assumed: the type.
                raise errors.refusal(422, "DUPLICATE_TABLE_NAME", "Table names must be unique in a base")
            table = schema.make_table(self.stage.ids, document, by_person)
            base.tables[table.id] = table
            return table

    def create_contacts_table(self, base_id: str, name: str = "Contacts", *, with_contact_id: bool = True) -> Table:
        """The table that the sync works with by default; without `Contact ID` it lacks a key to upsert on."""
        return self.create_table(base_id, name, schema.contact_fields(with_contact_id))

    def create_field(self, base_id: str, table: str, document: JsonObject, *, actor: Actor = PERSON) -> Field:
        with self._changing_fields(base_id, table, actor) as found:
            return schema.add_field(self.stage.ids, found, document, actor.source == PERSON.source)

    def rename_field(self, base_id: str, table: str, column: str, name: str, *, actor: Actor = PERSON) -> None:
        """The id stays; formulas follow."""
        with self._changing_fields(base_id, table, actor) as found:
            columns.rename(found, columns.column_of(found, column), name)

    def swap_fields(self, base_id: str, table: str, first: str, second: str) -> None:
        """Each gets the other's name and keeps its id and cells."""
        with self._changing_fields(base_id, table) as found:
            columns.swap_names(found, columns.column_of(found, first), columns.column_of(found, second))

    def change_field_type(
        self, base_id: str, table: str, column: str, kind: str, options: JsonObject | None = None
    ) -> None:
        """Cells go along as texts; a computed type shows what it computes, or what `set_outputs` says."""
        with self._changing_fields(base_id, table) as found:
            reader, writer = self.reader(base_id, table), self.writer(base_id, table, is_typecast=True)
            columns.change_type(reader, writer, columns.column_of(found, column), kind, options)

    def replace_field(self, base_id: str, table: str, column: str, document: JsonObject) -> Field:
        """Deletes a column and makes one of its name; `document` has `type` and `options`."""
        with self._changing_fields(base_id, table) as found:
            return columns.replace(self.stage.ids, found, columns.column_of(found, column), document)

    def delete_field(self, base_id: str, table: str, column: str) -> None:
        with self._changing_fields(base_id, table) as found:
            columns.delete(found, columns.column_of(found, column))

    def set_outputs(self, base_id: str, table: str, column: str, outputs: JsonObject) -> None:
        """What a computed column shows, by record id, or under `*` in all; such as `{"error": "#ERROR!"}`, a list of
        looked-up values, None for empty. An empty object gives the column its own results back."""
        with self._changing_fields(base_id, table) as found:
            owner = columns.column_of(found, column)
            if owner.type not in COMPUTED_TYPES:
                raise ValueError("only a computed column has outputs; write to the records of another")
            owner.outputs = dict(outputs)

    @contextmanager
    def _changing_fields(self, base_id: str, table: str, actor: Actor = PERSON) -> Iterator[Table]:
        """A table whose columns are about to change; afterwards the webhooks hear what became of them."""
        with self.stage.lock:
            base, found = self.base(base_id), self.table(base_id, table)
            before = {each.id: described(each) for each in found.fields}
            cells = all_cells(self.reader(base_id, table)) if self._tells_computed(base) else None
            yield found
            outcome = Outcome()
            if cells is not None:
                outcome.changes = column_changes(cells, all_cells(self.reader(base_id, table)))
            self._publish(found, outcome, field_changes(before, found), base, actor)

    def create_view(self, base_id: str, table: str, name: str, formula: str | None = None) -> View:
        with self.stage.lock:
            view = View(self.stage.ids.new("viw"), name, formula)
            self.table(base_id, table).views.append(view)
            return view

    # Records, as a person

    def records(self, base_id: str, table: str) -> list[JsonObject]:
        """All records as the API shows them: `id`, `createdTime`, `fields` by name, empty cells left out."""
        with self.stage.lock:
            found, reader = self.table(base_id, table), self.reader(base_id, table)
            return [record_json(reader, record, found.fields) for record in found.records.values()]

    def create_records(self, base_id: str, table: str, fields: Iterable[JsonObject]) -> list[JsonObject]:
        with self.stage.lock:
            writer = self.writer(base_id, table, is_typecast=True)
            edits = writing.plan_creates(writer, [{"fields": each} for each in fields])
            return self._shown(base_id, table, self.apply(writer, edits, PERSON))

    def update_records(self, base_id: str, table: str, records: Iterable[JsonObject]) -> list[JsonObject]:
        """`records` are `{"id", "fields"}`; only the given fields change, and None clears."""
        with self.stage.lock:
            writer = self.writer(base_id, table, is_typecast=True)
            edits = writing.plan_updates(writer, list(records), replace=False)
            return self._shown(base_id, table, self.apply(writer, edits, PERSON))

    def update_record(self, base_id: str, table: str, record_id: str, **fields: Any) -> JsonObject:
        return self.update_records(base_id, table, [{"id": record_id, "fields": fields}])[0]

    def delete_records(self, base_id: str, table: str, record_ids: Sequence[str]) -> None:
        with self.stage.lock:
            found = self.table(base_id, table)
            self.remove(base_id, found, record_ids, PERSON)

    # Faults and the log, shared by all providers

    def add_fault(self, rule: FaultRule) -> None:
        with self.stage.lock:
            self.stage.faults.add(rule)

    def clear_faults(self) -> None:
        with self.stage.lock:
            self.stage.faults.clear()

    def requests(self, after: int = 0) -> list[LoggedRequest]:
        """The requests that came in after number `after`, to all providers."""
        with self.stage.lock:
            return self.stage.log.entries(after)

    def clear_requests(self) -> None:
        with self.stage.lock:
            self.stage.log.clear()

    def expire_iterators(self) -> None:
        with self.stage.lock:
            self.iterators.expire_all()

    def send_webhook_error(self, base_id: str, code: str = "INVALID_HOOK") -> None:
        """Assumed: the code; that payloads with `error: true` exist is documented."""
        with self.stage.lock:
            self.webhooks.publish_error(self.base(base_id), code, self.stage.clock.now())

    # Shared with `api`

    def reader(self, base_id: str, table: str) -> CellReader:
        return CellReader(self.base(base_id), self.table(base_id, table), self.stage.clock.now())

    def writer(self, base_id: str, table: str, *, is_typecast: bool) -> CellWriter:
        return CellWriter(self.base(base_id), self.table(base_id, table), self.stage.ids, is_typecast)

    def apply(self, writer: CellWriter, edits: Sequence[Edit], actor: Actor) -> Outcome:
        """Stores edits that have been accepted, with the select options they need; tells the webhooks."""
        writer.commit_choices()
        table, now, tells_computed = writer.table, self.stage.clock.now(), self._tells_computed(writer.base)
        edited = [table.records[each.record_id] for each in edits if tells_computed and each.record_id]
        before = computed_cells(CellReader(writer.base, table, now), edited)
        outcome = writing.apply_edits(table, edits, self.stage.ids, now)
        if tells_computed:
            after = computed_cells(CellReader(writer.base, table, now), edited)
            outcome.changes = with_computed(outcome.changes, before, after)
        self._publish(table, outcome, FieldChanges(), writer.base, actor)
        return outcome

    def remove(self, base_id: str, table: Table, record_ids: Sequence[str], actor: Actor) -> Outcome:
        outcome = writing.delete_records(table, record_ids)
        self._publish(table, outcome, FieldChanges(), self.base(base_id), actor)
        return outcome

    def _tells_computed(self, base: Base) -> bool:
        """Calculating cells for nobody would make every write slower."""
        return self.options.webhooks_tell_computed and self.webhooks.has_listeners(base, self.stage.clock.now())

    def _publish(self, table: Table, outcome: Outcome, fields: FieldChanges, base: Base, actor: Actor) -> None:
        now = self.stage.clock.now()
        transaction = Transaction(
            base=base,
            table=table,
            outcome=outcome,
            fields=fields,
            reader=CellReader(base, table, now),
            actor=actor,
            tells_computed=self.options.webhooks_tell_computed,
        )
        self.webhooks.publish(transaction, now)

    def _shown(self, base_id: str, table: str, outcome: Outcome) -> list[JsonObject]:
        reader = self.reader(base_id, table)
        return [record_json(reader, record, reader.table.fields) for record in outcome.records]


def record_json(reader: CellReader, record: Record, columns: list[Field], *, by_id: bool = False) -> JsonObject:
    fields = reader.fields_json(record, columns, by_id)
    return {"id": record.id, "createdTime": iso(record.created_at), "fields": fields}
