"""What a check of an Airtable connection looks at: columns, rights, the change feed, values. Nothing is written.

Belongs here: the questions and what their answers mean. Does not: requests (`client`), finding columns (`table`).

Airtable tells the scopes of OAuth tokens only; those of a personal token show by what is refused. What neither shows:
whether a personal token has `schema.bases:write` (schema requests answer 404 whatever is wrong), the plan's number of
records, and how many calls of the month are left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import CONTACT_FIELDS, ContactValues, FieldKind, MappedField
from integrations_pipeline.providers.airtable import cells, feed, schema, wire
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.airtable.table import TableColumns
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.findings import Findings

#: Webhooks of a base, and of one OAuth integration in it (API reference, "Create a webhook").
MOST_WEBHOOKS = 10
MOST_OWN_WEBHOOKS = 2
#: So few places left are worth a word.
FEW_LEFT = 2
#: Levels of a user in a base (API reference, "List bases"); a webhook takes a creator.
_READERS = frozenset({"none", "read", "comment"})
_CREATOR = "create"
_WITHOUT_FEED = (
    f"changes are found without a feed: up to {feed.SMALL_TABLE} records are read whole in every run; of more, deletes "
    "show at the full read once a day only, and a run reads what the last one wrote"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rights:
    """`scopes`: None where they are not told; `level`: "" likewise."""

    scopes: frozenset[str] | None = None
    level: str = ""

    def lacks(self, scope: str) -> bool:
        """Whether the token is known not to have it."""
        return self.scopes is not None and scope not in self.scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class AirtableCheck:
    client: AirtableClient
    columns: TableColumns
    is_typecast: bool

    def report(self, values: ContactValues) -> CheckReport:
        """The place first: where there is none, nothing else is asked."""
        found = Findings()
        with found.until_ended():
            with found.asking("the table's columns", is_vital=True):
                found.add_look(self.columns.look())
                found.notes += self.columns.notes
            rights = self._rights(found)
            self._look_at_writing(found, rights)
            self._look_at_feed(found, rights)
            found.notes += self._misfits(values, rights)
            with found.asking("the table's records", is_vital=True):
                next(self.client.pages(self.columns.names()[:1]))
        return found.report()

    # Rights

    def _rights(self, found: Findings) -> _Rights:
        scopes, level = None, ""
        with found.asking("the token's scopes"):
            scopes = self.client.scopes()
        if self.columns.table is not None:
            with found.asking("what the token's user may do in the base"):
                level = self.client.permission_level()
        return _Rights(scopes=scopes, level=level)

    def _look_at_writing(self, found: Findings, rights: _Rights) -> None:
        if not schema.writable(self.columns.mapping):
            return
        way_out = "or map every field with sync_direction from_external"
        if rights.level in _READERS:
            found.problems.append(
                f'the token\'s user may not edit this base (level "{rights.level}"): make them an editor, {way_out}'
            )
            return
        with found.asking("whether the token may write records"):
            if rights.lacks("data.records:write") or not self.client.may_write():
                found.problems.append(
                    f"the token may not write records: give it the scope data.records:write and its user the right to "
                    f"edit the base, {way_out}"
                )
        is_keyless = self.columns.table is not None and self.columns.key is None
        if is_keyless and (rights.lacks("schema.bases:write") or rights.level not in ("", _CREATOR)):
            found.notes.append(
                "--create-field needs a token with schema.bases:write of a creator of the base, and this is none: "
                "make the key column by hand"
            )

    # The feed

    def _look_at_feed(self, found: Findings, rights: _Rights) -> None:
        if self.columns.table is None:
            found.notes.append(f"without schema.bases:read no webhook is used: {_WITHOUT_FEED}")
            return
        with found.asking("the base's webhooks"):
            hooks = None if rights.lacks("webhook:manage") else self._webhooks()
            if hooks is None:
                found.notes.append(f"the token may not use webhooks (scope webhook:manage): {_WITHOUT_FEED}")
            else:
                found.notes += _told_of(hooks, self.columns.table.id, rights)

    def _webhooks(self) -> list[Mapping[str, Any]] | None:
        try:
            return self.client.webhooks()
        except wire.DeniedError:
            return None

    # Values

    def _misfits(self, values: ContactValues, rights: _Rights) -> list[str]:
        """What the workspace's values meet in the columns, a line for each of them at most twice."""
        notes: list[str] = []
        for mapped in schema.writable(self.columns.mapping).values():
            column = self.columns.by_name.get(mapped.column)
            if column is not None:
                held = values.of(mapped.name)
                notes += [self._new_options(held, mapped, column, rights), _unfit(held, mapped, column)]
        return [note for note in notes if note]

    def _new_options(self, held: Mapping[str, int], mapped: MappedField, column: schema.Column, rights: _Rights) -> str:
        """Editors make none (https://github.com/Airtable/airtable.js/issues/138): that is configuring a column."""
        if column.type not in schema.SELECT_TYPES:
            return ""
        known = {choice.strip() for choice in column.choices}
        count = len({value.strip() for value in held} - known - {""})
        if not count:
            return ""
        what = mapped.name if mapped.kind is FieldKind.SET else f"values of {mapped.name}"
        then = "a sync would make them"
        if not self.is_typecast:
            then = "typecast is off, so records with them are refused"
        elif rights.level not in ("", _CREATOR):
            then = "only a creator of the base makes options, so records with them are refused"
        return f'{count} {what} of this workspace are no options of column "{column.name}" yet: {then}'


def _unfit(held: Mapping[str, int], mapped: MappedField, column: schema.Column) -> str:
    """A column that cannot hold some values as they are, or hardly any value that the field may have."""
    is_text = mapped.kind is FieldKind.TEXT
    if is_text and column.type in schema.TEXT_TYPES:
        return ""
    where = f'column "{column.name}" has type {column.type}'
    unfit = [value for value in held if not _fits(value, mapped, column)]
    if unfit and is_text:
        count, of = sum(held[value] for value in unfit), sum(held.values()) - held.get("", 0)
        return f"{where}, which cannot hold {mapped.name} of {count} of {of} contacts: those records fail alone"
    if unfit:
        return f"{where}, which cannot hold {len(unfit)} {mapped.name} as they are: records with them fail alone"
    if is_text and mapped.name in CONTACT_FIELDS and column.type not in schema.SELECT_TYPES:
        return f"{where}, which holds few values of {mapped.name}: a text column holds any"
    return ""


def _fits(value: str, mapped: MappedField, column: schema.Column) -> bool:
    try:
        cells.to_cell(value, mapped, column)
    except PermanentError:
        return False
    return True


def _told_of(hooks: Sequence[Mapping[str, Any]], table_id: str, rights: _Rights) -> list[str]:
    """What the base's webhooks mean for ours. Assumed: an expired one takes a place for as long as it is listed."""
    if any(feed.is_ours(hook, table_id) for hook in hooks):
        return []
    notes: list[str] = []
    most, of = (MOST_WEBHOOKS, "the base") if rights.scopes is None else (MOST_OWN_WEBHOOKS, "this integration there")
    if any(feed.was_ours(hook, table_id) for hook in hooks):
        notes.append("our webhook expired: the next run reads everything and makes another, if there is room")
    if len(hooks) >= most:
        return [
            *notes,
            f"{len(hooks)} of {most} webhooks of {of} are used, so there is no room for ours: {_WITHOUT_FEED}",
        ]
    if rights.level not in ("", _CREATOR):
        return [*notes, f"webhooks are made by creators of a base, and the token's user is none: {_WITHOUT_FEED}"]
    if len(hooks) >= most - FEW_LEFT and rights.scopes is None:
        notes.append(f"{len(hooks)} of {most} webhooks of {of} are used: ours has room, few others have")
    return notes
