"""The original's base class in Python: a sync that a developer writes, on this product's database.

Belongs here: `BaseIntegrationSync`. Does not: the ready-made classes (`ready`), how syncs work (`sync.run`).
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from integrations_pipeline.api.configs import changed_fields, merged_config
from integrations_pipeline.api.door import Integrations, runtime_of
from integrations_pipeline.api.renewal import Turn, in_turn, read_answer
from integrations_pipeline.api.telling import message_of, plain_json, read_activity, read_direction, read_time
from integrations_pipeline.api.values import OwnEdits, read_contact, read_each, rows_of
from integrations_pipeline.errors import ConfigurationError, IntegrationError
from integrations_pipeline.model import Direction, IntegrationConfig, SyncResult
from integrations_pipeline.store import app_tables, connections, contact_rows, sync_log, tokens, workspaces
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.store.contact_rows import Saved
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.sync.tokens import is_expiring

_logger = logging.getLogger(__name__)


class BaseIntegrationSync(ABC):
    """One workspace's sync with one service. Subclasses say how; this class knows configuration, log and status.

    `workspace_id` is the workspace's id, as UUID or text; `integrations` comes from `connect`. Call `initialize` first.
    A sync that fails returns the `SyncResult(success=False)` that `create_failed_result` makes, after
    `handle_sync_error` has logged it; the third failure in a row sets the connection's status to `error`. Methods that
    ask the database raise `UnavailableError` if it cannot be reached, and `ConfigurationError`, one line that says what
    to do, for what cannot be meant. Of one instance, only tokens may be asked for from several threads.
    """

    _renews_itself = False

    def __init_subclass__(cls, **values: Any) -> None:
        super().__init_subclass__(**values)
        if "refresh_oauth_token" in cls.__dict__ and not cls._renews_itself:
            wrapped = in_turn(cls.refresh_oauth_token)
            setattr(cls, "refresh_oauth_token", wrapped)  # noqa: B010 - mypy lets no method be assigned

    def __init__(self, workspace_id: UUID | str, integrations: Integrations | Runtime) -> None:
        try:
            self.workspace_id = workspace_id if isinstance(workspace_id, UUID) else UUID(str(workspace_id))
        except ValueError:
            raise ConfigurationError(
                f"{str(workspace_id)!r} is no workspace id: `integrations.workspace_id(slug)` gives it"
            ) from None
        self.runtime = runtime_of(integrations)
        self.config: IntegrationConfig | None = None
        self._turn = Turn()
        self._own_edits = OwnEdits()

    @abstractmethod
    def get_integration_name(self) -> str:
        """The service's name, as in `integration_connections.integration_type`."""

    @abstractmethod
    def validate_credentials(self) -> bool:
        """Whether the service accepts the credentials."""

    @abstractmethod
    def sync_to_external(self, data: Sequence[Mapping[str, Any]]) -> SyncResult:
        """Push data to the service."""

    @abstractmethod
    def sync_from_external(self) -> SyncResult:
        """Fetch data from the service."""

    # How the connection is

    def initialize(self) -> None:
        """Load the configuration, and refresh the token if it expires within 5 minutes. `ConfigurationError` if the
        workspace has no such connection. Credentials that were INSERTed in plain are encrypted now."""
        config = self.load_config()
        if config.access_token or config.refresh_token:
            self.ensure_valid_token()

    def ensure_initialized(self) -> IntegrationConfig:
        """The loaded configuration; `ConfigurationError` before `initialize`."""
        if self.config is None:
            raise ConfigurationError(f"{type(self).__name__} is not initialised: call initialize() first")
        return self.config

    def get_status(self) -> str | None:
        """`active`, `paused`, `error` or `disconnected`, as it is now; None if there is no connection."""
        row = self._row()
        return row.status if row else None

    def is_enabled(self) -> bool:
        """Whether it may sync; False if there is no connection."""
        row = self._row()
        return bool(row and row.sync_enabled)

    def get_last_sync_at(self) -> datetime | None:
        """When a sync last did its work, aware; None if none did."""
        row = self._row()
        return row.last_sync_at if row else None

    def disable(self) -> None:
        """Let it sync no more; an active one is `paused`. `ConfigurationError` if there is no connection."""
        self._set_enabled(is_enabled=False)

    def enable(self) -> None:
        """Let it sync again; status `active`, errors forgotten. `ConfigurationError` if there is no connection."""
        self._set_enabled(is_enabled=True)

    # Configuration

    def load_config(self) -> IntegrationConfig:
        """Read the connection, decrypted, into `config`; `ConfigurationError` if there is none."""
        with self.runtime.database.workspace(self.workspace_id) as connection:
            row = connections.find_connection(connection, self.workspace_id, self.get_integration_name())
            if row.is_plain:
                tokens.encrypt_plain(connection, row.id, self.runtime.cipher)
                row = connections.find_connection(connection, self.workspace_id, self.get_integration_name())
        self.config = row.to_config(self.runtime.cipher)
        return self.config

    def save_config(self, config: IntegrationConfig | Mapping[str, Any]) -> IntegrationConfig:
        """Add the connection, or write what of it the config changes: every field but `id`, `created_at` and
        `updated_at`. A mapping tells some fields. Returns the configuration as it is now.

        Fields that are still as they were loaded are left as they are stored: what a sync or a renewal wrote meanwhile
        is not overwritten. Changed credentials let a connection in `error` or `disconnected` sync again, unless the
        config changes its status, too. `ConfigurationError` for a value that no connection can have, and for the config
        of another workspace or service; then nothing is written.
        """
        wanted = merged_config(config, self.workspace_id, self.get_integration_name(), self.config)
        with self.runtime.database.workspace(self.workspace_id) as connection:
            row = connections.get_connection(connection, self.workspace_id, wanted.integration_name)
            if row is None:
                workspaces.get_slug(connection, self.workspace_id)
                new = NewConnection(integration_type=wanted.integration_name, credentials=wanted.credentials)
                row = connections.save_connection(connection, self.workspace_id, new, self.runtime.cipher)
                values = changed_fields(wanted, None, row) | {"credentials": None}
            else:
                values = changed_fields(wanted, self.config, row)
            credentials = values.pop("credentials", None)
            if credentials is not None:
                self._replace_tokens(connection, row, credentials)
            if values or credentials is not None:
                connections.save_state(connection, row.id, values)
        return self.load_config()

    def _replace_tokens(self, connection: Connection, row: ConnectionRow, credentials: Mapping[str, Any]) -> None:
        # A renewal under way would otherwise put the old grant's tokens over these.
        tokens.lock_tokens(connection, row.id)
        if credentials.get("refresh_token"):
            tokens.save_tokens(connection, row.id, credentials, self.runtime.cipher, self.runtime.clock())
        else:
            tokens.save_credentials(connection, row.id, credentials, self.runtime.cipher)

    # Tokens

    def ensure_valid_token(self) -> str | None:
        """The access token, refreshed if it expires within 5 minutes; None where no OAuth is used.

        One refresh at a time, in whatever process: who comes second takes the token that the first one stored.
        """
        if not self._is_expiring():
            return self.ensure_initialized().access_token
        with self._renewing():
            self.load_config()
            if self._is_expiring():
                return self.refresh_oauth_token()
            return self.ensure_initialized().access_token

    def refresh_oauth_token(self) -> str:
        """Exchange the refresh token for a new access token; services with OAuth override it.

        An override asks the service, hands the answer to `update_oauth_tokens` and returns the access token. One runs
        at a time, in whatever process: who had to wait gets the token that was stored meanwhile.
        """
        raise NotImplementedError(f"{self.get_integration_name()} does not say how its tokens are refreshed")

    def update_oauth_tokens(self, fresh: Mapping[str, Any]) -> None:
        """Store new tokens, encrypted, as a token endpoint answers: `access_token`, and as far as told `refresh_token`
        and `expires_in` (seconds), or `token_expires_at` (a time). A refresh token that is not told stays."""
        config, now = self.ensure_initialized(), self.runtime.clock()
        renewed = read_answer(fresh, now)
        with self._renewing() as row, self.runtime.database.workspace(self.workspace_id) as connection:
            # On top of what is stored, which may be newer than what was loaded.
            stored = tokens.read_tokens(connection, row.id, self.runtime.cipher)
            credentials = renewed.credentials(stored.credentials, now)
            tokens.save_tokens(connection, row.id, credentials, self.runtime.cipher, now)
        self.config = replace(config, credentials=credentials)
        self.log_activity(action="oauth_refreshed", success=True)

    def _is_expiring(self) -> bool:
        config = self.ensure_initialized()
        is_lacking = bool(config.refresh_token and not config.access_token)
        return is_lacking or is_expiring(config.credentials, self.runtime.clock())

    @contextmanager
    def _renewing(self) -> Iterator[ConnectionRow]:
        """The connection, while nobody else renews its tokens; may be entered again by who is inside."""
        row = self._require_row()
        with self._turn.taken(self.runtime.database, row):
            yield row

    # Contacts

    def get_workspace_contacts(self) -> list[dict[str, Any]]:
        """The live contacts of the workspace by e-mail, one dict each, which the ready-made `sync_to_external` takes
        back.

        `id`, `workspace_id`: UUID. `email`, `name`, `company`, `job_title`, `phone`: text or None. `tags`: list of
        texts. `email_opt_out`: bool. `custom_fields`: dict. `email_opt_out_at`, `created_at`, `updated_at`: aware times
        or None. `version`: int, raised by every edit.
        """
        with self.runtime.database.workspace(self.workspace_id) as connection:
            return contact_rows.read_rows(connection, self.workspace_id)

    def save_workspace_contacts(self, data: Iterable[Mapping[str, Any]] | None) -> Saved:
        """Save contacts in the workspace: how many were `created` and `updated`, and by number from 1 the `problems`
        that left some out.

        Each is a dict as `get_workspace_contacts` gives it, or part of one: known by `id`, else by `email`, else new. A
        key that is missing is not told, None is empty; only what differs from what is stored is written, and what was
        edited since its `version` was read, by others than this instance, is left. Nobody who opted out is let in again
        (`kept_out` counts them). `ConfigurationError` for what is no list of dicts.
        """
        edits, problems = read_each(read_contact, rows_of(data, "contacts"), self.workspace_id)
        with self.runtime.database.workspace(self.workspace_id) as connection:
            saved = contact_rows.save_rows(connection, self.workspace_id, self._own_edits.applied(edits))
        self._own_edits.note(edits, saved)
        return replace(saved, problems={**problems, **saved.problems})

    def get_app_contacts(self, table_name: str) -> list[dict[str, Any]]:
        """Rows of an application's table or view in `public` for this workspace, values as the driver gives them;
        `ConfigurationError` for one without a `workspace_id` column."""
        return app_tables.read_app_table(self.runtime.database, self.workspace_id, table_name)

    # What happened

    def log_sync_activity(self, result: SyncResult) -> None:
        """Write a result to `integration_sync_logs`, one row with its own times; a successful one also is the last sync
        and resets the error count."""
        if not isinstance(result, SyncResult):
            raise ConfigurationError(f"expected a SyncResult, not {type(result).__name__}")
        read_direction(result.direction)
        result = replace(result, metadata=plain_json(result.metadata))
        row = self._require_row()
        with self.runtime.database.workspace(self.workspace_id) as connection:
            sync_log.record_result(connection, self.workspace_id, row.id, result)
            if result.success:
                connections.record_success(connection, row.id, is_due_again=False)

    def log_activity(self, activity: Mapping[str, Any] | None = None, /, **told: Any) -> None:
        """Write a row to `integration_activity`: `action` and `success`, and as far as told `records_affected`,
        `error_message`, `metadata`; as keywords or as one mapping."""
        found = read_activity(self.get_integration_name(), {**(activity or {}), **told})
        with self.runtime.database.workspace(self.workspace_id) as connection:
            workspaces.get_slug(connection, self.workspace_id)
            sync_log.record_activity(connection, self.workspace_id, found)

    def handle_sync_error(self, error: BaseException | str) -> None:
        """Log a failed sync and count it; the third in a row sets status `error`. What an error of another library says
        may hold personal data: its type alone is logged. It does not raise if the database is away."""
        message = message_of(error)
        try:
            row = self._row()
            if row is not None:
                with self.runtime.database.workspace(self.workspace_id) as connection:
                    connections.record_failure(connection, row.id, message, is_own=getattr(error, "is_own", True))
            self.log_activity(action="sync_failed", success=False, error_message=message)
        except IntegrationError as trouble:
            _logger.warning("a failed sync could not be logged: %s", trouble)

    def create_failed_result(
        self,
        direction: str | Direction,
        error: BaseException | str,
        start_time: datetime | float | None = None,
    ) -> SyncResult:
        """The result of a sync that failed; `errors` holds what the error says. `start_time` without a zone is this
        machine's, a number seconds since 1970, None now."""
        now = self.runtime.clock()
        return SyncResult(
            success=False,
            direction=read_direction(direction),
            records_synced=0,
            errors=(str(error) or type(error).__name__,),
            started_at=read_time(start_time, now),
            completed_at=now,
        )

    def _row(self) -> ConnectionRow | None:
        with self.runtime.database.workspace(self.workspace_id) as connection:
            return connections.get_connection(connection, self.workspace_id, self.get_integration_name())

    def _require_row(self) -> ConnectionRow:
        with self.runtime.database.workspace(self.workspace_id) as connection:
            return connections.find_connection(connection, self.workspace_id, self.get_integration_name())

    def _set_enabled(self, *, is_enabled: bool) -> None:
        row = self._require_row()
        with self.runtime.database.workspace(self.workspace_id) as connection:
            connections.set_enabled(connection, row.id, is_enabled=is_enabled)
        if self.config is not None:
            self.load_config()
