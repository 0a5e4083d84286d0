"""The mapped columns of one Airtable table: found by their ids, looked at once per run, listed under present names.

A listing is asked for by name: by the names of the last run until this one has looked. A column that Airtable does not
know any more causes a look, and where the token may not read the schema that refusal is what tells. Belongs here: that.
Does not: cells, records.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    NeedsAttentionError,
    PermanentError,
    RetryableError,
)
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.airtable import schema, wire
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.columns import (
    KnownColumn,
    MappedColumns,
    PresentColumn,
    SchemaLook,
    look_at,
    under_known_name,
)

#: The key column among the known ones: it is no field.
KEY = "#key"
#: Names that move oftener than this within one listing are a fault of their own.
MOST_LOOKS = 5


class Place(Protocol):
    """The settings that say which table it is, and its key column."""

    @property
    def base_id(self) -> str: ...
    @property
    def table_id(self) -> str: ...
    @property
    def external_id_field(self) -> str: ...


class TableColumns(MappedColumns):
    """Those of one table, and its key column."""

    def __init__(
        self, client: AirtableClient, place: Place, mapping: Sequence[MappedField], known: Mapping[str, KnownColumn]
    ) -> None:
        super().__init__(mapping, known)
        self._client = client
        self._place = place
        self._key = _key_name(place, known)
        self._has_key = False
        self.table: schema.Table | None = None
        self.notes: tuple[str, ...] = ()
        self._tell_names()

    # What is known

    @property
    def by_name(self) -> Mapping[str, PresentColumn]:
        return self.table.columns if self.table else {}

    @property
    def key(self) -> str | None:
        """The key column's present name; None where the table has none."""
        return self._key if self._has_key else None

    @property
    def key_id(self) -> str:
        column = self.by_name.get(self._key)
        return (column.id if column else self._known.get(KEY, KnownColumn(column="")).id) if self._has_key else ""

    def of(self, mapped: MappedField) -> PresentColumn:
        """The column of a field of `mapping`; as it was known where the schema cannot be read."""
        known = self._known.get(mapped.name, KnownColumn(column=mapped.column))
        return self.by_name.get(mapped.column) or PresentColumn(id=known.id, name=mapped.column, type=known.type)

    def names(self) -> list[str]:
        names = [mapped.column for mapped in self.mapping]
        return [*names, self._key] if self._has_key and self._key not in names else names

    # Looking

    def presume_key(self, *, has_key: bool) -> None:
        """Whether the table had the key column when it was last looked at."""
        if self.looked is None:
            self._has_key = has_key

    def _take_a_look(self) -> SchemaLook:
        self.table = self.read_table()
        self.looked = self._look_at(self.table) if self.table else self._look_in_the_dark()
        self._tell_names()
        return self.looked

    def read_table(self) -> schema.Table | None:
        """The table's schema, or None where the token may not read it; an absent table is an error."""
        try:
            body = self._client.schema()
        except (NeedsAttentionError, PermanentError) as error:
            if isinstance(error, (ConfigurationError, CredentialsError)):
                raise
            return None
        table = schema.find_table(body, self._place.table_id)
        if table is None:
            raise ConfigurationError(
                f'base {self._place.base_id} has no table "{self._place.table_id}": '
                "correct table_id in the connection's settings"
            )
        return table

    def _look_at(self, table: schema.Table) -> SchemaLook:
        by_id = {column.id: column.name for column in table.columns.values()}
        self._key = by_id.get(self._known.get(KEY, KnownColumn(column="")).id, self._place.external_id_field)
        problem = schema.key_problem(table, self._key)
        self._has_key, self.notes = not problem, (problem,) if problem else ()
        found = look_at(self._mapping, self._known, list(table.columns.values()), schema.rules(table, self._key))
        if not self._has_key:
            return found
        column = table.columns[self._key]
        key = KnownColumn(column=self._place.external_id_field, id=column.id, name=column.name, type=column.type)
        return replace(found, columns={**found.columns, KEY: key})

    def _look_in_the_dark(self) -> SchemaLook:
        """Without a schema the columns are taken to be there until Airtable refuses one."""
        self.notes = ("the token cannot read the schema (schema.bases:read): columns are not checked",)
        self._has_key = self._probe_key()
        columns = {
            mapped.name: known if known and known.is_of(mapped) else KnownColumn(column=mapped.column)
            for mapped in self._mapping
            for known in [self._known.get(mapped.name)]
        }
        mapping = tuple(under_known_name(mapped, columns[mapped.name]) for mapped in self._mapping)
        return SchemaLook(mapping=mapping, columns=columns)

    def _probe_key(self) -> bool:
        try:
            next(self._client.pages([self._key]))
        except ConfigurationError:
            return False
        return True

    def _tell_names(self) -> None:
        self._client.columns = (*(mapped.column for mapped in self.mapping), self._key)

    # Listing

    def pages(self, formula: str | None = None) -> Iterator[list[Mapping[str, Any]]]:
        """Pages of records, each once at least, under the names that `mapping` has when they are told."""
        for _ in range(MOST_LOOKS):
            try:
                yield from self._client.pages(self.names(), formula)
            except wire.UnknownColumnError as error:
                self._look_after(error)
            else:
                return
        raise RetryableError("the columns of the Airtable table do not hold still")

    def _look_after(self, error: wire.UnknownColumnError) -> None:
        """Airtable does not know a column that was asked for: look again, or, in the dark, stop its field."""
        if self.looked is None or self.table is not None:
            before, self.looked = (self.looked, self.names()), None
            look = self.require()
            if before[0] is None or (look, self.names()) != before or self.table is None:
                return
            raise error
        stopped = next((mapped for mapped in self.mapping if mapped.column == error.column), None)
        if stopped is None or not self._known:
            raise error
        self.looked = self.looked.without(stopped.name, f"{error} (mapped from {stopped.name})")
        self._tell_names()


def _key_name(place: Place, known: Mapping[str, KnownColumn]) -> str:
    seen = known.get(KEY)
    is_same = seen is not None and seen.column == place.external_id_field and seen.name
    return seen.name if seen is not None and is_same else place.external_id_field
