"""Which column of the other side holds each mapped field now, and which fields are stopped because none does.

A column is known by its id, so that a rename is followed and two columns that swap their names do not swap their
values. A field whose column is gone, or has become one that holds something else, is *stopped*: neither side's value
moves until a person has looked. Belongs here: that comparison, pure. Does not: reading the schema (the providers).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import MappedField

#: Between the parts of a column that is several at the provider (FNAME+LNAME), in ids, names and types alike.
JOIN = "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownColumn:
    """A mapped field's column as a connection last saw it: how it is mapped, and its id, name and type there.

    `id` and `type` are "" where the provider does not tell its schema.
    """

    column: str
    direction: str = ""
    id: str = ""
    name: str = ""
    type: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON-ready, as it stands in the connection's cursor."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def is_of(self, mapped: MappedField) -> bool:
        """Whether the field is still mapped as it was then: a person who maps it anew has decided."""
        return self.column == mapped.column and self.direction in ("", mapped.direction.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentColumn:
    """A column that the provider has now; `choices`: the values it offers, where it holds one or several of a list."""

    id: str
    name: str
    type: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaLook:
    """What a look at the provider's schema came to.

    `mapping`: the fields that are synced, their columns under the present names. `columns`: what to remember of each
    mapped field. `stopped`: field → why it is left alone. `left_out`: the same for fields of the provider's default
    mapping whose column never was there. `problems`: what is wrong with fields that were never synced. `renewed`:
    fields whose column was made anew, so that what was agreed says nothing about it.
    """

    mapping: tuple[MappedField, ...] = ()
    columns: Mapping[str, KnownColumn] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    renewed: frozenset[str] = frozenset()
    #: Something is not as it was known: what was read under the old names must be read again.
    is_news: bool = False
    #: Every column there is, and what they can hold, for a person who maps them; no rules where no schema is told.
    present: tuple[PresentColumn, ...] = ()
    rules: "ColumnRules | None" = field(default=None, repr=False, compare=False)

    @property
    def silent(self) -> Mapping[str, str]:
        """Every field that moves in neither direction, with the reason."""
        return {**self.left_out, **self.stopped}

    def without(self, name: str, reason: str) -> "SchemaLook":
        """The same with one more field stopped."""
        return replace(
            self,
            mapping=tuple(mapped for mapped in self.mapping if mapped.name != name),
            stopped={**self.stopped, name: reason},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRules:
    """What a provider says of its columns. `parts`: the columns that a mapped one consists of. `family`: types whose
    values mean the same have one family. `problem`: why a column cannot hold a field, or ""; `told`: how a column is
    called in a message. `made_for`: type → the contact field that columns of this type are made for."""

    family: Callable[[str], str]
    problem: Callable[[MappedField, Sequence[PresentColumn]], str]
    told: Callable[[str], str]
    parts: Callable[[str], Sequence[str]] = lambda column: (column,)
    made_for: Mapping[str, str] = field(default_factory=dict)


def under_known_name(mapped: MappedField, known: KnownColumn | None) -> MappedField:
    """The field under the name that its column had when it was last seen."""
    if known is None or not known.name or not known.is_of(mapped):
        return mapped
    return replace(mapped, column=known.name)


class MappedColumns(ABC):
    """The columns of a mapping, looked at once per run. `known`: as the connection last saw them; until a look, their
    names of then are presumed. A provider says how it looks (`_take_a_look`). `looked`: what this run saw, None before
    it looked."""

    def __init__(self, mapping: Sequence[MappedField], known: Mapping[str, KnownColumn]) -> None:
        self._mapping = tuple(mapping)
        self._known = known
        self.looked: SchemaLook | None = None

    @property
    def mapping(self) -> tuple[MappedField, ...]:
        """The fields that are synced, by the present names of their columns."""
        if self.looked is not None:
            return self.looked.mapping
        return tuple(under_known_name(mapped, self._known.get(mapped.name)) for mapped in self._mapping)

    def require(self) -> SchemaLook:
        """The look of this run; `ConfigurationError` where a field was never mapped to a column that can hold it."""
        look = self.look()
        if look.problems:
            more = f" (and {len(look.problems) - 1} more problems)" if len(look.problems) > 1 else ""
            raise ConfigurationError(look.problems[0] + more)
        return look

    def look(self) -> SchemaLook:
        if self.looked is None:
            self.looked = self._take_a_look()
        return self.looked

    def forget(self) -> None:
        """Look again before the next use."""
        self.looked = None

    @abstractmethod
    def _take_a_look(self) -> SchemaLook: ...


def look_at(
    mapping: Sequence[MappedField],
    known: Mapping[str, KnownColumn],
    present: Sequence[PresentColumn],
    rules: ColumnRules,
) -> SchemaLook:
    """Find the column of every mapped field among those present.

    ==============================  =======================================================
    the column as last seen         the field
    ==============================  =======================================================
    has the same id                 follows it, whatever its name is now
    is gone, one of its name there  goes on with that one, as with a new link (`renewed`)
    is gone                         is stopped
    holds another kind of value     is stopped
    was never seen                  by name; else a problem, or left out if mapped by default
    ==============================  =======================================================
    """
    look = SchemaLook(present=tuple(present), rules=rules)
    taken: dict[str, str] = {}
    by_known_first = sorted(mapping, key=lambda mapped: mapped.name not in known)
    for mapped in by_known_first:
        look = _add(look, mapped, known.get(mapped.name), _find(mapped, known, present, rules), rules, taken)
    order = {mapped.name: i for i, mapped in enumerate(mapping)}
    ordered = tuple(sorted(look.mapping, key=lambda mapped: order[mapped.name]))
    is_known = all(known.get(mapped.name) == look.columns.get(mapped.name) for mapped in mapping)
    return replace(look, mapping=ordered, is_news=not is_known or bool(look.silent or look.problems))


def _find(
    mapped: MappedField, known: Mapping[str, KnownColumn], present: Sequence[PresentColumn], rules: ColumnRules
) -> list[PresentColumn | None]:
    """The present column of each part of a mapped one."""
    parts = list(rules.parts(mapped.column))
    seen = known.get(mapped.name)
    ids = seen.id.split(JOIN) if seen and seen.is_of(mapped) and seen.id else [""] * len(parts)
    by_id = {column.id: column for column in present if column.id}
    by_name = {column.name: column for column in present}
    return [by_id.get(key) or by_name.get(part) or by_id.get(part) for key, part in zip(ids, parts, strict=True)]


def _add(
    look: SchemaLook,
    mapped: MappedField,
    seen: KnownColumn | None,
    found: Sequence[PresentColumn | None],
    rules: ColumnRules,
    taken: dict[str, str],
) -> SchemaLook:
    """The look with one field more."""
    seen = seen if seen and seen.is_of(mapped) else None
    there = [column for column in found if column is not None]
    reason = _gone(mapped, found, rules) or _misfit(mapped, seen, there, rules) or _shared(there, taken, rules)
    if reason:
        return _with_reason(look, mapped, seen, reason)
    taken.update({column.id or column.name: mapped.name for column in there})
    now = KnownColumn(
        column=mapped.column,
        direction=mapped.direction.value,
        id=JOIN.join(column.id for column in there),
        name=JOIN.join(column.name for column in there),
        type=JOIN.join(column.type for column in there),
    )
    is_renewed = seen is not None and bool(seen.id) and seen.id != now.id
    return replace(
        look,
        mapping=(*look.mapping, replace(mapped, column=now.name)),
        columns={**look.columns, mapped.name: now},
        renewed=look.renewed | {mapped.name} if is_renewed else look.renewed,
    )


def _with_reason(look: SchemaLook, mapped: MappedField, seen: KnownColumn | None, reason: str) -> SchemaLook:
    if seen is not None:
        columns = {**look.columns, mapped.name: seen}
        return replace(look, columns=columns, stopped={**look.stopped, mapped.name: reason})
    if mapped.is_default:
        return replace(look, left_out={**look.left_out, mapped.name: reason})
    return replace(look, problems=(*look.problems, reason))


def _gone(mapped: MappedField, found: Sequence[PresentColumn | None], rules: ColumnRules) -> str:
    missing = [part for part, column in zip(rules.parts(mapped.column), found, strict=True) if column is None]
    if not missing:
        return ""
    return f"{rules.told(missing[0])} does not exist (mapped from {mapped.name}): make it there or change field_mapping"


def _misfit(mapped: MappedField, seen: KnownColumn | None, there: Sequence[PresentColumn], rules: ColumnRules) -> str:
    problem = rules.problem(mapped, there)
    if problem or seen is None or not seen.type:
        return problem
    for before, column in zip(seen.type.split(JOIN), there, strict=True):
        if rules.family(before) != rules.family(column.type):
            return (
                f"{rules.told(column.name)} was {before} and is {column.type} now: look at its values, then "
                f"`integrations connections accept` goes on with {mapped.name}"
            )
    return ""


def _shared(there: Sequence[PresentColumn], taken: Mapping[str, str], rules: ColumnRules) -> str:
    twice = [column for column in there if (column.id or column.name) in taken]
    if not twice:
        return ""
    holder = taken[twice[0].id or twice[0].name]
    return f"{rules.told(twice[0].name)} holds {holder} already: change field_mapping"
