"""What Airtable's answers look like, by endpoint. Belongs here: shapes. Does not: what they mean (`cells`, `feed`).

Only what is read is named. Source: the Web API's reference. A record whose cells are left out is told by `wire`, which
knows what that means.
"""

from typing import Annotated, Any, NotRequired

from pydantic import Field, GetPydanticSchema
from pydantic_core.core_schema import is_instance_schema
from typing_extensions import TypedDict  # pydantic reads those of typing from Python 3.12 on

from integrations_pipeline.providers.shapes import Id, Name, Shape, Time

#: Of JSON, so its keys are texts.
Cells = Annotated[dict[str, Any], GetPydanticSchema(lambda _kind, _handler: is_instance_schema(dict))]


class Record(TypedDict):
    id: Id
    fields: NotRequired[Cells]


class Records(TypedDict):
    """A page of a listing, or the answer to a write."""

    records: list[Record]
    offset: NotRequired[str | None]


class Column(TypedDict):
    id: Id
    name: Name
    type: NotRequired[Name]
    options: NotRequired[Any]


class Table(TypedDict):
    id: Id
    name: Name
    fields: list[Column]


class Schema(TypedDict):
    tables: list[Table]


class Whoami(TypedDict):
    id: Id
    scopes: NotRequired[list[Name] | None]


class Base(TypedDict):
    id: Id
    permissionLevel: NotRequired[Name | None]


class Bases(TypedDict):
    bases: list[Base]
    offset: NotRequired[str | None]


Position = Annotated[int, Field(ge=0, le=2**53)]


class Webhook(TypedDict):
    id: Id
    isHookEnabled: NotRequired[bool | None]
    cursorForNextPayload: NotRequired[Position]


class Webhooks(TypedDict):
    webhooks: list[Webhook]


class Made(TypedDict):
    id: Id


class CellsById(TypedDict):
    cellValuesByFieldId: NotRequired[dict[str, Any] | None]


class Changed(TypedDict):
    current: NotRequired[CellsById | None]


class TableChange(TypedDict):
    createdRecordsById: NotRequired[dict[Id, CellsById] | None]
    changedRecordsById: NotRequired[dict[Id, Changed] | None]
    destroyedRecordIds: NotRequired[list[Id] | None]


class Payload(TypedDict):
    timestamp: NotRequired[Time | None]
    changedTablesById: NotRequired[dict[str, TableChange | None] | None]


class Payloads(TypedDict):
    payloads: list[Payload]
    cursor: Position
    mightHaveMore: NotRequired[bool | None]


RECORDS = Shape(title="a page of records", kind=Records)
WRITTEN = Shape(title="a write of records", kind=Records)
SCHEMA = Shape(title="the schema of a base", kind=Schema)
WHOAMI = Shape(title="whose token it is", kind=Whoami)
BASES = Shape(title="the bases of a token", kind=Bases)
COLUMN = Shape(title="a new column", kind=Column)
WEBHOOKS = Shape(title="the webhooks of a base", kind=Webhooks)
WEBHOOK = Shape(title="a new webhook", kind=Made)
PAYLOADS = Shape(title="the payloads of a webhook", kind=Payloads)
