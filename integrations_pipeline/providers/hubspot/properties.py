"""Properties of contacts: what each of them can hold, and which holds which field.

A property is known by its name, which never changes, and by when it was made: one that was archived and made anew is
another one. Belongs here: definitions, and their rules. Does not: values (`values`), requests (`client`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrations_pipeline.errors import WrongAnswerError
from integrations_pipeline.model import Direction, FieldKind, MappedField
from integrations_pipeline.providers.columns import (
    JOIN,
    ColumnRules,
    KnownColumn,
    MappedColumns,
    PresentColumn,
    SchemaLook,
    look_at,
)
from integrations_pipeline.providers.hubspot.client import HubSpotClient
from integrations_pipeline.providers.hubspot.limits import FIXED as FIXED  # noqa: PLC0414 - its users ask here

OPT_OUT = FIXED["email_opt_out"]
MODIFIED, MERGED = "lastmodifieddate", "hs_merged_object_ids"
TEXT_TYPES = frozenset({"string", "phone_number"})
_FAMILIES = {"string": "text", "phone_number": "text", "date": "date", "datetime": "date"}
_HOLDERS = TEXT_TYPES | {"number", "date", "datetime", "bool", "enumeration"}
#: An enumeration that holds several of its options.
SEVERAL = "checkbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A definition. `options`: value by whatever it may be called, in lower case; `is_several`: holds more than one."""

    name: str
    type: str = ""
    is_several: bool = False
    is_read_only: bool = False
    made_at: str = ""
    options: Mapping[str, str]

    @property
    def id(self) -> str:
        return f"{self.name}@{self.made_at}" if self.made_at else self.name

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Property":
        options: dict[str, str] = {}
        # A value goes before another option's label.
        for key in ("label", "value"):
            options |= {str(each.get(key) or "").lower(): str(each["value"]) for each in told.get("options") or ()}
        modification = told.get("modificationMetadata") or {}
        return cls(
            name=told["name"],
            type=told.get("type") or "",
            is_several=told.get("fieldType") == SEVERAL,
            is_read_only=bool(told.get("calculated") or modification.get("readOnlyValue")),
            made_at=told.get("createdAt") or "",
            options=options,
        )


def parts_of(column: str) -> list[str]:
    """The properties that a mapped column consists of (`firstname+lastname`)."""
    return column.split(JOIN)


def names_of(mapping: Iterable[MappedField]) -> list[str]:
    """Every property to ask for."""
    mapped = [part for each in mapping for part in parts_of(each.column)]
    return list(dict.fromkeys([*mapped, *FIXED.values(), MODIFIED, MERGED]))


class ContactProperties(MappedColumns):
    """Those of one account; `known`: definitions by name, empty where they may not be read."""

    def __init__(self, client: HubSpotClient, mapping: Sequence[MappedField], known: Mapping[str, KnownColumn]) -> None:
        super().__init__(mapping, known)
        self._client = client
        self.definitions: Mapping[str, Property] = {}
        self.may_look = True

    def _take_a_look(self) -> SchemaLook:
        told = self._client.properties()
        self.may_look = told is not None
        self.definitions = {each["name"]: Property.from_json(each) for each in told or ()}
        if told is not None and FIXED["email"] not in self.definitions:
            raise WrongAnswerError("HubSpot told the properties of contacts without the e-mail, which each account has")
        look = self._in_the_dark() if told is None else self._look_at()
        self._client.names = tuple(names_of(look.mapping))
        return look

    def _look_at(self) -> SchemaLook:
        present = [PresentColumn(id=each.id, name=each.name, type=each.type) for each in self.definitions.values()]
        columns = [mapped for mapped in self._mapping if mapped.name not in FIXED]
        rules = ColumnRules(
            family=lambda kind: _FAMILIES.get(kind, kind), problem=self._problem, told=_told, parts=parts_of
        )
        found = look_at(columns, self._known, present, rules)
        by_name = {mapped.name: mapped for mapped in found.mapping}
        mapping = [mapped if mapped.name in FIXED else by_name.get(mapped.name) for mapped in self._mapping]
        # Those of the fixed fields are nobody's to map.
        free = tuple(each for each in found.present if each.name not in FIXED.values())
        return replace(found, mapping=tuple(mapped for mapped in mapping if mapped is not None), present=free)

    def _in_the_dark(self) -> SchemaLook:
        """Without definitions properties are taken to be there, and to hold texts."""
        columns = {
            mapped.name: known if known and known.is_of(mapped) else KnownColumn(column=mapped.column)
            for mapped in self._mapping
            for known in [self._known.get(mapped.name)]
            if mapped.name not in FIXED
        }
        return SchemaLook(mapping=self._mapping, columns=columns)

    def _problem(self, mapped: MappedField, columns: Sequence[PresentColumn]) -> str:
        for column in columns:
            definition = self.definitions[column.name]
            if definition.type not in _HOLDERS:
                return f"{_told(column.name)} has type {definition.type}, which cannot hold {mapped.name}"
            if definition.is_read_only and mapped.direction is not Direction.FROM_EXTERNAL:
                return (
                    f"{_told(column.name)} is kept by HubSpot itself and cannot be written: map {mapped.name} to "
                    "another property or set its sync_direction to from_external"
                )
            if mapped.kind is FieldKind.SET and definition.type not in TEXT_TYPES and not definition.is_several:
                return f"{_told(column.name)} holds one value only, which cannot hold {mapped.name}"
        return ""


def _told(name: str) -> str:
    return f'property "{name}" of contacts'
