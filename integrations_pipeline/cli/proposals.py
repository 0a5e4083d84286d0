"""Which field each column of the other side may hold, proposed to a person. Pure.

Belongs here: the order in which columns are given to fields. Does not: names by which a field is known
(`file_headers`), what a column can hold (each provider's `ColumnRules`), the command (`columns`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from integrations_pipeline.cli.file_headers import custom_field, known_field
from integrations_pipeline.model import CONTACT_FIELDS, MappedField
from integrations_pipeline.providers.columns import ColumnRules, PresentColumn, SchemaLook


class Found(StrEnum):
    """How a column came to its field, in the order in which they are tried."""

    MAPPED = "mapped"
    FIXED = "fixed"
    DEFAULT = "default"
    NAME = "name"
    TYPE = "type"
    CUSTOM = "custom"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A column, and the field proposed for it; "" with a reason where there is none."""

    column: str
    id: str = ""
    type: str = ""
    field: str = ""
    found: Found = Found.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """`columns`: all there are. `field_mapping`: as the setting of that name. `missing`: contact fields without one."""

    columns: tuple[Proposal, ...]
    field_mapping: Mapping[str, str]
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Claims:
    """Fields and columns given to one another so far, each once."""

    present: Sequence[PresentColumn]
    rules: ColumnRules
    mapping: dict[str, str] = field(default_factory=dict)
    found: dict[str, tuple[str, Found]] = field(default_factory=dict)

    def parts(self, column: str) -> list[PresentColumn | None]:
        by_name = {each.name: each for each in self.present}
        by_id = {each.id: each for each in self.present if each.id}
        return [by_name.get(part) or by_id.get(part) for part in self.rules.parts(column)]

    def problem(self, name: str, column: str) -> str:
        """Why this column cannot be given to this field, or ""."""
        parts = [each for each in self.parts(column) if each is not None]
        if not parts or len(parts) < len(self.rules.parts(column)):
            return "it does not exist"
        if name in self.mapping:
            return f"{name} is kept in {self.mapping[name]}"
        if any(each.name in self.found for each in parts):
            return "it holds another field"
        return self.rules.problem(MappedField(name=name, column=column), parts)

    def give(self, name: str, column: str, found: Found) -> None:
        self.mapping[name] = column
        self.found |= {each.name: (name, found) for each in self.parts(column) if each is not None}

    def try_to_give(self, name: str, column: str, found: Found) -> str:
        problem = self.problem(name, column)
        if not problem:
            self.give(name, column, found)
        return problem


def propose(
    look: SchemaLook, *, mapped: Sequence[MappedField], fixed: Mapping[str, str], default: Mapping[str, str]
) -> Proposals:
    """A field for every column of a look that told its rules.

    =========  ==================================================================================
    found      the column
    =========  ==================================================================================
    mapped     is mapped already, by a person: nothing is proposed in its place
    fixed      is where the provider always keeps the field
    default    is the provider's default for the field
    name       has a name that the field is known by, the likeliest first
    type       is the only one left of a type that is made for the field
    custom     can hold text: a custom field of its name
    none       can hold no field, or none that is left; `reason` says why
    =========  ==================================================================================
    """
    assert look.rules is not None  # noqa: S101 - for the type checker
    claims = _Claims(present=look.present, rules=look.rules)
    for each in mapped:
        claims.give(each.name, each.column, Found.MAPPED)
    for name, column in fixed.items():
        claims.give(name, column, Found.FIXED)
    for name, column in default.items():
        claims.try_to_give(name, column, Found.DEFAULT)
    _by_name(claims)
    _by_type(claims)
    reasons = _by_custom_fields(claims)
    ours = [Proposal(column=column, field=name, found=Found.FIXED) for name, column in fixed.items()]
    return Proposals(
        columns=(*ours, *(_proposal(each, claims, reasons) for each in look.present)),
        field_mapping={name: column for name, column in claims.mapping.items() if name not in fixed},
        missing=tuple(name for name in CONTACT_FIELDS if name not in claims.mapping),
    )


def _by_name(claims: _Claims) -> None:
    known = [(found[1], found[0], each.name) for each in claims.present if (found := known_field(each.name))]
    for _, name, column in sorted(known, key=lambda each: each[0]):
        claims.try_to_give(name, column, Found.NAME)


def _by_type(claims: _Claims) -> None:
    made_for = claims.rules.made_for
    for name in dict.fromkeys(made_for.values()):
        left = [
            each.name
            for each in claims.present
            if made_for.get(each.type) == name and not claims.problem(name, each.name)
        ]
        if len(left) == 1:
            claims.give(name, left[0], Found.TYPE)


def _by_custom_fields(claims: _Claims) -> dict[str, str]:
    """Why the columns that are left hold none, by column."""
    reasons = {}
    for each in claims.present:
        if each.name in claims.found:
            continue
        name = custom_field(each.name)
        reason = claims.try_to_give(name, each.name, Found.CUSTOM) if name else "its name has no letter or digit"
        if reason:
            reasons[each.name] = reason
    return reasons


def _proposal(column: PresentColumn, claims: _Claims, reasons: Mapping[str, str]) -> Proposal:
    name, found = claims.found.get(column.name, ("", Found.NONE))
    return Proposal(
        column=column.name, id=column.id, type=column.type, field=name, found=found, reason=reasons.get(column.name, "")
    )
