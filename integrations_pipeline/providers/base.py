"""The contract between the sync and a provider. docs/add-a-provider.md walks through it.

Belongs here: what a provider offers, and the protocol of its contacts with its values. Does not: that of its mailbox
(`mailbox`), HTTP (`http`), any provider.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.model import (
    Change,
    ContactValues,
    Direction,
    MappedField,
    Outcome,
)
from integrations_pipeline.providers.columns import KnownColumn, SchemaLook
from integrations_pipeline.providers.oauth_spec import OAuthSpec

if TYPE_CHECKING:
    from integrations_pipeline.providers.mailbox import Mailbox
    from integrations_pipeline.providers.settings import ConnectionSettings as ConnectionSettings  # noqa: PLC0414
    from integrations_pipeline.providers.settings import PathId as PathId  # noqa: PLC0414
    from integrations_pipeline.providers.settings import PathName as PathName  # noqa: PLC0414
else:
    #: Part of the contract, and imported on first use: pydantic is not for commands that list.
    _OF_SETTINGS = frozenset({"ConnectionSettings", "PathId", "PathName"})

    def __getattr__(name):
        if name in _OF_SETTINGS:
            return resolve_name(f"integrations_pipeline.providers.settings:{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRecord:
    """One record as the provider holds it: `fields` by workspace field name, values as in `model`.

    A field that the answer does not tell, or tells as an error, has no key: it is absent, which changes nothing. Only
    what the answer shows to be empty is `""`. `edited_at`: when somebody last edited it, by the provider's clock, where
    that is told besides `modified_at`.

    `is_partial`: only the fields that changed are there; the others are as in the base.
    `contact_key`: the contact id that a create of ours wrote on it, or "". `is_certain`: told by a change
    feed, in order, so it cannot be a stale copy from before a write of ours.
    """

    external_id: str
    fields: Mapping[str, str]
    contact_key: str = ""
    modified_at: datetime | None = None
    edited_at: datetime | None = None
    is_partial: bool = False
    is_certain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a read. A read that ends without an exception has yielded at least one page.

    `cursor`: where the next incremental read begins, taken before the read began; the last page's counts.
    `is_complete`: the whole read enumerates every record, so that absence means deleted.
    """

    records: Sequence[RemoteRecord] = ()
    tombstones: frozenset[str] = frozenset()
    cursor: Cursor = field(default_factory=dict)
    is_complete: bool = False
    #: The cursor leads on in a feed that also tells our own writes: reading on after writing skips them.
    tells_own_writes: bool = False
    #: What it tells cannot be older than a write of ours, only late: a change feed, told in order.
    is_certain: bool = False
    #: What a person should know of the answer, a line each, without data: a word that nobody knows, for one.
    notices: tuple[str, ...] = ()
    #: Former id → present one, of records that got another id by themselves: their links follow. The former one counts
    #: as a tombstone where no link does.
    renamed: Mapping[str, str] = field(default_factory=dict)
    #: Of the records asked for, those that have not changed since this run read the provider (`recheck`).
    unchanged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `connections check` shows: `problems` stop a sync, `notes` do not. `fault`: what kept a question from being
    answered whose answer a sync needs; it is told among the problems, and may pass."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fault: RetryableError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the engine and the shell need to know of a provider, so that they never ask which one it is.

    `max_batch`: records per write call. `max_concurrency`: write calls in flight. `max_read_batch`:
    ids per `read_records` call. `tells_modified_at`: records carry modification times.
    `propagation_seconds`: for so long after a write of ours a read may still show the value before it.
    `keeps_refusals`: what it refused for good it refuses again, so it is not asked before the record changes.
    """

    max_batch: int = 1
    max_concurrency: int = 1
    max_read_batch: int = 100
    tells_modified_at: bool = False
    propagation_seconds: float = 60.0
    keeps_refusals: bool = False
    #: Its records have room for our contact's id, which a create leaves there (`RemoteRecord.contact_key`).
    keeps_contact_key: bool = True
    #: An account has columns that somebody may take away; False where all fields are the service's own.
    has_own_columns: bool = True
    #: Its changes tell a deleted record that is there again, so that nobody need ask for those that wait as deleted.
    tells_returns: bool = False
    #: It tells how many records a listing has, and the provider holds it to that: none is cut short unnoticed.
    counts_listings: bool = False
    #: Where contacts may go at all; the direction asked for is cut down to it.
    directions: Direction = Direction.BIDIRECTIONAL
    #: Records are people met, not an address book: only those nobody here knows become contacts (`PEOPLE_MET`).
    tells_new_only: bool = False


#: Of a provider with a mailbox and no address book: its contacts are the people met in the mailbox.
PEOPLE_MET = Capabilities(directions=Direction.FROM_EXTERNAL, tells_new_only=True, propagation_seconds=0.0)


class Provider(Protocol):
    """The contacts at a provider, through one authorised connection. Methods may raise the errors of `errors`; none
    retries a record that the provider refused for good."""

    @property
    def call_count(self) -> int:
        """HTTP requests sent so far."""
        ...

    def check(self, values: ContactValues) -> CheckReport:
        """Look at whatever would surprise later, without writing anything: credentials and what they may do, columns,
        limits, and which of the workspace's values (of the fields that go there) the columns cannot hold. A question
        without an answer hides none of the others (`providers.findings`)."""
        ...

    def look(self) -> SchemaLook:
        """The provider's columns beside the mapping, asked for once per run: by a full read, and by every run that
        found something to do, before it writes. Until then columns are presumed as `ProviderContext.known` has them.
        A provider without a schema gives the mapping as it is."""
        ...

    @property
    def looked(self) -> SchemaLook | None:
        """The look of this run, if there was one."""
        ...

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:
        """Ids of those of these records that somebody edited within so many seconds, by the provider's clock; without
        those of which it cannot tell."""
        ...

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        """Whether a connection with these settings would keep its records in the same place as this one."""
        ...

    def read_all(self) -> Iterator[Page]:
        """Every record, with a cursor for the next incremental read."""
        ...

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        """What changed since the cursor; raises `CursorExpiredError` if the provider forgot it.

        Where reading everything costs no more calls, pages may be complete.
        """
        ...

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """These records as they are now; ids that do not exist come back as tombstones."""
        ...

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:
        """Records that writes which were sent and never answered have made, by contact id: looked up by the key that
        they carry, or by the identity key as it was sent (`Change.after`). These are creates, and updates that give
        another e-mail, for which a provider may make another record. `since`: none was sent before, by our clock.
        A record of which it cannot be told whose it is has no place here: matching decides."""
        ...

    def recheck(self, external_ids: Sequence[str]) -> Page:
        """These records just before they are written: as `read_records`, but those that have not changed since
        this run read the provider may be named in `unchanged` instead, where that costs fewer calls."""
        ...

    def prepare_write(self) -> None:
        """Called once before the first write of a run: refuse here what can never work."""
        ...

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        """Apply changes of one kind, at most `max_batch`; one outcome per change, in order.

        An answer is evidence: what it shows otherwise than it was sent is told (`Outcome.answered`, `lost`), and an
        update that was not taken fails, its old value put back (`providers.answers`)."""
        ...

    def close(self) -> None: ...


class Pacer(Protocol):
    """Spreads requests over time so that a provider's rate limit is never met; shared across processes.

    One that also has `wait_all(rules)`, (key, interval in seconds) each, is asked for all rules of a request at once.
    """

    def wait(self, key: str, interval_seconds: float) -> None:
        """Return when the next request for this key may be sent."""
        ...

    def pause(self, key: str, seconds: float) -> None:
        """Nobody may send for this key for so long: the limit was met."""
        ...

    def place(self, key: str, count: int) -> AbstractContextManager[bool]:
        """One of so many requests of this key that may be under way at once, as long as the block lasts; False where
        all are."""
        ...

    def sleeping(self, sleep: Callable[[float], object], /) -> "Pacer":
        """The same limits, with waits made by this."""
        ...


class TokenSource(Protocol):
    """Where a provider's requests get their token; asked before every request, from any thread."""

    def current(self) -> str:
        """A token that does not expire within minutes, or the API key."""
        ...

    def renew(self, refused: str) -> str | None:
        """Another token than the one that was refused, or None where there is none to be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedToken:
    """A token or API key that nobody renews."""

    value: str = field(repr=False)

    def current(self) -> str:
        return self.value

    def renew(self, refused: str) -> str | None:  # noqa: ARG002 - there is no other
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderContext:
    """What a provider is built from. `addresses` maps environment names to base addresses.

    `credentials` are for what stands beside the token; the token itself comes from `tokens`.
    """

    credentials: Mapping[str, Any] = field(repr=False)
    settings: Mapping[str, Any]
    mapping: Sequence[MappedField]
    addresses: Mapping[str, str]
    pacer: Pacer
    tokens: TokenSource
    #: Stands for the account in the names of rate limits: the same for all who share it, and no secret.
    account: str = ""
    workspace_id: str = ""
    #: The mapped fields' columns as this connection last saw them, by field.
    known: Mapping[str, KnownColumn] = field(default_factory=dict)
    #: A preview: nothing may be made at the provider, not even a webhook.
    is_read_only: bool = False
    #: For so long a request that meets a fault is tried again; None: for as long as a run waits.
    patience_seconds: float | None = None
    #: Divides the pause between requests; more than 1 only against a sandbox on loopback.
    rate_scale: float = 1.0
    #: An `httpx.BaseTransport` and a sleep to use instead of the network and the clock; None for those.
    transport: Any = None
    sleep: Callable[[float], object] | None = None


class ProviderFactory(Protocol):
    def __call__(self, context: ProviderContext) -> Provider: ...


class MailboxFactory(Protocol):
    def __call__(self, context: ProviderContext) -> "Mailbox": ...


@dataclass(frozen=True, slots=True)
class Later:
    """A function or class by its place, `package.module:name`: imported when it is called. Every command reads every
    spec, and few need what a provider is made of."""

    place: str

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.load()(*given, **named)

    def load(self) -> Any:
        return resolve_name(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """A provider as the rest of the program sees it. `addresses`: environment name → default address, that of its API
    first. Its module should import little: `settings_model`, `contacts` and `mailbox` may be told by their place
    (`Later`).

    It offers `contacts`, which a run keeps the same on both sides, a `mailbox`, through which pitches are sent and
    replies read, or both. With a mailbox alone the contacts are the people met in it (`providers.people`), and
    `capabilities`, which are those of the contacts, stay as they are.
    """

    name: str
    title: str
    settings_model: "type[ConnectionSettings] | Later"
    default_mapping: Mapping[str, str]
    addresses: Mapping[str, str]
    credential_keys: Sequence[str]
    contacts: ProviderFactory | None = None
    mailbox: MailboxFactory | None = None
    capabilities: Capabilities = PEOPLE_MET
    oauth: OAuthSpec | None = None
    #: Fields that the provider keeps in a place of its own, always synced: not for `field_mapping`.
    fixed_mapping: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.contacts is None and self.mailbox is None:
            raise ValueError(f"the provider {self.name} offers neither contacts nor a mailbox")
        if self.capabilities.tells_new_only is not (self.contacts is None):
            raise ValueError(f"the provider {self.name} offers contacts without their capabilities, or the reverse")

    @property
    def settings_type(self) -> "type[ConnectionSettings]":
        """The settings' model itself."""
        model = self.settings_model
        return model.load() if isinstance(model, Later) else model
