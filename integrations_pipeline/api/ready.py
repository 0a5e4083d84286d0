"""The ready-made classes: installed providers behind the original's methods.

Belongs here: what of a caller's data is saved before a sync, and a sync as a `SyncResult`. Does not: how syncs work;
they run `sync.run` like the command line and Dagster.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from integrations_pipeline.api.base import BaseIntegrationSync
from integrations_pipeline.api.mail import read_pitch
from integrations_pipeline.api.values import read_each, rows_of
from integrations_pipeline.errors import ConfigurationError, IntegrationError, NeedsAttentionError, UnavailableError
from integrations_pipeline.model import DIRECTION_OF, ContactValues, Direction, SyncResult
from integrations_pipeline.store import pitch_rows, workspaces
from integrations_pipeline.sync.opening import require_ready
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import build_access, parse_settings, read_mapping, token_source
from integrations_pipeline.sync.tokens import TokenKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of the rows handed in: why some were left out, by place, and what is told beside."""

    problems: Mapping[int, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def added_to(self, result: SyncResult) -> SyncResult:
        """The result of the sync that followed. Not all that was asked for was done where a row was left out."""
        lines = tuple(f"number {place}: {why}" for place, why in sorted(self.problems.items()))
        return replace(
            result,
            success=result.success and not lines,
            records_failed=result.records_failed + len(lines),
            errors=(*lines, *result.errors),
            metadata={**result.metadata, **self.metadata},
        )


class ProviderSync(BaseIntegrationSync):
    """A ready-made sync of contacts: subclasses only name their provider.

    Both syncs run what `integrations sync` runs, and return a failed result where the base class says so: nothing of
    the product's own is raised. A connection that is switched off, is not there or is being synced already gives a
    failed result, too, which does not count toward `error`: the connection has no fault.
    """

    _renews_itself = True
    provider_name = ""

    def get_integration_name(self) -> str:
        return self.provider_name

    def validate_credentials(self) -> bool:
        """Whether the provider takes them and finds no problem; False also where there is no connection, or its
        settings are wrong. Raises the fault that kept the provider from telling."""
        try:
            row = self._require_row()
            self.load_config()
            spec = self.runtime.spec(row.integration_type)
            with self.runtime.database.workspace(self.workspace_id) as connection:
                mapping = read_mapping(connection, spec, parse_settings(spec, row.settings), row.id)
            access = build_access(self.runtime, self._require_row(), mapping)
            try:
                report = access.check(ContactValues())
            finally:
                access.close()
        except UnavailableError:
            raise
        except NeedsAttentionError:
            return False
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

    def sync_to_external(self, data: Iterable[Mapping[str, Any]] | None = ()) -> SyncResult:
        """Save these contacts in the workspace, then push what the workspace holds.

        Each is read as by `save_workspace_contacts`. One that cannot be taken is told in `errors` by its number, counts
        in `records_failed` and makes `success` False; the others go on.
        """
        return self._synced(Direction.TO_EXTERNAL, lambda: self._take(data))

    def sync_from_external(self) -> SyncResult:
        """Fetch what changed there into the workspace."""
        return self._synced(Direction.FROM_EXTERNAL, Taken)

    def sync(self) -> tuple[SyncResult, ...]:
        """Both directions in one run: fewer requests, and the three-way merge sees both sides at once."""
        return self._run(Direction.BIDIRECTIONAL, Taken)

    def _synced(self, direction: Direction, take: Callable[[], Taken]) -> SyncResult:
        return self._run(direction, take)[0]

    def _run(self, direction: Direction, take: Callable[[], Taken]) -> tuple[SyncResult, ...]:
        started_at = datetime.now(UTC)
        taken = Taken()
        try:
            taken = self._begun(take)
            results = run_sync(self.runtime, self._request(direction)).results
        except IntegrationError as error:
            ways = [each for side, each in DIRECTION_OF.items() if direction.allows(side)]
            results = tuple(self.create_failed_result(each, error, started_at) for each in ways)
        return tuple(taken.added_to(each) for each in results)

    def _begun(self, take: Callable[[], Taken]) -> Taken:
        """Take in the data, of a connection that may sync; what keeps it from that is told, and is no failure of it."""
        try:
            require_ready(self._require_row(), self.runtime.clock())
            return take()
        except UnavailableError:
            raise
        except IntegrationError as error:
            self.log_activity(action="sync_failed", success=False, error_message=str(error))
            raise

    def _take(self, data: Iterable[Mapping[str, Any]] | None) -> Taken:
        saved = self.save_workspace_contacts(data)
        return Taken(problems=saved.problems, metadata={"kept_out": saved.kept_out} if saved.kept_out else {})

    def _request(self, direction: Direction) -> SyncRequest:
        with self.runtime.database.admin() as connection:
            slug = workspaces.get_slug(connection, self.workspace_id)
        return SyncRequest(workspace=slug, provider=self.get_integration_name(), direction=direction)


class MailboxSync(ProviderSync):
    """A ready-made sync of a mailbox: what it pushes is pitches."""

    def sync_to_external(self, data: Iterable[Mapping[str, Any]] | None = ()) -> SyncResult:
        """Queue these pitches, then send everything that is due, each at most once.

        Each is a dict: `to_email` or `contact_id`, `subject`, `body`, and as far as wanted `scheduled_at` (a time, or
        ISO 8601 text) and `in_reply_to_pitch_id`; with `id` it is a draft of the workspace, with what the dict tells
        otherwise written over it. Their ids are `metadata["pitch_ids"]`, in order; what became of each is its row in
        `pitches`. One that cannot be queued is told in `errors` by its number, counts in `records_failed` and makes
        `success` False; the others go on. A pitch sent counts as created, one nobody knows the end of as held.
        """
        return super().sync_to_external(data)

    def _take(self, data: Iterable[Mapping[str, Any]] | None) -> Taken:
        edits, problems = read_each(read_pitch, rows_of(data, "pitches"), self.workspace_id)
        with self.runtime.database.workspace(self.workspace_id) as connection:
            queued = pitch_rows.queue_rows(connection, self.workspace_id, edits)
        ids = [queued.ids[place] for place in sorted(queued.ids)]
        return Taken(problems={**problems, **queued.problems}, metadata={"pitch_ids": ids} if ids else {})


class AirtableSync(ProviderSync):
    """Contacts and Airtable."""

    provider_name = "airtable"


class MailchimpSync(ProviderSync):
    """Contacts and a Mailchimp audience."""

    provider_name = "mailchimp"


class GmailSync(MailboxSync):
    """Pitches and replies through a Gmail mailbox, and the people met in it."""

    provider_name = "gmail"
