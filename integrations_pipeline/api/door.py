"""The door for Python: `connect()` reads the environment and gives the program, put together.

    with connect() as integrations:
        integrations.sync("acme", provider)
        MySync(integrations.workspace_id("acme"), integrations)

Belongs here: what the command line has as `plan`, `sync` and `status`, for programs. Does not: syncing (`sync.run`).
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any
from uuid import UUID

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import Direction
from integrations_pipeline.store import health, workspaces
from integrations_pipeline.store.health import ConnectionState
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import SyncRequest, plan_only, run_sync
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.wiring import Wiring, read_settings

#: The command line's word for it, too.
_DIRECTIONS: Mapping[str, Direction] = {"both": Direction.BIDIRECTIONAL, **{each.value: each for each in Direction}}


class Integrations:
    """Workspaces, their connections and their syncs. Safe to use from many threads; close it at the end.

    A workspace is named by its slug or by its id, a provider by its name in lower case. Every method raises
    `ConfigurationError` for a name that is not known and `UnavailableError` if the database cannot be reached.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._is_closed = False

    def __enter__(self) -> "Integrations":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the database's connections back; nothing can be asked afterwards."""
        self._is_closed = True
        self._wiring.close()

    @property
    def runtime(self) -> Runtime:
        """What syncs run on; opened on first use."""
        if self._is_closed:
            raise ConfigurationError("these integrations are closed: use them inside `with connect() as integrations:`")
        return self._wiring.runtime

    def workspace_id(self, workspace: str | UUID) -> UUID:
        """The id of a workspace; `ConfigurationError` if there is none."""
        return self._workspace(workspace)[0]

    def sync(
        self,
        workspace: str | UUID,
        provider: str,
        *,
        direction: str = "both",
        full: bool = False,
        plan_id: UUID | str | None = None,
        wait_seconds: float = 0.0,
    ) -> SyncReport:
        """Sync one connection: `both` ways, `to_external` or `from_external`, once. `full` reads everything, not only
        what changed; `plan_id` applies exactly that preview (`SyncReport.plan_id`); `wait_seconds` is how long to wait
        for a sync of it that is under way.

        `results` has one `SyncResult` per direction. A sync that fails comes back with `status` `failed` and its
        `error`, is in the log and counts toward the connection's `error_count`. Raises only what keeps a sync from
        starting: `ConfigurationError` (a connection that is not there or switched off, too) and `BusyError`.
        """
        slug = self._workspace(workspace)[1]
        request = SyncRequest(
            workspace=slug,
            provider=provider,
            direction=_direction(direction),
            is_full=full,
            plan_id=_plan_id(plan_id),
            wait_seconds=wait_seconds,
        )
        return run_sync(self.runtime, request)

    def plan(self, workspace: str | UUID, provider: str, *, direction: str = "both", full: bool = False) -> SyncReport:
        """What a sync would do now: its counts as `results`, its changes as `plan`, and a `plan_id` for `sync`. Nothing
        is written on either side. Raises `IntegrationError` where a sync would have failed."""
        slug = self._workspace(workspace)[1]
        request = SyncRequest(workspace=slug, provider=provider, direction=_direction(direction), is_full=full)
        return plan_only(self.runtime, request)

    def status(self, workspace: str | UUID | None = None, provider: str | None = None) -> list[ConnectionState]:
        """How every connection is, or those of one workspace or provider: its status, last success, failures in a row,
        and what waits for a person. Ordered by slug and provider."""
        slug = None if workspace is None else self._workspace(workspace)[1]
        if provider is not None:
            self.runtime.spec(provider)
        with self.runtime.database.admin() as connection:
            return health.read_states(connection, slug, provider)

    def _workspace(self, named: str | UUID) -> tuple[UUID, str]:
        found = named if isinstance(named, UUID) else _as_id(named)
        with self.runtime.database.admin() as connection:
            if found is not None:
                return found, workspaces.get_slug(connection, found)
            known = workspaces.find_workspace(connection, str(named))
            return known.id, known.slug


def connect() -> Integrations:
    """The program as this process's environment describes it; `with connect() as integrations:` closes it.

    `ConfigurationError` names every variable that is wrong, one line each. Nothing is opened before it is used; without
    `INTEGRATIONS_DATABASE_URL` an embedded Postgres is started then.
    """
    return Integrations(Wiring(read_settings()))


def runtime_of(integrations: Any) -> Runtime:
    """What a class was handed: these integrations, or a runtime that an entry point built."""
    found = integrations.runtime if isinstance(integrations, Integrations) else integrations
    if not isinstance(found, Runtime):
        raise ConfigurationError(f"expected the integrations that `connect()` gives, not {type(integrations).__name__}")
    return found


def _as_id(text: Any) -> UUID | None:
    try:
        return UUID(str(text)) if len(str(text)) == len(str(UUID(int=0))) else None
    except ValueError:
        return None


def _direction(text: Any) -> Direction:
    found = _DIRECTIONS.get(text) if isinstance(text, str) else None
    if found is None:
        raise ConfigurationError(f"direction {text!r}: choose both, to_external or from_external")
    return found


def _plan_id(given: UUID | str | None) -> UUID | None:
    try:
        return given if given is None or isinstance(given, UUID) else UUID(given)
    except (ValueError, AttributeError):
        raise ConfigurationError(f"{given!r} is no plan id: `plan` gives one as `plan_id`") from None
