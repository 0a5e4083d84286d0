"""What HubSpot's answers look like, by endpoint. Belongs here: shapes. Does not: what they mean.

Source: the official descriptions of the CRM objects, properties and subscription APIs.
"""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic reads those of typing from Python 3.12 on

from integrations_pipeline.providers.shapes import Id, Name, Shape, Text, Time


class Contact(TypedDict):
    id: Id
    properties: dict[str, Text | None]
    createdAt: NotRequired[Time | None]
    archived: NotRequired[bool | None]
    objectWriteTraceId: NotRequired[Text | None]


class Next(TypedDict):
    after: Id


class Paging(TypedDict):
    next: NotRequired[Next | None]


class ContactPage(TypedDict):
    results: list[Contact]
    paging: NotRequired[Paging | None]


class SearchPage(TypedDict):
    total: int
    results: list[Contact]


class Refused(TypedDict):
    category: NotRequired[Text | None]
    message: NotRequired[Text | None]
    context: NotRequired[dict[str, list[Text]] | None]
    errors: NotRequired[list[Any] | None]


class BatchAnswer(TypedDict):
    results: list[Contact]
    errors: NotRequired[list[Refused] | None]


class Option(TypedDict):
    value: Text
    label: NotRequired[Text | None]


class Modification(TypedDict):
    readOnlyValue: NotRequired[bool | None]


class Property(TypedDict):
    name: Name
    type: NotRequired[Name | None]
    fieldType: NotRequired[Name | None]
    createdAt: NotRequired[Time | None]
    options: NotRequired[list[Option] | None]
    calculated: NotRequired[bool | None]
    modificationMetadata: NotRequired[Modification | None]


class Properties(TypedDict):
    results: list[Property]


class Account(TypedDict):
    portalId: int


class Status(TypedDict):
    status: Text


class Statuses(TypedDict):
    results: list[Status]


CONTACT = Shape(title="a contact", kind=Contact)
CONTACTS = Shape(title="a page of contacts", kind=ContactPage)
SEARCH = Shape(title="a page of a search", kind=SearchPage)
BATCH = Shape(title="a batch of contacts", kind=BatchAnswer)
PROPERTIES = Shape(title="the properties of contacts", kind=Properties)
ACCOUNT = Shape(title="the account", kind=Account)
STATUSES = Shape(title="the subscriptions of an address", kind=Statuses)
