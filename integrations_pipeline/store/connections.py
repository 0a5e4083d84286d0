"""Connections: one workspace's authorised link to one provider, with its status machine.

Belongs here: statements on `integration_connections` and `integration_field_mappings`, credentials in and
out of encryption. Does not: checking credentials at the provider.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import Direction, IntegrationConfig, MappedField
from integrations_pipeline.store.encryption import Cipher, is_encrypted
from integrations_pipeline.store.rows import dump
from integrations_pipeline.store.tokens import lock_tokens

#: The original's rule: this many failed runs in a row set status `error`.
MAX_FAILURES = 3
#: A month; the table refuses more, too.
MAX_FREQUENCY_MINUTES = 31 * 24 * 60
#: A failing connection is tried again after its frequency times 2, 4, 8 … up to this.
MAX_BACKOFF_MINUTES = 24 * 60
#: Connections that ran together do not come due together: each by a share of its own, always the same
#: (`integrations_spread`), up to half of this part of the frequency sooner or later.
SPREAD = 0.05
#: After a failure up to this part of the wait sooner: all may have failed at once, for one cause.
BACKOFF_SPREAD = 0.25
#: Everything of a connection is read at least so often.
FULL_READ_EVERY = timedelta(days=1)
#: Members write settings: what is no object is told as a setting that nobody knows, which is refused by its name.
_SETTINGS = """
    case when jsonb_typeof(settings) = 'object' then settings else jsonb_build_object('settings', settings) end settings
"""
#: Of somebody else's settings those that may name a place, as texts: whatever they put there instead is not read.
_NAMES = """
    (select jsonb_object_agg(e.key, e.value #>> '{}')
        from jsonb_each(case when jsonb_typeof(c.settings) = 'object' then c.settings else '{}' end) e
        where jsonb_typeof(e.value) in ('string', 'number'))
"""
_COLUMNS = (
    f"id, workspace_id, integration_type, credentials, {_SETTINGS}, status, sync_enabled, last_sync_at, "
    "error_message, error_count, sync_frequency_minutes, oauth_provider, cursor, next_sync_at, "
    "created_at, updated_at, mail_cursor, last_full_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """One row of `integration_connections`; `credentials` are as stored, that is, encrypted."""

    id: UUID
    workspace_id: UUID
    integration_type: str
    credentials: Mapping[str, Any] = field(repr=False)
    settings: Mapping[str, Any]
    status: str
    sync_enabled: bool
    last_sync_at: datetime | None
    error_message: str | None
    error_count: int
    sync_frequency_minutes: int
    oauth_provider: str | None
    cursor: Mapping[str, Any] | None
    next_sync_at: datetime | None
    created_at: datetime
    updated_at: datetime
    mail_cursor: Mapping[str, Any] | None = None
    last_full_at: datetime | None = None

    @property
    def is_plain(self) -> bool:
        """Whether another program stored the credentials, without encryption (`tokens.encrypt_plain`)."""
        return bool(self.credentials) and not is_encrypted(self.credentials)

    def decrypted(self, cipher: Cipher) -> dict[str, Any]:
        """The credentials; `CredentialsError` if no configured key opens them."""
        if self.is_plain:
            raise ConfigurationError("the credentials are not encrypted yet: run `integrations db upgrade`")
        return cipher.decrypt(self.credentials, connection_id=self.id) if self.credentials else {}

    def to_config(self, cipher: Cipher) -> IntegrationConfig:
        return IntegrationConfig(
            id=str(self.id),
            workspace_id=str(self.workspace_id),
            integration_name=self.integration_type,
            oauth_provider=self.oauth_provider,
            credentials=self.decrypted(cipher),
            settings=self.settings,
            status=self.status,
            enabled=self.sync_enabled,
            error_message=self.error_message,
            error_count=self.error_count,
            last_sync_at=self.last_sync_at,
            sync_frequency_minutes=self.sync_frequency_minutes,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    integration_type: str
    credentials: Mapping[str, Any] = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    frequency_minutes: int | None = None
    #: The name of the OAuth client that the tokens were granted to; None for an API key.
    oauth_provider: str | None = None


def save_connection(connection: Connection, workspace_id: UUID, new: NewConnection, cipher: Cipher) -> ConnectionRow:
    """Add the workspace's connection to a provider, or replace credentials and settings of the one there is.

    Replacing resets the status and keeps links, journal and cursor: nothing that was synced is forgotten.
    A frequency of None keeps the one there is (15 minutes if new); a disabled connection stays disabled.
    `ConfigurationError` for one that is out of bounds.
    """
    _require_frequency(new.frequency_minutes)
    existing = get_connection(connection, workspace_id, new.integration_type)
    connection_id = existing.id if existing else uuid4()
    # A renewal under way would otherwise put the old grant's tokens over these.
    lock_tokens(connection, connection_id)
    statement = text(
        "insert into integration_connections "  # noqa: S608 - built from constants only
        "(id, workspace_id, integration_type, credentials, settings, sync_frequency_minutes, oauth_provider, "
        "token_refreshed_at) values "
        "(:id, :workspace_id, :integration_type, cast(:credentials as jsonb), cast(:settings as jsonb), "
        "coalesce(:minutes, 15), :oauth_provider, case when :is_renewed then now() end) "
        "on conflict (id) do update set credentials = excluded.credentials, settings = excluded.settings, "
        "oauth_provider = excluded.oauth_provider, token_refreshed_at = excluded.token_refreshed_at, "
        "sync_frequency_minutes = coalesce(:minutes, integration_connections.sync_frequency_minutes), "
        "status = case when integration_connections.sync_enabled then 'active' else 'paused' end, "
        f"error_count = 0, own_error_count = 0, error_message = null, next_sync_at = null returning {_COLUMNS}"
    )
    row = connection.execute(
        statement,
        {
            "id": connection_id,
            "workspace_id": workspace_id,
            "integration_type": new.integration_type,
            "credentials": dump(cipher.encrypt(new.credentials, connection_id=connection_id)),
            "settings": dump(dict(new.settings)),
            "minutes": new.frequency_minutes,
            "oauth_provider": new.oauth_provider,
            "is_renewed": bool(new.credentials.get("refresh_token")),
        },
    ).one()
    return ConnectionRow(**row._mapping)


def _require_frequency(minutes: int | None) -> None:
    if minutes is not None and not 1 <= minutes <= MAX_FREQUENCY_MINUTES:
        raise ConfigurationError(f"the frequency is 1 to {MAX_FREQUENCY_MINUTES} minutes (31 days), not {minutes}")


def get_connection(connection: Connection, workspace_id: UUID, integration_type: str) -> ConnectionRow | None:
    statement = text(
        f"select {_COLUMNS} from integration_connections "  # noqa: S608 - built from constants only
        "where workspace_id = :workspace_id and integration_type = :integration_type"
    )
    bound = {"workspace_id": workspace_id, "integration_type": integration_type}
    row = connection.execute(statement, bound).one_or_none()
    return ConnectionRow(**row._mapping) if row else None


def find_connection(connection: Connection, workspace_id: UUID, integration_type: str) -> ConnectionRow:
    """The connection; `ConfigurationError` with the next step where there is none."""
    row = get_connection(connection, workspace_id, integration_type)
    if row is None:
        raise ConfigurationError(
            f"the workspace has no {integration_type} connection: "
            f"`integrations connections add {integration_type}` makes one"
        )
    return row


def lock_connection(connection: Connection, connection_id: UUID) -> ConnectionRow:
    """The connection, which nobody else changes until this transaction ends."""
    statement = text(
        f"select {_COLUMNS} from integration_connections where id = :id for update"  # noqa: S608 - constants
    )
    return ConnectionRow(**connection.execute(statement, {"id": connection_id}).one()._mapping)


def save_settings(connection: Connection, connection_id: UUID, settings: Mapping[str, Any]) -> None:
    statement = text("update integration_connections set settings = cast(:settings as jsonb) where id = :id")
    connection.execute(statement, {"id": connection_id, "settings": dump(dict(settings))})


#: What `save_state` may write, by the name of the field in `IntegrationConfig`.
_STATE = {
    "oauth_provider": "oauth_provider = :oauth_provider",
    "settings": "settings = cast(:settings as jsonb)",
    "status": "status = :status",
    "enabled": "sync_enabled = :enabled",
    "error_message": "error_message = :error_message",
    "error_count": "error_count = :error_count, own_error_count = :error_count",
    "last_sync_at": "last_sync_at = :last_sync_at",
    "sync_frequency_minutes": "sync_frequency_minutes = :sync_frequency_minutes",
}
STATUSES = ("active", "paused", "error", "disconnected")


def save_state(connection: Connection, connection_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these fields of `IntegrationConfig`, all but its credentials, as they are; the connection is due at once if
    it is active then. `ConfigurationError` for a value that no connection can have."""
    if values.get("status", "active") not in STATUSES:
        raise ConfigurationError(f"status {values['status']!r} is none of {', '.join(STATUSES)}")
    _require_frequency(values.get("sync_frequency_minutes"))
    for name in ("error_count", "sync_frequency_minutes"):
        if type(values.get(name, 0)) is not int or values.get(name, 0) < 0:
            raise ConfigurationError(f"{name} is no whole number from 0")
    if type(values.get("enabled", True)) is not bool:
        raise ConfigurationError("enabled is neither True nor False")
    parts = [_STATE[name] for name in values] or ["updated_at = updated_at"]
    statement = text(f"update integration_connections set {', '.join(parts)} where id = :id")  # noqa: S608 - constants
    bound = {**values, "id": connection_id}
    if "settings" in values:
        bound["settings"] = dump(dict(values["settings"]))
    connection.execute(statement, bound)
    due = text("update integration_connections set next_sync_at = null where id = :id and status = 'active'")
    connection.execute(due, {"id": connection_id})


def list_connections(connection: Connection, workspace_id: UUID) -> list[ConnectionRow]:
    statement = text(
        f"select {_COLUMNS} from integration_connections "  # noqa: S608 - built from constants only
        "where workspace_id = :workspace_id order by integration_type"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id})
    return [ConnectionRow(**row._mapping) for row in found]


def places_elsewhere(
    connection: Connection, integration_type: str, workspace_id: UUID
) -> list[tuple[str, Mapping[str, Any]]]:
    """(workspace slug, settings) of every other workspace's connection of this provider; across workspaces, so only for
    whoever may see them all."""
    statement = text(
        f"select w.slug, {_NAMES} from integration_connections c join workspaces w on w.id = c.workspace_id "  # noqa: S608
        "where c.integration_type = :integration_type and c.workspace_id <> :workspace_id "
        "order by w.slug"
    )
    found = connection.execute(statement, {"integration_type": integration_type, "workspace_id": workspace_id})
    return [(slug, settings or {}) for slug, settings in found]


def accept_columns(connection: Connection, connection_id: UUID) -> None:
    """Take the provider's columns for right as they are now: what they were before is forgotten."""
    statement = text("update integration_connections set cursor = cursor - 'columns' where id = :id")
    connection.execute(statement, {"id": connection_id})


def set_enabled(connection: Connection, connection_id: UUID, *, is_enabled: bool) -> None:
    """Enable (which also leaves `error`, so that the next run takes up every edit made meanwhile) or disable."""
    statement = text(
        "update integration_connections set sync_enabled = :enabled, "
        "status = case when :enabled then 'active' when status = 'active' then 'paused' else status end, "
        "error_count = case when :enabled then 0 else error_count end, "
        "own_error_count = case when :enabled then 0 else own_error_count end, "
        "error_message = case when :enabled then null else error_message end, "
        "next_sync_at = case when :enabled then null else next_sync_at end where id = :id"
    )
    connection.execute(statement, {"id": connection_id, "enabled": is_enabled})


def save_cursor(
    connection: Connection, connection_id: UUID, cursor: Mapping[str, Any], read_whole_at: datetime | None = None
) -> None:
    """The cursor to go on from; and when everything was read, if it was."""
    statement = text(
        "update integration_connections set cursor = cast(:cursor as jsonb), "
        "last_full_at = coalesce(:read_whole_at, last_full_at) where id = :id"
    )
    bound = {"id": connection_id, "cursor": dump(dict(cursor)), "read_whole_at": read_whole_at}
    connection.execute(statement, bound)


def forget_cursor(connection: Connection, connection_id: UUID) -> None:
    """The next read is the first."""
    connection.execute(text("update integration_connections set cursor = null where id = :id"), {"id": connection_id})


def save_mail_cursor(connection: Connection, connection_id: UUID, cursor: Mapping[str, Any]) -> None:
    statement = text("update integration_connections set mail_cursor = cast(:cursor as jsonb) where id = :id")
    connection.execute(statement, {"id": connection_id, "cursor": dump(dict(cursor))})


def enable_failed(connection: Connection, integration_type: str) -> list[tuple[UUID, str]]:
    """Let every connection of a provider that is in `error` sync again; (workspace id, slug) of each. Those that wait
    for a person's authorisation are not among them."""
    statement = text(
        "update integration_connections c set status = 'active', sync_enabled = true, error_count = 0, "
        "own_error_count = 0, error_message = null, next_sync_at = null from workspaces w "
        "where w.id = c.workspace_id and c.integration_type = :type and c.status = 'error' "
        "returning c.workspace_id, w.slug"
    )
    found = connection.execute(statement, {"type": integration_type})
    return sorted(((row.workspace_id, row.slug) for row in found), key=lambda each: each[1])


def record_success(connection: Connection, connection_id: UUID, *, is_due_again: bool) -> None:
    """A run that did its work: errors are forgotten, the status `error` too. `is_due_again`: an edit landed during the
    run, so the next one is due at once."""
    statement = text(
        "update integration_connections set last_sync_at = clock_timestamp(), error_count = 0, own_error_count = 0, "
        "status = case when status = 'error' then 'active' else status end, "
        "error_message = null, next_sync_at = clock_timestamp() + case when :again then interval '0' "
        "else make_interval(secs => 60 * sync_frequency_minutes "
        "* (1 + :spread * (integrations_spread(id) - 0.5))) end where id = :id"
    )
    connection.execute(statement, {"id": connection_id, "again": is_due_again, "spread": SPREAD})


def exists(connection: Connection, connection_id: UUID) -> bool:
    statement = text("select exists (select 1 from integration_connections where id = :id)")
    return bool(connection.execute(statement, {"id": connection_id}).scalar_one())


def record_failure(connection: Connection, connection_id: UUID, message: str, *, is_own: bool = True) -> str | None:
    """A failed run: the next try waits longer each time. Returns the status; None if the connection is gone.

    `is_own`: the cause is the workspace's own; only those in a row count toward `error`. Any other kind leaves the
    connection active: it goes on by itself when the provider, the app or the plan is well again. One in `error` is
    tried again once a day.
    """
    statement = text(
        "update integration_connections set error_count = error_count + 1, error_message = :message, "
        "own_error_count = own_error_count + cast(:is_own as integer), "
        "status = case when :is_own and own_error_count + 1 >= :limit and status = 'active' "
        "then 'error' else status end, "
        "next_sync_at = clock_timestamp() + make_interval(secs => 60 * case "
        "when status = 'error' or (:is_own and own_error_count + 1 >= :limit) then :longest "
        "else least(:longest, sync_frequency_minutes * power(2, least(error_count + 1, 12))) end "
        "* (1 - :spread * integrations_spread(id))) "
        "where id = :id returning status"
    )
    bound = {
        "id": connection_id,
        "message": message[:1000],
        "is_own": is_own,
        "limit": MAX_FAILURES,
        "longest": MAX_BACKOFF_MINUTES,
        "spread": BACKOFF_SPREAD,
    }
    found: str | None = connection.execute(statement, bound).scalar_one_or_none()
    return found


def postpone(connection: Connection, connection_id: UUID) -> None:
    """Leave a connection for later without a failure of its own: for half of its frequency to the whole, an
    hour at most. One that is due later than that anyway stays so."""
    statement = text(
        "update integration_connections set next_sync_at = greatest(next_sync_at, clock_timestamp() + make_interval("
        "secs => 60 * least(60, sync_frequency_minutes) * (1 + integrations_spread(id)) / 2)) where id = :id"
    )
    connection.execute(statement, {"id": connection_id})


def read_field_mappings(connection: Connection, connection_id: UUID) -> Sequence[MappedField]:
    """Enabled rows of `integration_field_mappings`; empty where the settings alone say what is mapped."""
    statement = text(
        "select workspace_field, external_field, sync_direction from integration_field_mappings "
        "where connection_id = :connection_id and enabled order by workspace_field"
    )
    found = connection.execute(statement, {"connection_id": connection_id})
    return [MappedField(name=name, column=column, direction=Direction(direction)) for name, column, direction in found]
