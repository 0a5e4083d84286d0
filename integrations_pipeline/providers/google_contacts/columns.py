"""Which field of a contact holds each mapped field. The fields are Google's own and stay; nothing is asked for.

Belongs here: what may be mapped to what. Does not: values (`fields`).
"""

from collections.abc import Sequence

from integrations_pipeline.model import FieldKind, MappedField
from integrations_pipeline.providers.columns import ColumnRules, MappedColumns, PresentColumn, SchemaLook, look_at
from integrations_pipeline.providers.google_contacts.fields import COLUMNS, MEMBERSHIPS, Place


class ContactColumns(MappedColumns):
    def _take_a_look(self) -> SchemaLook:
        own = [mapped.column for mapped in self._mapping if mapped.column not in COLUMNS and Place.of(mapped.column)]
        present = [PresentColumn(id=name, name=name) for name in dict.fromkeys([*COLUMNS, *own])]
        return look_at(self._mapping, self._known, present, _RULES)


def _problem(mapped: MappedField, _: Sequence[PresentColumn]) -> str:
    if (mapped.kind is FieldKind.SET) is not (mapped.column == MEMBERSHIPS):
        return f"{mapped.name} cannot be mapped to {mapped.column}: tags go to {MEMBERSHIPS}, and nothing else does"
    if mapped.kind is FieldKind.CONSENT:
        return f"{mapped.name} cannot be mapped: Google Contacts keeps nobody's consent"
    return ""


_RULES = ColumnRules(
    family=lambda kind: kind,
    problem=_problem,
    told=lambda column: f"Google's contact field {column!r}",
)
