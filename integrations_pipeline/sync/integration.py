"""The original's base class in Python: a sync that a developer writes, on this product's database.

Belongs here: `BaseIntegrationSync` and the ready-made `ProviderSync`. Does not: how syncs work; the
ready-made classes run `sync.run` like the command line and Dagster.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from integrations_pipeline.errors import ConfigurationError, IntegrationError, NeedsAttentionError
from integrations_pipeline.model import (
    CONTACT_FIELDS,
    ContactValues,
    Direction,
    IntegrationConfig,
    RunStatus,
    SyncResult,
)
from integrations_pipeline.providers.oauth import Tokens
from integrations_pipeline.store import connections, contacts, sync_log, tokens, workspaces
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.store.sync_log import Activity, LogEnd, LogStart
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime, build_access, parse_settings, read_mapping, token_source
from integrations_pipeline.sync.tokens import TokenKeeper, is_expiring


class BaseIntegrationSync(ABC):
    """One workspace's sync with one service. Subclasses say how; this class knows config, log and status.

    `workspace_id` is the workspace's id; `runtime` comes from `integrations_pipeline.wiring.Wiring`.
    Call `initialize` first. A sync that fails returns `SyncResult(success=False)` made by
    `create_failed_result`, after `handle_sync_error` has logged it; the third failure in a row sets the
    connection's status to `error`.
    """

    def __init__(self, workspace_id: UUID | str, runtime: Runtime) -> None:
        self.workspace_id = UUID(str(workspace_id))
        self.runtime = runtime
        self.config: IntegrationConfig | None = None
        self._renewal = threading.RLock()
        self._is_renewing = False

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

    def initialize(self) -> None:
        """Load the configuration, and refresh the token if it expires within 5 minutes."""
        self.load_config()
        if self.ensure_initialized().access_token:
            self.ensure_valid_token()

    def get_status(self) -> str | None:
        """The connection's status, or None if there is no connection."""
        row = self._row()
        return row.status if row else None

    def is_enabled(self) -> bool:
        row = self._row()
        return bool(row and row.sync_enabled)

    def get_last_sync_at(self) -> datetime | None:
        row = self._row()
        return row.last_sync_at if row else None

    def disable(self) -> None:
        self._set_enabled(is_enabled=False)

    def enable(self) -> None:
        self._set_enabled(is_enabled=True)

    def load_config(self) -> IntegrationConfig:
        """Read the connection, decrypted, into `config`; `ConfigurationError` if there is none."""
        self.config = self._require_row().to_config(self.runtime.cipher)
        return self.config

    def save_config(self, config: IntegrationConfig) -> IntegrationConfig:
        """Add or update the connection with the config's credentials, settings and frequency.

        Credentials that are still as they were loaded are left as they are stored: tokens that somebody else
        renewed meanwhile are not overwritten with spent ones.
        """
        is_untouched = self.config is not None and config.credentials == self.config.credentials
        with self.runtime.database.workspace(self.workspace_id) as connection:
            row = connections.get_connection(connection, self.workspace_id, self.get_integration_name())
            credentials = config.credentials
            if row is not None and is_untouched:
                tokens.lock_tokens(connection, row.id)
                credentials = tokens.read_tokens(connection, row.id, self.runtime.cipher).credentials
            new = NewConnection(
                integration_type=self.get_integration_name(),
                credentials=credentials,
                settings=config.settings,
                frequency_minutes=config.sync_frequency_minutes,
                oauth_provider=config.oauth_provider,
            )
            connections.save_connection(connection, self.workspace_id, new, self.runtime.cipher)
        return self.load_config()

    def ensure_initialized(self) -> IntegrationConfig:
        """The loaded configuration; `ConfigurationError` before `initialize`."""
        if self.config is None:
            raise ConfigurationError(f"{type(self).__name__} is not initialised: call initialize() first")
        return self.config

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

        An override asks the service, hands the answer to `update_oauth_tokens` and returns the access token.
        """
        raise NotImplementedError(f"{self.get_integration_name()} does not say how its tokens are refreshed")

    def update_oauth_tokens(self, fresh: Mapping[str, Any]) -> None:
        """Store new tokens, encrypted. Keys: `access_token`, `refresh_token` (optional), `expires_in` (s)."""
        seconds = fresh.get("expires_in")
        renewed = Tokens(
            access_token=fresh["access_token"],
            refresh_token=fresh.get("refresh_token") or "",
            expires_in=timedelta(seconds=float(seconds)) if seconds else None,
        )
        config, now = self.ensure_initialized(), self.runtime.clock()
        with self._renewing() as row, self.runtime.database.workspace(self.workspace_id) as connection:
            # On top of what is stored, which may be newer than what was loaded.
            stored = tokens.read_tokens(connection, row.id, self.runtime.cipher)
            credentials = renewed.credentials(stored.credentials, now)
            tokens.save_tokens(connection, row.id, credentials, self.runtime.cipher, now)
        self.config = replace(config, credentials=credentials)
        self.log_activity(action="oauth_refreshed", success=True)

    def _is_expiring(self) -> bool:
        return is_expiring(self.ensure_initialized().credentials, self.runtime.clock())

    @contextmanager
    def _renewing(self) -> Iterator[ConnectionRow]:
        """The connection, while nobody else renews its tokens; may be entered again by who is inside."""
        row = self._require_row()
        with self._renewal:
            if self._is_renewing:
                yield row
                return
            with self.runtime.database.workspace(self.workspace_id) as connection:
                tokens.lock_tokens(connection, row.id)
                self._is_renewing = True
                try:
                    yield row
                finally:
                    self._is_renewing = False

    def get_workspace_contacts(self) -> list[dict[str, str]]:
        """The live contacts of the workspace, by e-mail; keys are `model.CONTACT_FIELDS`."""
        with self.runtime.database.workspace(self.workspace_id) as connection:
            return contacts.list_contacts(connection, self.workspace_id, CONTACT_FIELDS)

    def get_app_contacts(self, table_name: str) -> list[dict[str, Any]]:
        """Rows of an application's table for this workspace; only tables with a `workspace_id` column."""
        with self.runtime.database.workspace(self.workspace_id) as connection:
            return contacts.read_app_table(connection, self.workspace_id, table_name)

    def log_sync_activity(self, result: SyncResult) -> None:
        """Write a result to `integration_sync_logs`; a successful one also resets the error count."""
        row = self._require_row()
        with self.runtime.database.workspace(self.workspace_id) as connection:
            for direction in _directions(result.direction):
                start = LogStart(
                    workspace_id=self.workspace_id,
                    connection_id=row.id,
                    direction=direction,
                    run_id=uuid4(),
                )
                log_id = sync_log.open_log(connection, start)
                sync_log.close_log(connection, log_id, _log_end(result))
            if result.success:
                connections.record_success(connection, row.id, is_due_again=False)

    def log_activity(
        self,
        *,
        action: str,
        success: bool,
        records_affected: int = 0,
        error_message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a row to `integration_activity`."""
        activity = Activity(
            integration_name=self.get_integration_name(),
            action=action,
            success=success,
            records_affected=records_affected,
            error_message=error_message,
            metadata=metadata or {},
        )
        with self.runtime.database.workspace(self.workspace_id) as connection:
            sync_log.record_activity(connection, self.workspace_id, activity)

    def handle_sync_error(self, error: Exception) -> None:
        """Log a failed sync and count it; the third in a row sets status `error`."""
        message = str(error) if isinstance(error, IntegrationError) else type(error).__name__
        row = self._row()
        if row is not None:
            with self.runtime.database.workspace(self.workspace_id) as connection:
                connections.record_failure(connection, row.id, message, is_own=getattr(error, "is_own", True))
        self.log_activity(action="sync_failed", success=False, error_message=message)

    def create_failed_result(self, direction: str | Direction, error: Exception, start_time: datetime) -> SyncResult:
        """The result of a sync that failed."""
        now = self.runtime.clock()
        return SyncResult(
            success=False,
            direction=Direction(direction).value,
            records_synced=0,
            errors=(str(error),),
            duration_ms=int((now - start_time).total_seconds() * 1000),
            started_at=start_time,
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


class ProviderSync(BaseIntegrationSync):
    """A ready-made sync: subclasses only name their provider.

    `sync_to_external` takes its data from the workspace's contacts; rows passed in are saved there first,
    by e-mail, so that nothing is pushed that the workspace does not hold.
    """

    provider_name = ""

    def get_integration_name(self) -> str:
        return self.provider_name

    def validate_credentials(self) -> bool:
        """Whether the provider takes them and finds no problem; raises the fault that kept it from telling."""
        row = self._require_row()
        spec = self.runtime.spec(row.integration_type)
        with self.runtime.database.workspace(self.workspace_id) as connection:
            mapping = read_mapping(connection, spec, parse_settings(spec, row.settings), row.id)
        access = build_access(self.runtime, row, mapping)
        try:
            report = access.check(ContactValues())
        except NeedsAttentionError:
            return False
        finally:
            access.close()
        if report.fault is not None:
            raise report.fault
        return not report.problems

    def ensure_valid_token(self) -> str | None:
        """The access token, refreshed if it expires within 5 minutes; None where no OAuth is used.

        `DisconnectedError` if a person must authorise again.
        """
        return self.refresh_oauth_token() if self._is_expiring() else self.ensure_initialized().access_token

    def refresh_oauth_token(self) -> str:
        """Renew the token now, one renewal at a time; `DisconnectedError` if a person must authorise again.

        A token that never expires is returned as it is; `ConfigurationError` for a connection by API key.
        """
        row, known = self._require_row(), self.ensure_initialized().access_token
        keeper = token_source(self.runtime, row, row.decrypted(self.runtime.cipher))
        if not isinstance(keeper, TokenKeeper):
            raise ConfigurationError(f"the {row.integration_type} connection has no OAuth token: it uses a key")
        token = keeper.renew(known or "") if keeper.is_renewable else keeper.current()
        self.load_config()
        return token or ""

    def sync_to_external(self, data: Sequence[Mapping[str, Any]] = ()) -> SyncResult:
        with self.runtime.database.workspace(self.workspace_id) as connection:
            rows = [{name: str(value) for name, value in row.items() if value is not None} for row in data]
            contacts.upsert_contacts(connection, self.workspace_id, rows)
        return self._run(Direction.TO_EXTERNAL)

    def sync_from_external(self) -> SyncResult:
        return self._run(Direction.FROM_EXTERNAL)

    def sync(self) -> tuple[SyncResult, ...]:
        """Both directions in one run: fewer requests, and the three-way merge sees both sides at once."""
        return run_sync(self.runtime, self._request(Direction.BIDIRECTIONAL)).results

    def _run(self, direction: Direction) -> SyncResult:
        return run_sync(self.runtime, self._request(direction)).results[0]

    def _request(self, direction: Direction) -> SyncRequest:
        with self.runtime.database.admin() as connection:
            slug = workspaces.get_slug(connection, self.workspace_id)
        return SyncRequest(workspace=slug, provider=self.get_integration_name(), direction=direction)


class AirtableSync(ProviderSync):
    """Contacts and Airtable."""

    provider_name = "airtable"


class MailchimpSync(ProviderSync):
    """Contacts and a Mailchimp audience."""

    provider_name = "mailchimp"


class GmailSync(ProviderSync):
    """Pitches and replies through a Gmail mailbox, and the people met in it."""

    provider_name = "gmail"


def _directions(direction: str) -> list[Direction]:
    wanted = Direction(direction)
    if wanted is Direction.BIDIRECTIONAL:
        return [Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL]
    return [wanted]


def _log_end(result: SyncResult) -> LogEnd:
    status = RunStatus.SUCCESS if result.success else RunStatus.FAILED
    if result.success and result.records_failed:
        status = RunStatus.PARTIAL
    counts = {
        name: getattr(result, name)
        for name in ("records_created", "records_updated", "records_failed", "records_deleted")
    }
    return LogEnd(status=status, counts=counts, errors=result.errors, metadata=result.metadata)
