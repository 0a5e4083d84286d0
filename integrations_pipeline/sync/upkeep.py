"""Keeps refresh tokens from lapsing: those of connections that nothing else renews, paused and failing ones too.

Belongs here: whose turn it is, and that one connection's trouble stays its own. Does not: renewing (`tokens`),
when this is called (`orchestration`).
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from integrations_pipeline.errors import (
    DisconnectedError,
    IntegrationError,
    RetryableError,
    UnavailableError,
)
from integrations_pipeline.store import connections, tokens, workspaces
from integrations_pipeline.store.faults import words_of
from integrations_pipeline.store.tokens import StaleToken
from integrations_pipeline.sync.runtime import Runtime, token_source
from integrations_pipeline.sync.tokens import TokenKeeper

_log = logging.getLogger(__name__)

#: The shortest known life of an unused refresh token is 60 days: this leaves 40 for whatever fails.
UNUSED = timedelta(days=20)
#: Connections asked for at a time.
BATCH = 200
#: After so many failures in a row that pass by themselves, a provider is left alone until the next time.
PATIENCE = 3

Result = Literal["renewed", "disconnected", "failed", "postponed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of one connection; `reason` is "" for a renewed one.

    `renewed`: its refresh token was used. `disconnected`: the provider took the authorisation back, and a
    person was asked to give it again. `failed`: the next time tries again. `postponed`: not tried, because its
    provider fails for all. `skipped`: there is nothing to renew.
    """

    workspace: str
    provider: str
    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepReport:
    """What became of all of them, in the order in which they were tried."""

    connections: Sequence[Kept] = ()

    def count(self, result: Result) -> int:
        return sum(kept.result == result for kept in self.connections)

    def to_dict(self) -> dict[str, Any]:
        """Counts by result, and who needs a look."""
        counts = Counter(kept.result for kept in self.connections)
        troubled = [kept for kept in self.connections if kept.result in ("disconnected", "failed")]
        return {
            **{result: counts[result] for result in ("renewed", "disconnected", "failed", "postponed", "skipped")},
            "troubles": [f"{kept.provider} of {kept.workspace}: {kept.reason}" for kept in troubled],
        }


def keep_tokens_alive(runtime: Runtime, *, unused: timedelta = UNUSED, batch: int = BATCH) -> UpkeepReport:
    """Renew the tokens of every connection that has not used its refresh token for that long, longest first.

    Connections in every status but `disconnected`, asked for in batches. Raises only `UnavailableError`, when
    there is no database to ask; what happens to a single connection is in the report, in its own row where it
    was disconnected, and in the log.
    """
    failures: Counter[str] = Counter()
    found = []
    for stale in _stale(runtime, unused, batch):
        if failures[stale.integration_type] >= PATIENCE:
            kept = _kept(stale, "postponed", f"{stale.integration_type} failed {PATIENCE} times in a row")
        else:
            kept = _keep(runtime, stale, failures)
        if kept.reason and kept.result != "skipped":
            _log.warning("%s of %s: %s: %s", kept.provider, kept.workspace, kept.result, kept.reason)
        found.append(kept)
    return UpkeepReport(connections=tuple(found))


def _stale(runtime: Runtime, unused: timedelta, batch: int) -> Iterator[StaleToken]:
    """Each once. Those that could not be renewed stay at the head of the list, so it is asked for ever more."""
    before = runtime.clock() - unused
    seen: set[StaleToken] = set()
    while True:
        with runtime.database.admin() as connection:
            listed = tokens.stale_tokens(connection, before, len(seen) + batch)
        fresh = [stale for stale in listed if stale not in seen]
        if not fresh:
            return
        seen.update(fresh)
        yield from fresh


def _keep(runtime: Runtime, stale: StaleToken, failures: Counter[str]) -> Kept:
    """One connection. `failures` counts those in a row, by provider, that pass by themselves."""
    provider = stale.integration_type
    try:
        keeper = _keeper(runtime, stale)
        if keeper is None:
            return _kept(
                stale, "skipped", "it has no refresh token, or its provider is not installed, or it was deleted"
            )
        keeper.keep_alive()
    except UnavailableError:
        raise
    except DisconnectedError as error:
        return _kept(stale, "disconnected", str(error))
    except IntegrationError as error:
        failures[provider] += isinstance(error, RetryableError)
        return _kept(stale, "failed", str(error))
    except Exception as error:  # noqa: BLE001 - a defect met in one connection must not let the others lapse
        # Not its message: that may hold somebody's data.
        return _kept(stale, "failed", words_of(error))
    failures[provider] = 0
    return _kept(stale, "renewed")


def _keeper(runtime: Runtime, stale: StaleToken) -> TokenKeeper | None:
    if stale.integration_type not in runtime.specs:
        return None
    with runtime.database.admin() as connection:
        workspace = workspaces.find_workspace(connection, stale.workspace_slug)
    with runtime.database.workspace(workspace.id) as connection:
        row = connections.get_connection(connection, workspace.id, stale.integration_type)
    if row is None:
        return None
    source = token_source(runtime, row, row.decrypted(runtime.cipher))
    return source if isinstance(source, TokenKeeper) and source.is_renewable else None


def _kept(stale: StaleToken, result: Result, reason: str = "") -> Kept:
    return Kept(workspace=stale.workspace_slug, provider=stale.integration_type, result=result, reason=reason)
