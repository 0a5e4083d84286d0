"""What the People API's answers look like, by endpoint. Belongs here: shapes. Does not: what they mean.

Only what is read is named. Google leaves out a list that is empty and a text that is none, so those may be missing; a
page of a list must lead on or end with a sync token, which was asked for, lest one that was cut short passes for the
end. Source: the API's discovery document.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic reads those of typing from Python 3.12 on

from integrations_pipeline.providers.shapes import Id, Name, Shape, Text

ResourceName = Annotated[str, StringConstraints(pattern=r"^people/[0-9A-Za-z_-]{1,200}$")]
GroupName = Annotated[str, StringConstraints(pattern=r"^contactGroups/[0-9A-Za-z_-]{1,200}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,20000}$")]


class Source(TypedDict):
    type: NotRequired[Name]
    id: NotRequired[Text]
    etag: NotRequired[Text]
    updateTime: NotRequired[Name]


class Metadata(TypedDict):
    sources: NotRequired[list[Source]]
    previousResourceNames: NotRequired[list[ResourceName]]
    deleted: NotRequired[bool]


class Marks(TypedDict):
    primary: NotRequired[bool]
    sourcePrimary: NotRequired[bool]


class Item(TypedDict):
    metadata: NotRequired[Marks]
    value: NotRequired[Text]


class PersonName(Item):
    unstructuredName: NotRequired[Text]
    displayName: NotRequired[Text]
    honorificPrefix: NotRequired[Text]
    givenName: NotRequired[Text]
    middleName: NotRequired[Text]
    familyName: NotRequired[Text]
    honorificSuffix: NotRequired[Text]


class Organization(Item):
    name: NotRequired[Text]
    title: NotRequired[Text]
    department: NotRequired[Text]


class Keyed(Item):
    key: NotRequired[Text]


class GroupMembership(TypedDict):
    contactGroupResourceName: NotRequired[GroupName]


class Membership(TypedDict):
    contactGroupMembership: NotRequired[GroupMembership]


class Person(TypedDict):
    resourceName: ResourceName
    etag: NotRequired[Text]
    metadata: NotRequired[Metadata]
    names: NotRequired[list[PersonName]]
    emailAddresses: NotRequired[list[Item]]
    phoneNumbers: NotRequired[list[Item]]
    organizations: NotRequired[list[Organization]]
    biographies: NotRequired[list[Item]]
    nicknames: NotRequired[list[Item]]
    occupations: NotRequired[list[Item]]
    urls: NotRequired[list[Item]]
    userDefined: NotRequired[list[Keyed]]
    clientData: NotRequired[list[Keyed]]
    memberships: NotRequired[list[Membership]]


class Connections(TypedDict):
    connections: NotRequired[list[Person]]
    nextPageToken: NotRequired[Token]
    nextSyncToken: NotRequired[Token]
    totalItems: NotRequired[Annotated[int, Field(ge=0)]]


def _leads_on(page: Mapping[str, Any]) -> Mapping[str, Any]:
    if not (page.get("nextPageToken") or page.get("nextSyncToken")):
        raise ValueError("the page leads nowhere")
    return page


class Status(TypedDict):
    code: NotRequired[int]


class Response(TypedDict):
    requestedResourceName: NotRequired[Text]
    person: NotRequired[Person]
    httpStatusCode: NotRequired[int]
    status: NotRequired[Status]


class Asked(Response):
    requestedResourceName: ResourceName  # type: ignore[misc]  # here it must be there


class Got(TypedDict):
    responses: list[Asked]


class Created(TypedDict):
    createdPeople: list[Response]


class Updated(TypedDict):
    updateResult: dict[Text, Response]


class Group(TypedDict):
    resourceName: GroupName
    groupType: NotRequired[Name]
    name: NotRequired[Text]


class Groups(TypedDict):
    """The system's groups are always there."""

    contactGroups: list[Group]
    nextPageToken: NotRequired[Token]


class Whoever(TypedDict):
    resourceName: Id


CONNECTIONS = Shape(title="a page of contacts", kind=Annotated[Connections, AfterValidator(_leads_on)])
GOT = Shape(title="single contacts", kind=Got)
CREATED = Shape(title="new contacts", kind=Created)
UPDATED = Shape(title="changed contacts", kind=Updated)
DELETED = Shape(title="a deletion", kind=Annotated[dict[str, Any], Field(max_length=0)], or_nothing=True)
GROUPS = Shape(title="the labels", kind=Groups)
GROUP = Shape(title="a new label", kind=Group)
