"""What a run is given: the wiring that entry points build, and the connection it works on.

Belongs here: values handed down, and building access from a connection. Does not: reading the
environment (`settings`) or any stage's work.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import Agenda, Checkpoint, FieldKind, FieldRule, MappedField, unknown_fields
from integrations_pipeline.providers.addresses import is_loopback
from integrations_pipeline.providers.base import (
    FixedToken,
    Pacer,
    Provider,
    ProviderContext,
    ProviderSpec,
    TokenSource,
)
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.providers.oauth_spec import OAuthClient, OAuthSpec
from integrations_pipeline.store.connections import ConnectionRow, read_field_mappings
from integrations_pipeline.store.database import Connection, Database, WorkspaceSession
from integrations_pipeline.store.encryption import Cipher

if TYPE_CHECKING:
    from integrations_pipeline.providers.access import Access, Held
    from integrations_pipeline.providers.mailbox import Mailbox
    from integrations_pipeline.providers.oauth import OAuthExchange
    from integrations_pipeline.providers.settings import ConnectionSettings
    from integrations_pipeline.sync.tokens import TokenKeeper

#: (stage, done, total): called as work goes on; total is 0 while it is not known.
Progress = Callable[[str, int, int], None]


def no_progress(_stage: str, _done: int, _total: int) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything a sync needs from outside; entry points build one and hand it down."""

    database: Database
    cipher: Cipher
    specs: Mapping[str, ProviderSpec]
    addresses: Mapping[str, str]
    pacer: Pacer
    #: Asked for; what holds for a provider tells `rate_scale_of`.
    rate_scale: float = 1.0
    transport: Any = None
    sleep: Callable[[float], object] | None = None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    #: Our registrations at providers with OAuth, by `OAuthSpec.client`.
    oauth_clients: Mapping[str, OAuthClient] = field(default_factory=dict)
    #: Where the ids of new contacts come from.
    new_id: Callable[[], UUID] = uuid4

    def spec(self, provider: str) -> ProviderSpec:
        if provider not in self.specs:
            raise ConfigurationError(f"unknown provider {provider!r}: choose one of {', '.join(sorted(self.specs))}")
        return self.specs[provider]

    def sleeping(self, sleep: Callable[[float], object]) -> "Runtime":
        """The same, whose every pause is made by this, also those before requests."""
        return replace(self, sleep=sleep, pacer=self.pacer.sleeping(sleep))

    def rate_scale_of(self, spec: ProviderSpec) -> float:
        """What divides the pauses before a provider's requests: `rate_scale` where its own API is on loopback. One that
        is elsewhere keeps its limits, whatever other provider is a sandbox."""
        api = next(iter(spec.addresses), "")
        return self.rate_scale if is_loopback(self.addresses.get(api, "")) else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one connection, under its lock."""

    runtime: Runtime
    session: WorkspaceSession
    connection: ConnectionRow
    spec: ProviderSpec
    settings: "ConnectionSettings"
    mapping: Sequence[MappedField]
    access: "Access"
    run_id: UUID
    is_preview: bool = False
    progress: Progress = no_progress
    #: What waited when the run had its lock.
    agenda: Agenda = field(default_factory=Agenda)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where the last run ended; None before the first."""
        return Checkpoint.from_json(self.connection.cursor)

    @property
    def provider(self) -> Provider:
        """The contacts there."""
        return self.access.contacts

    @property
    def mailbox(self) -> "Mailbox | None":
        return self.access.mailbox

    @property
    def call_count(self) -> int:
        """HTTP requests sent so far."""
        return self.access.call_count

    @property
    def active(self) -> list[MappedField]:
        """The mapped fields that this run syncs: all but those that the provider has no column for (`silent`)."""
        silent = self.silent
        return [mapped for mapped in self.mapping if mapped.name not in silent]

    @property
    def silent(self) -> Mapping[str, str]:
        """Fields that neither side gets in this run, with the reason."""
        looked = self.provider.looked
        return looked.silent if looked else {}

    @property
    def rules(self) -> list[FieldRule]:
        return [mapped.rule for mapped in self.active]

    @property
    def names(self) -> list[str]:
        return [mapped.name for mapped in self.active]

    @property
    def is_identity_silent(self) -> bool:
        """Whether the field that tells who somebody is cannot be read or written now."""
        silent = self.silent
        return any(mapped.kind is FieldKind.EMAIL and mapped.name in silent for mapped in self.mapping)

    @property
    def configuration(self) -> dict[str, Any]:
        """What is compared with what: kept with the cursor, so that a change is noticed.

        `columns`: field → column and direction; `place`: a hash of the settings that say where at the
        provider the records are.
        """
        return {
            "place": place_of(self.settings),
            "columns": {m.name: [m.column, m.direction.value] for m in self.mapping},
        }

    def moved_fields(self, before: Mapping[str, Any]) -> list[str]:
        """Fields whose base was agreed with another column, by the `configuration` of then."""
        known = before.get("columns", {})
        return [m.name for m in self.mapping if m.name in known and known[m.name][0] != m.column]


def place_of(settings: "ConnectionSettings") -> str:
    """A hash of the settings that say where at the provider the records are."""
    from integrations_pipeline.providers.settings import ConnectionSettings  # noqa: PLC0415 - commands that list do without

    # What every connection has says how to decide, not what is compared with what.
    manners = frozenset(ConnectionSettings.model_fields) | settings.manners
    place = {name: value for name, value in settings.model_dump(mode="json").items() if name not in manners}
    return hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()[:16]


def known_columns(
    checkpoint: Checkpoint | None, settings: "ConnectionSettings", mapping: Sequence[MappedField]
) -> dict[str, KnownColumn]:
    """The mapped fields' columns as the last run saw them; none if it read another place."""
    if checkpoint is None or checkpoint.configuration.get("place") != place_of(settings):
        return {}
    if checkpoint.columns is not None:
        return {name: KnownColumn(**told) for name, told in checkpoint.columns.items()}
    # A cursor of an earlier version kept ids and types by column.
    ids, types = checkpoint.remote.get("column_ids", {}), checkpoint.remote.get("column_types", {})
    return {
        mapped.name: KnownColumn(
            column=mapped.column,
            direction=mapped.direction.value,
            id=ids.get(mapped.column, ""),
            name=mapped.column,
            type=types.get(mapped.column, ""),
        )
        for mapped in mapping
    }


def parse_settings(spec: ProviderSpec, settings: Mapping[str, Any]) -> "ConnectionSettings":
    """A connection's settings; `ConfigurationError` with one line per mistake."""
    from pydantic import ValidationError  # noqa: PLC0415 - commands that list do without

    try:
        return spec.settings_type.model_validate(dict(settings))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg'].lower()}" for found in error.errors())
        raise ConfigurationError(f"the settings of the {spec.name} connection are wrong: {mistakes}") from None


def effective_mapping(
    spec: ProviderSpec, settings: "ConnectionSettings", rows: Sequence[MappedField]
) -> tuple[MappedField, ...]:
    """What is synced: `field_mapping` or the provider's default; the mappings table overrides by field."""
    pairs = settings.field_mapping if settings.field_mapping is not None else spec.default_mapping
    is_default = settings.field_mapping is None
    mapping = {name: MappedField(name=name, column=column, is_default=is_default) for name, column in pairs.items()}
    mapping |= {row.name: row for row in rows}
    for name, column in spec.fixed_mapping.items():
        if mapping.get(name, MappedField(name=name, column=column)).column != column:
            raise ConfigurationError(f"field_mapping: {spec.title} keeps {name} in {column}: leave {name} out")
        row = mapping.get(name, MappedField(name=name, column=column))
        mapping[name] = replace(row, is_required=row.kind is FieldKind.EMAIL)
    for name in unknown_fields(mapping):
        raise ConfigurationError(
            f"field_mapping: {name!r} is no contact field; use email, name, company, job_title, "
            "phone, tags, email_opt_out or custom_fields.KEY"
        )
    for mapped in mapping.values():
        if not mapped.column:
            raise ConfigurationError(f"field_mapping: {mapped.name} is mapped to no column")
    if not mapping:
        raise ConfigurationError("field_mapping is empty: map at least one field")
    columns = [mapped.column for mapped in mapping.values()]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise ConfigurationError(f"field_mapping: column {twice[0]!r} is mapped from more than one field")
    _require_mapped(settings.field_policies, mapping)
    return tuple(mapping.values())


def _require_mapped(names: Iterable[str], mapping: Mapping[str, MappedField]) -> None:
    unmapped = sorted(set(names) - set(mapping))
    if unmapped:
        raise ConfigurationError(
            f"field_policies: {unmapped[0]!r} is not synced; mapped are {', '.join(sorted(mapping))}"
        )


def read_mapping(
    connection: Connection, spec: ProviderSpec, settings: "ConnectionSettings", connection_id: UUID
) -> tuple[MappedField, ...]:
    return effective_mapping(spec, settings, read_field_mappings(connection, connection_id))


def build_access(
    runtime: Runtime,
    connection: ConnectionRow,
    mapping: Sequence[MappedField],
    *,
    is_read_only: bool = False,
    patience_seconds: float | None = None,
) -> "Access":
    """What a connection gives access to, with its decrypted credentials; `is_read_only` for previews, and a patience
    (`ProviderContext`) where a person waits for the answer."""
    from integrations_pipeline.providers.access import open_access  # noqa: PLC0415 - commands that list do without

    spec = runtime.spec(connection.integration_type)
    credentials = connection.decrypted(runtime.cipher)
    if not any(credentials.get(key) for key in spec.credential_keys):
        raise ConfigurationError(
            f"the {spec.name} connection has no credentials: expected {' or '.join(spec.credential_keys)}"
        )
    context = ProviderContext(
        credentials=credentials,
        settings=connection.settings,
        mapping=mapping,
        addresses=runtime.addresses,
        pacer=runtime.pacer,
        tokens=token_source(runtime, connection, credentials),
        account=_account(connection, credentials),
        workspace_id=str(connection.workspace_id),
        known=known_columns(
            Checkpoint.from_json(connection.cursor), parse_settings(spec, connection.settings), mapping
        ),
        is_read_only=is_read_only,
        patience_seconds=patience_seconds,
        rate_scale=runtime.rate_scale_of(spec),
        transport=runtime.transport,
        sleep=runtime.sleep,
    )

    def held() -> "Held":
        from integrations_pipeline.store import links  # noqa: PLC0415 - the same

        with runtime.database.workspace(connection.workspace_id) as opened:
            return links.read_normalised(opened, connection.id)

    return open_access(spec, context, held)


def token_source(runtime: Runtime, connection: ConnectionRow, credentials: Mapping[str, Any]) -> TokenSource:
    """The key or token as it stands, or, where OAuth granted it, one that is kept valid."""
    spec = runtime.spec(connection.integration_type)
    is_granted = bool(credentials.get("access_token") or credentials.get("refresh_token"))
    if spec.oauth is None or not is_granted:
        key = next((str(credentials[name]) for name in spec.credential_keys if credentials.get(name)), "")
        return FixedToken(value=key)
    return token_keeper(runtime, connection, credentials, spec.oauth)


def token_keeper(
    runtime: Runtime, connection: ConnectionRow, credentials: Mapping[str, Any], oauth: OAuthSpec
) -> "TokenKeeper":
    from integrations_pipeline.sync.tokens import TokenKeeper, TokenOwner  # noqa: PLC0415 - commands that list do without

    owner = TokenOwner(
        connection_id=connection.id,
        workspace_id=connection.workspace_id,
        provider=connection.integration_type,
        is_lost=connection.status == "disconnected",
    )
    return TokenKeeper(
        owner,
        database=runtime.database,
        cipher=runtime.cipher,
        exchange=oauth_exchange(runtime, oauth) if oauth.is_refreshable else None,
        clock=runtime.clock,
        credentials=credentials,
    )


def oauth_exchange(runtime: Runtime, oauth: OAuthSpec) -> "OAuthExchange":
    from integrations_pipeline.providers.oauth import OAuthExchange  # noqa: PLC0415 - commands that list do without

    client = runtime.oauth_clients.get(oauth.client, OAuthClient(id=""))
    return OAuthExchange(oauth, client, runtime.addresses, transport=runtime.transport, sleep=runtime.sleep)


def _account(connection: ConnectionRow, credentials: Mapping[str, Any]) -> str:
    """Connections with one API key share its limits; a token that changes is told by its connection."""
    key = credentials.get("api_key")
    text = str(key) if key else str(connection.id)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
