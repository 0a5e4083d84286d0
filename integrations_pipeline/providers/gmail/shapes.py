"""What Gmail's answers look like, by endpoint. Belongs here: shapes. Does not: what they mean (`mailbox`, `wire`).

Only what is read is named. Gmail leaves out a list that is empty and a text that is none, so those may be missing; what
every answer of its kind has must be there, lest a wrong one is taken for an empty one: a page says at least how many
there are, a mailbox has its own address, a message has a time and headers. Source: the API's discovery document.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic reads those of typing from Python 3.12 on

from integrations_pipeline.providers.shapes import Id, Name, Shape, Text

Address = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x20]{1,255}@[^\x00-\x20@]{1,255}$")]
#: A uint64, which JSON cannot hold as a number.
HistoryId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
#: Milliseconds of Unix time; before 1970 where somebody imported a message with such a date. Until the year 2286.
InternalDate = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,13}$")]
PageToken = Annotated[str, StringConstraints(pattern=r"^[!-~]{0,2000}$")]
Count = Annotated[int, Field(ge=0, lt=2**32)]
#: base64url that can be decoded, with padding or without.
Base64 = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2}(==)?|[A-Za-z0-9_-]{3}=?|[A-Za-z0-9_-]{4})$"),
]


def _says_something(page: Mapping[str, Any]) -> Mapping[str, Any]:
    """A page may lack any of its keys, but not all: an empty one has its estimate, or the mailbox's history id."""
    if not page:
        raise ValueError("nothing of a page is there")
    return page


class Profile(TypedDict):
    emailAddress: Address
    historyId: HistoryId


class Alias(TypedDict):
    sendAsEmail: Address
    displayName: NotRequired[Name]
    isPrimary: NotRequired[bool]
    isDefault: NotRequired[bool]
    verificationStatus: NotRequired[Name]


class Aliases(TypedDict):
    """The mailbox's own address is always among them."""

    sendAs: Annotated[list[Alias], Field(min_length=1)]


class Named(TypedDict):
    id: Id


class Reference(Named):
    """A message as lists and writes tell it; of its labels some tell now and then."""

    threadId: Id
    labelIds: NotRequired[list[Text]]


class Draft(Named):
    message: Reference


class Header(TypedDict):
    name: Text
    value: NotRequired[Text]


class Payload(TypedDict):
    headers: NotRequired[list[Header]]


class Message(Reference):
    internalDate: InternalDate
    payload: Payload
    snippet: NotRequired[Text]


class Raw(Named):
    raw: Base64


class Thread(Named):
    messages: NotRequired[list[Message]]


class _Page(TypedDict):
    nextPageToken: NotRequired[PageToken]


class MessagePage(_Page):
    messages: NotRequired[list[Reference]]
    resultSizeEstimate: NotRequired[Count]


class DraftPage(_Page):
    drafts: NotRequired[list[Draft]]
    resultSizeEstimate: NotRequired[Count]


class Added(TypedDict):
    message: Reference


class Deleted(TypedDict):
    message: Named


class Record(TypedDict):
    messagesAdded: NotRequired[list[Added]]
    messagesDeleted: NotRequired[list[Deleted]]


class HistoryPage(_Page):
    history: NotRequired[list[Record]]
    historyId: NotRequired[HistoryId]


PROFILE = Shape(title="the profile of a mailbox", kind=Profile)
ALIASES = Shape(title="the addresses of a mailbox", kind=Aliases)
NEW_DRAFT = Shape(title="a new draft", kind=Draft)
DRAFT = Shape(title="a draft", kind=Named)
DRAFTS = Shape(title="a page of drafts", kind=Annotated[DraftPage, AfterValidator(_says_something)])
#: The reference had it without a body first, and with an empty object since 2025.
DELETED = Shape(title="the deletion of a draft", kind=Annotated[dict[str, Any], Field(max_length=0)], or_nothing=True)
SENT = Shape(title="a sent message", kind=Reference)
MESSAGES = Shape(title="a page of messages", kind=Annotated[MessagePage, AfterValidator(_says_something)])
MESSAGE = Shape(title="a message", kind=Message)
RAW_MESSAGE = Shape(title="a whole message", kind=Raw)
THREAD = Shape(title="a thread", kind=Thread)
HISTORY = Shape(title="a page of the history", kind=Annotated[HistoryPage, AfterValidator(_says_something)])
