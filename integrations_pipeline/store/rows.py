"""Contact fields as SQL and JSON: the one place where field names meet column names.

Belongs here: the allow-list of columns and the conversions between field texts and what tables hold.
Does not: statements. Sets are arrays in tables and JSON, and `SET_SEPARATOR` text in frames.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import (
    CONSENT_IN_AT,
    CONSENT_UNASKED,
    CUSTOM_PREFIX,
    clean_text,
    join_set,
    split_set,
    unknown_fields,
)

SET_FIELDS = frozenset({"tags"})
TEXT_FIELDS = ("email", "name", "company", "job_title", "phone")
#: The words for consent in texts, in lower case without outer blanks.
OPTED_OUT_WORDS = ("true", "1", "yes")
NOT_OPTED_OUT_WORDS = ("false", "0", "no", "")
#: The separator of `model.SET_SEPARATOR`, in SQL.
_UNIT = "chr(31)"


#: The custom fields of `workspace_contacts c`, each as a text: other programs may have put anything there, what is no
#: object, and values nested deeper than Python reads.
CUSTOM_TEXTS = """
    (select jsonb_object_agg(e.key, e.value) from jsonb_each_text(
        case when jsonb_typeof(c.custom_fields) = 'object' then c.custom_fields else '{}' end) e)
"""


def check_names(names: Iterable[str]) -> None:
    """Refuse a name that is no contact field, before it gets near a statement."""
    for name in unknown_fields(names):
        raise ConfigurationError(
            f"unknown contact field {name!r}: use email, name, company, job_title, phone, tags, "
            "email_opt_out or custom_fields.KEY"
        )


def contact_columns(
    names: Sequence[str], *, consent: str = "case when c.email_opt_out then 'true' else '' end"
) -> tuple[str, dict[str, str]]:
    """Select list of these fields of `workspace_contacts c` as texts, and its bound parameters.

    `consent`: what tells an opt-out, where the contact's own flag is not all.
    """
    check_names(names)
    parts: list[str] = []
    bound: dict[str, str] = {}
    for i, name in enumerate(names):
        if name in TEXT_FIELDS:
            parts.append(f"coalesce(c.{name}, '')")
        elif name in SET_FIELDS:
            parts.append(f"array_to_string(c.{name}, {_UNIT})")
        elif name == "email_opt_out":
            parts.append(consent)
        else:
            bound[f"key_{i}"] = name.removeprefix(CUSTOM_PREFIX)
            parts.append(f"coalesce(c.custom_fields ->> :key_{i}, '')")
    return "".join(f", {part} as f{i}" for i, part in enumerate(parts)), bound


def base_columns(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Select list of these fields of `integration_links l` as texts (null where never agreed)."""
    check_names(names)
    parts = []
    for i, name in enumerate(names):
        if name in SET_FIELDS:
            parts.append(
                f"(select string_agg(m.value, {_UNIT} order by m.ordinality) from "  # noqa: S608 - constants
                f"jsonb_array_elements_text(l.base -> :name_{i}) with ordinality m) as f{i}"
            )
        else:
            parts.append(f"l.base ->> :name_{i} as f{i}")
    return "".join(f", {part}" for part in parts), {f"name_{i}": name for i, name in enumerate(names)}


def to_json(fields: Mapping[str, str]) -> dict[str, Any]:
    """Field texts as the journal and the base hold them: sets as arrays."""
    return {name: split_set(value) if name in SET_FIELDS else value for name, value in fields.items()}


def from_json(fields: Mapping[str, Any] | None) -> dict[str, str]:
    """The reverse of `to_json`."""
    return {
        name: join_set(value) if isinstance(value, list) else str(value or "") for name, value in (fields or {}).items()
    }


def custom_texts(custom: Any) -> dict[str, str]:
    """Custom fields as texts by field name, as `->>` gives them."""
    told = custom if isinstance(custom, dict) else {}
    return {
        f"{CUSTOM_PREFIX}{key}": value
        if isinstance(value, str)
        else ""
        if value is None
        else json.dumps(value, ensure_ascii=False)
        for key, value in told.items()
    }


def read_opt_out(text: str) -> bool | None:
    """Whether a text says that somebody opted out; None where it is no word for either: that is never guessed."""
    word = text.strip().lower()
    return True if word in OPTED_OUT_WORDS else False if word in NOT_OPTED_OUT_WORDS else None


def to_patch(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields to write on a contact, as the statements of `contacts` take them; "" clears. All are texts, but for custom
    fields, which may be whatever JSON has.

    Consent comes as the words of `model`: the person's own opt-in brings its time along, `unasked` says nothing, and
    what is no word at all stays text, which Postgres refuses for that row alone.
    """
    check_names(fields)
    patch: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    for name, value in fields.items():
        if name.startswith(CUSTOM_PREFIX):
            custom[name.removeprefix(CUSTOM_PREFIX)] = None if value == "" else value
        elif name == "email_opt_out":
            patch |= _consent_patch(value)
        else:
            patch[name] = split_set(value) if name in SET_FIELDS else value
    return patch | ({"custom_fields": custom} if custom else {})


def _consent_patch(value: str) -> dict[str, Any]:
    if value == CONSENT_UNASKED:
        return {}
    if value.startswith(CONSENT_IN_AT):
        return {"email_opt_out": False, "opted_in_at": value.removeprefix(CONSENT_IN_AT)}
    told = read_opt_out(value)
    # The name of the field in front: Postgres has words of its own for true and false, `on` and `y` among them.
    return {"email_opt_out": f"email_opt_out {value!r}" if told is None else told}


def dump(values: Any) -> str:
    """A bound JSON parameter; texts in it are cleaned of what Postgres cannot hold."""
    try:
        told = _to_text(values)
    except ValueError:
        # Halves of characters, which no UTF-8 has.
        return _to_text(_cleaned(values))
    # JSON escapes a NUL: hardly any text has one.
    return told if "\\u0000" not in told else _to_text(_cleaned(values))


def _to_text(values: Any) -> str:
    """pydantic's writer takes a fifth of the time of the standard library's."""
    from pydantic_core import to_json  # noqa: PLC0415 - where rows are written; most commands write none

    return to_json(values, fallback=_plain).decode()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(inner) for inner in value]
    return value
