"""What Mailchimp's answers look like, by endpoint. Belongs here: shapes. Does not: what they mean.

Only what is read is named, and what may be missing is told apart from what must be there: a member without an id, a
list without its total and a batch without its three lists are no answers. Source: the Marketing API's reference.
"""

from typing import Annotated, Any, NotRequired

from pydantic import Field, GetPydanticSchema, StringConstraints
from pydantic_core.core_schema import is_instance_schema
from typing_extensions import TypedDict  # pydantic reads those of typing from Python 3.12 on

from integrations_pipeline.providers.shapes import Id, MaybeId, Name, Shape, Text, Time

Count = Annotated[int, Field(ge=0, le=10**9)]

#: A text, a number, or the parts of an address; never a list.
MergeValue = Annotated[Any, GetPydanticSchema(lambda _kind, _handler: is_instance_schema(_MERGE_VALUES))]
_MERGE_VALUES = (str, int, float, dict, type(None))


class Tag(TypedDict):
    name: Text


class Values(TypedDict):
    merge_fields: NotRequired[dict[str, MergeValue] | None]


class OfBatch(Values):
    """A member as a batch answers it: with less than elsewhere."""

    email_address: Text
    id: NotRequired[Id | None]
    contact_id: NotRequired[MaybeId | None]
    status: NotRequired[Text | None]
    tags: NotRequired[list[Tag] | None]
    tags_count: NotRequired[Count | None]
    last_changed: NotRequired[Time | None]


class Member(Values):
    id: Id
    contact_id: NotRequired[MaybeId | None]
    email_address: NotRequired[Text | None]
    status: NotRequired[Text | None]
    tags: NotRequired[list[Tag] | None]
    tags_count: NotRequired[Count | None]
    last_changed: NotRequired[Time | None]
    timestamp_opt: NotRequired[Time | None]
    ip_opt: NotRequired[Text | None]


class MemberPage(TypedDict):
    members: list[Member]
    total_items: Count


class TagPage(TypedDict):
    tags: list[Tag]
    total_items: Count


class FoundTag(TypedDict):
    id: int
    name: Text


class FoundTags(TypedDict):
    tags: list[FoundTag]


class Segment(TypedDict):
    members_removed: list[OfBatch]


class Refused(TypedDict):
    email_address: NotRequired[Text | None]
    error: NotRequired[Text | None]
    error_code: NotRequired[Text | None]
    field: NotRequired[Text | None]
    field_message: NotRequired[Text | None]


class BatchAnswer(TypedDict):
    new_members: list[OfBatch]
    updated_members: list[OfBatch]
    errors: list[Refused]


class Options(TypedDict):
    choices: NotRequired[list[Text] | None]


class MergeField(TypedDict):
    tag: Name
    merge_id: NotRequired[int | Id | None]
    type: NotRequired[Name | None]
    options: NotRequired[Options | None]
    required: NotRequired[bool | None]


class MergeFields(TypedDict):
    merge_fields: list[MergeField]


class Audience(TypedDict):
    id: Id


class Account(TypedDict):
    pricing_plan_type: NotRequired[Text | None]
    total_subscribers: NotRequired[Count | None]


class Metadata(TypedDict):
    dc: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}[0-9]{1,3}$")]


AUDIENCE = Shape(title="an audience", kind=Audience)
ACCOUNT = Shape(title="the account", kind=Account)
MERGE_FIELDS = Shape(title="the merge fields of an audience", kind=MergeFields)
MERGE_FIELD = Shape(title="a new merge field", kind=MergeField)
MEMBERS = Shape(title="a page of members", kind=MemberPage)
MEMBER = Shape(title="a member", kind=Member)
TAGS = Shape(title="a member's tags", kind=TagPage)
FOUND_TAGS = Shape(title="the tags of a name", kind=FoundTags)
SEGMENT = Shape(title="the members of a tag", kind=Segment)
BATCH = Shape(title="a batch of members", kind=BatchAnswer)
METADATA = Shape(title="the data centre of an account", kind=Metadata)
