"""Reading the body that describes a member, before anything is looked up.

Belongs here: the schema of one member in a request. Does not belong here: what the audience says to it.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from integrations_sandbox.mailchimp import errors, merge_values
from integrations_sandbox.mailchimp.consent import STATUSES
from integrations_sandbox.mailchimp.errors import FieldError
from integrations_sandbox.mailchimp.model import whole
from integrations_sandbox.wire import JsonObject

EMAIL_TYPES = ("html", "text")
_TEXTS = ("email_address", "email_type", "language", "ip_signup", "ip_opt", "status", "status_if_new")
_KEPT_AS_SENT: tuple[str, ...] = ("email_type", "language", "ip_signup", "ip_opt", "vip")
_TIMES: tuple[str, ...] = ("timestamp_signup", "timestamp_opt")
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s.,;<>\"]+(\.[^@\s.,;<>\"]+)+")
#: Both forms that are documented for times in requests; the first is UTC.
_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberInput:
    """What a request says about one member; None where it says nothing. `attributes` are fields of `Member`.

    `merge_fields` is None when the request has none, which is not the same as an empty object.
    """

    email_address: str | None = None
    status: str | None = None
    status_if_new: str | None = None
    merge_fields: JsonObject | None = None
    tags: tuple[str, ...] | None = None
    attributes: JsonObject = field(default_factory=dict)


def read_member(document: Any, *, allows_null: bool = False) -> MemberInput:
    """`allows_null` is the batch endpoint's tolerance: null then reads as if it were not there.

    Raises WireError, "Invalid Resource" with a message per field. Interests and marketing permissions are
    accepted and forgotten: the sandbox has none.
    """
    if not isinstance(document, dict):
        raise errors.invalid_resource(errors.not_of_type("", "object", document))
    if allows_null:
        document = _without_null(document)
    refusals = _schema_errors(document)
    if refusals:
        raise errors.invalid_resource(*refusals)
    email = document.get("email_address")
    return MemberInput(
        email_address=None if email is None else email.strip(),
        status=document.get("status"),
        status_if_new=document.get("status_if_new"),
        merge_fields=document.get("merge_fields"),
        tags=tuple(document["tags"]) if "tags" in document else None,
        attributes=_attributes(document),
    )


def is_email(text: str) -> bool:
    return bool(_EMAIL.fullmatch(text))


def _without_null(document: JsonObject) -> JsonObject:
    kept = {key: value for key, value in document.items() if value is not None}
    for key in ("merge_fields", "location"):
        if isinstance(kept.get(key), dict):
            kept[key] = {tag: value for tag, value in kept[key].items() if value is not None}
    return kept


def _schema_errors(document: JsonObject) -> list[FieldError]:
    found = [errors.not_of_type(key, "string", document[key]) for key in _TEXTS if _is_other(document, key, str)]
    found += [errors.not_of_type(key, "string", document[key]) for key in _TIMES if _is_other(document, key, str)]
    if _is_other(document, "vip", bool):
        found.append(errors.not_of_type("vip", "boolean", document["vip"]))
    for key, choices in (("status", STATUSES), ("status_if_new", STATUSES), ("email_type", EMAIL_TYPES)):
        if isinstance(document.get(key), str) and document[key] not in choices:
            found.append(errors.not_accepted(key, choices))
    # Assumed: the wording for a time.
    found += [(key, "Please enter a date and time") for key in _TIMES if _is_no_time(document.get(key))]
    return found + _nested_errors(document)


def _nested_errors(document: JsonObject) -> list[FieldError]:
    objects = ("merge_fields", "location")
    found = [errors.not_of_type(key, "object", document[key]) for key in objects if _is_other(document, key, dict)]
    if isinstance(document.get("merge_fields"), dict):
        found += merge_values.schema_errors(document["merge_fields"])
    tags = document.get("tags", [])
    if not isinstance(tags, list):
        return [*found, errors.not_of_type("tags", "array", tags)]
    return found + [errors.not_of_type("tags", "string", each) for each in tags if not isinstance(each, str)]


def _is_other(document: JsonObject, key: str, wanted: type) -> bool:
    return key in document and not isinstance(document[key], wanted)


def _is_no_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and _time(value) is None and value != ""
    except ValueError:
        return True


def _time(text: str) -> datetime | None:
    if _PLAIN_TIME.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return whole(datetime.fromisoformat(text)) if _ISO_TIME.fullmatch(text) else None


def _attributes(document: JsonObject) -> JsonObject:
    location = document.get("location", {})
    return (
        {key: document[key] for key in _KEPT_AS_SENT if key in document}
        | {key: _time(document[key]) for key in _TIMES if key in document}
        | {key: _degrees(location[key]) for key in ("latitude", "longitude") if key in location}
    )


def _degrees(value: Any) -> float:
    """Numbers come as numbers or as text. Assumed: anything else is nought."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0
