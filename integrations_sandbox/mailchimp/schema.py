"""Making and changing merge fields: those that every new audience has, and those that a request describes.

Belongs here: tags, types and options of fields. Does not belong here: members' values (`merge_values`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations_sandbox.mailchimp import errors, merge_values
from integrations_sandbox.mailchimp.errors import FieldError
from integrations_sandbox.mailchimp.model import Audience, MergeField
from integrations_sandbox.wire import JsonObject

#: From the help pages.
TAG_LENGTH = 10
_TAG = re.compile(rf"[A-Z0-9_]{{1,{TAG_LENGTH}}}")
_TEXTS = ("name", "type", "tag", "default_value", "help_text")
#: What a PATCH may change besides tag and options: the words of the API, and of the model.
_ATTRIBUTES = {
    "name": "name",
    "required": "is_required",
    "public": "is_public",
    "default_value": "default_value",
    "display_order": "display_order",
    "help_text": "help_text",
}
_CHOICE_TYPES = frozenset(["dropdown", "radio"])

#: The fields of a new audience. The address of a member is no merge field.
DEFAULT_FIELDS: tuple[JsonObject, ...] = (
    {"tag": "FNAME", "name": "First Name", "type": "text"},
    {"tag": "LNAME", "name": "Last Name", "type": "text"},
    {"tag": "ADDRESS", "name": "Address", "type": "address"},
    {"tag": "PHONE", "name": "Phone Number", "type": "phone", "options": {"phone_format": "none"}},
    {"tag": "BIRTHDAY", "name": "Birthday", "type": "birthday", "options": {"date_format": "MM/DD"}},
)
_DEFAULT_OPTIONS: dict[str, JsonObject] = {
    "text": {"size": 25},
    "address": {"default_country": 164},
    "phone": {"phone_format": "none"},
    "date": {"date_format": "MM/DD/YYYY"},
    "birthday": {"date_format": "MM/DD"},
}


def add_fields(audience: Audience, descriptions: Sequence[JsonObject | str]) -> None:
    """A plain text such as "COMPANY" stands for a text field with that tag."""
    for each in descriptions:
        add_field(audience, {"tag": each, "name": each.capitalize(), "type": "text"} if isinstance(each, str) else each)


def add_field(audience: Audience, document: Any) -> MergeField:
    """Raises WireError. A field without a tag gets one such as MMERGE6."""
    if not isinstance(document, dict):
        raise errors.invalid_resource(errors.not_of_type("", "object", document))
    refusals = _schema_errors(document)
    if refusals:
        raise errors.invalid_resource(*refusals)
    number = max((each.merge_id for each in audience.merge_fields), default=0) + 1
    tag = str(document.get("tag") or f"MMERGE{number}").upper()
    if audience.merge_field(tag) is not None:
        raise errors.merge_tag_taken(tag)
    kind = document["type"]
    field = MergeField(
        merge_id=number,
        tag=tag,
        name=document["name"],
        type=kind,
        is_required=document.get("required", False),
        default_value=document.get("default_value", ""),
        is_public=document.get("public", False),
        display_order=document.get("display_order", number + 1),
        options=_DEFAULT_OPTIONS.get(kind, {}) | document.get("options", {}),
        help_text=document.get("help_text", ""),
    )
    audience.merge_fields.append(field)
    audience.revision += 1
    return field


def change_field(audience: Audience, field: MergeField, document: Any) -> None:
    """What a PATCH does. Raises WireError. Assumed: a name may be missing, though the specification requires one."""
    if not isinstance(document, dict):
        raise errors.invalid_resource(errors.not_of_type("", "object", document))
    refusals = _schema_errors({"name": field.name, "options": field.options} | document | {"type": field.type})
    if refusals:
        raise errors.invalid_resource(*refusals)
    tag = str(document.get("tag") or field.tag).upper()
    if audience.merge_field(tag) not in (None, field):
        raise errors.merge_tag_taken(tag)
    retag(audience, {field.tag: tag})
    for key, attribute in _ATTRIBUTES.items():
        setattr(field, attribute, document.get(key, getattr(field, attribute)))
    field.options = field.options | document.get("options", {})


def change_type(audience: Audience, field: MergeField, kind: str) -> None:
    """Only people can. Assumed: values that the new type would refuse are lost."""
    if kind not in merge_values.TYPES:
        raise errors.invalid_resource(errors.not_accepted("type", merge_values.TYPES))
    field.type, field.options = kind, _DEFAULT_OPTIONS.get(kind, {}) | field.options
    for member in audience.members.values():
        if field.tag in member.values:
            checked = merge_values.check([field], {field.tag: member.values.pop(field.tag)}).values
            member.values.update({tag: value for tag, value in checked.items() if value != ""})
    audience.revision += 1


def delete_field(audience: Audience, field: MergeField) -> None:
    audience.merge_fields.remove(field)
    for member in audience.members.values():
        member.values.pop(field.tag, None)
    audience.revision += 1


def retag(audience: Audience, tags: Mapping[str, str]) -> None:
    """Gives fields other tags, old to new, all at once; each member's values go with their field."""
    for field in audience.merge_fields:
        field.tag = tags.get(field.tag, field.tag)
    for member in audience.members.values():
        member.values = {tags.get(tag, tag): value for tag, value in member.values.items()}
    audience.revision += 1


def _schema_errors(document: JsonObject) -> list[FieldError]:
    found = [errors.not_provided(key) for key in ("name", "type") if key not in document]
    for names, wanted, word in (
        (_TEXTS, str, "string"),
        (("required", "public"), bool, "boolean"),
        (("display_order",), int, "integer"),
        (("options",), dict, "object"),
    ):
        found += [
            errors.not_of_type(key, word, document[key])
            for key in names
            if key in document and not isinstance(document[key], wanted)
        ]
    return found or _value_errors(document)


def _value_errors(document: JsonObject) -> list[FieldError]:
    # Assumed: the wordings of the last two.
    if document["type"] not in merge_values.TYPES:
        return [errors.not_accepted("type", merge_values.TYPES)]
    if document.get("tag") and not _TAG.fullmatch(document["tag"].upper()):
        return [("tag", f"Merge tags are letters, digits and underscores, and {TAG_LENGTH} characters at most.")]
    if document["type"] in _CHOICE_TYPES and not document.get("options", {}).get("choices"):
        return [("options.choices", "Please provide at least one choice.")]
    return []
