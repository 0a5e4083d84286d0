"""Contacts that a caller hands in, as Python has them, read strictly.

    tags            list, tuple or set of texts         name, company … text or None; a whole number is taken as text
    email_opt_out   True or False                       custom_fields   a dict of JSON values, or custom_fields.KEY

A key that is missing is not told, None is empty. Belongs here: that reading; nothing is guessed, and no message repeats
a value. Does not: what is stored already (`store.contact_rows`).
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import isnan
from typing import Any, TypeVar
from uuid import UUID

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CUSTOM_PREFIX, clean_text, is_contact_field
from integrations_pipeline.store.contact_rows import ContactEdit, Saved
from integrations_pipeline.store.rows import TEXT_FIELDS

#: Of what `get_workspace_contacts` gives, what is not the caller's to write.
GIVEN_ALONG = frozenset({"email_opt_out_at", "created_at", "updated_at", "deleted_at"})


Edit = TypeVar("Edit")


class RowError(ConfigurationError):
    """One row cannot be taken; the others can."""


class OwnEdits:
    """What one instance wrote on contacts: its caller still holds the versions of before, and has seen nothing less."""

    def __init__(self) -> None:
        self._spans: dict[UUID, tuple[int, int]] = {}

    def applied(self, edits: Iterable[ContactEdit]) -> list[ContactEdit]:
        """The edits, with the version that our own last write left in place of one before it."""
        return [replace(edit, version=self._version(edit)) for edit in edits]

    def _version(self, edit: ContactEdit) -> int | None:
        first, last = self._spans.get(edit.contact_id or UUID(int=0), (0, 0))
        return last if edit.version is not None and first <= edit.version <= last else edit.version

    def note(self, edits: Iterable[ContactEdit], saved: Saved) -> None:
        """Remember which versions lie behind those that were written."""
        for edit in edits:
            key, read = edit.contact_id, edit.version
            if key is not None and read is not None and key in saved.versions:
                first = min(read, self._spans.get(key, (read, 0))[0])
                self._spans[key] = (first, saved.versions[key])


def rows_of(data: Any, what: str) -> list[Mapping[str, Any]]:
    """The rows handed in; None is none. `ConfigurationError` for what is no list of dicts."""
    if data is None:
        return []
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise ConfigurationError(f"expected a list of {what}, each a dict, not {kind_of(data)}")
    rows = list(data)
    for place, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ConfigurationError(f"expected a list of {what}, each a dict: number {place} is {kind_of(row)}")
    return rows


def read_each(
    read: Callable[[Mapping[str, Any], int, UUID], Edit], rows: Iterable[Mapping[str, Any]], workspace_id: UUID
) -> tuple[list[Edit], dict[int, str]]:
    """What the rows tell, and why some cannot be taken, by their number from 1."""
    edits: list[Edit] = []
    problems: dict[int, str] = {}
    for place, row in enumerate(rows, 1):
        try:
            edits.append(read(row, place, workspace_id))
        except RowError as error:
            problems[place] = str(error)
    return edits, problems


def read_contact(row: Mapping[str, Any], place: int, workspace_id: UUID) -> ContactEdit:
    """What one row tells; `RowError` for what cannot be meant."""
    require_own(row, workspace_id)
    version = row.get("version")
    if version is not None and (type(version) is not int):
        raise RowError("version is no whole number: leave it as it was read")
    values: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    for name, value in row.items():
        if name in GIVEN_ALONG or name in ("id", "workspace_id", "version"):
            continue
        _require_known(name)
        if name.startswith(CUSTOM_PREFIX):
            custom[name.removeprefix(CUSTOM_PREFIX)] = _json(value, name)
        elif name == "custom_fields":
            values[name] = _custom(value)
        elif name != "email_opt_out" or value is not None:  # None says neither
            values[name] = _VALUES.get(name, text_or_none)(value, name)
    if custom:
        values["custom_fields"] = {**(values.get("custom_fields") or {}), **custom}
    contact_id = id_or_none(row.get("id"), "id")
    return ContactEdit(place=place, contact_id=contact_id, version=version, values=values)


def require_own(row: Mapping[str, Any], workspace_id: UUID) -> None:
    """Refuse a row that was read in another workspace."""
    if id_or_none(row.get("workspace_id"), "workspace_id") not in (None, workspace_id):
        raise RowError("it belongs to another workspace")


def id_or_none(value: Any, name: str) -> UUID | None:
    """A UUID, also as text."""
    try:
        return value if value is None or isinstance(value, UUID) else UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise RowError(f"{name} is no UUID") from None


def text_or_none(value: Any, name: str) -> str | None:
    """A text without outer blanks; None for an empty one."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise RowError(f"{name} is {kind_of(value)}: give a text, or None for empty")
    return clean_text(str.__str__(value)).strip() or None if value is not None else None


def kind_of(value: Any) -> str:
    """`a list`, `an int`: what a message may say of a value."""
    if isinstance(value, float) and isnan(value):
        return "not a number (nan)"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _require_known(name: Any) -> None:
    if not isinstance(name, str) or not (name == "custom_fields" or is_contact_field(name)):
        raise RowError(
            f"unknown field {clean_text(str(name))!r}: use {', '.join(TEXT_FIELDS)}, tags, email_opt_out, custom_fields"
        )


def _tags(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Collection):
        raise RowError(f'{name} is {kind_of(value)}: give a list, as ["press", "radio"]')
    members = [text_or_none(member, "one of its tags") for member in value]
    found = dict.fromkeys(member for member in members if member)
    return sorted(found) if isinstance(value, (set, frozenset)) else list(found)


def _opt_out(value: Any, name: str) -> bool:
    if type(value) is not bool:
        raise RowError(f"{name} is {kind_of(value)}: give True or False, nothing else says what somebody wants")
    return value


_VALUES = {"tags": _tags, "email_opt_out": _opt_out}


def _custom(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise RowError(f"custom_fields is {kind_of(value)}: give a dict")
    for key in value:
        if not isinstance(key, str) or not key.strip():
            raise RowError("custom_fields has a key that is no text")
    return {clean_text(key): _json(inner, f"{CUSTOM_PREFIX}{clean_text(key)}") for key, inner in value.items()}


def _json(value: Any, name: str) -> Any:
    """The value as JSON has it: times and ids as texts, tuples as lists; "" is None."""
    try:
        told = json.loads(json.dumps(value, default=_as_text, allow_nan=False, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        raise RowError(f"{name} is {kind_of(value)} or holds something that JSON has no word for") from None
    return None if told == "" else told


def _as_text(value: Any) -> str:
    if isinstance(value, date):  # a datetime, too
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    raise TypeError
