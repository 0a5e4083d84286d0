"""What failed, tried again by a person's word.

Belongs here: how often something was tried, forgetting that it was refused, and making its connection due. Does not:
what a run makes of failures (`agenda`), choosing (`waiting`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.store.suppressions import without_addresses
from integrations_pipeline.store.sync_log import Activity, record_activity
from integrations_pipeline.store.waiting import FAILURE, Choice, Waiting, lock_chosen

# Tries since this person was last written there: each run that failed has a row of its own.
_ATTEMPTS = text(
    """
    select a.id, (
        select coalesce(sum(j.attempts), 0) from integration_changes j
        where j.connection_id = a.connection_id and j.side = a.side and j.kind = a.change and j.error_class is not null
            and (j.contact_id = a.contact_id or (a.contact_id is null and j.external_id = a.external_id))
            and j.ordinal > coalesce((select max(d.ordinal) from integration_changes d
                where d.connection_id = a.connection_id and d.side = a.side and d.state = 'applied'
                and d.contact_id = a.contact_id), 0)) as attempts
    from integration_agenda a where a.id = any(:ids)
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What is tried again. `due`: providers whose connection is due now; `stopped`: those that are not synced until a
    person enables them."""

    done: Sequence[Waiting]
    due: Sequence[str]
    stopped: Sequence[str]


def read_attempts(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How often each of these was tried since it last succeeded, as far as the journal knows."""
    found = connection.execute(_ATTEMPTS, {"ids": list(ids)}) if ids else ()
    return {row.id: int(row.attempts) for row in found}


def retry_failures(connection: Connection, workspace_id: UUID, choice: Choice, by: str, because: str) -> Retried:
    """Let the next run try again what was refused for good, and make it come now; all or nothing, on record. What
    failed otherwise is tried by every run anyway. `ConfigurationError`, with nothing done, as `lock_chosen`."""
    chosen = lock_chosen(connection, workspace_id, choice, FAILURE)
    refused = [row.id for row in chosen if row.kind == "refused"]
    connection.execute(text("delete from integration_agenda where id = any(:ids)"), {"ids": refused})
    statement = text(
        "update integration_connections set next_sync_at = now() where id = any(:ids) "
        "returning integration_type, status = 'active' and sync_enabled as is_due"
    )
    found = connection.execute(statement, {"ids": sorted({row.connection_id for row in chosen if row.connection_id})})
    is_due = {row.integration_type: row.is_due for row in found}
    for provider in sorted(is_due):
        _put_on_record(connection, workspace_id, [row for row in chosen if row.provider == provider], by, because)
    return Retried(
        done=chosen,
        due=sorted(name for name, due in is_due.items() if due),
        stopped=sorted(name for name, due in is_due.items() if not due),
    )


def _put_on_record(connection: Connection, workspace_id: UUID, done: Sequence[Waiting], by: str, because: str) -> None:
    told = {
        "count": len(done),
        "kinds": dict(sorted(Counter(row.kind for row in done).items())),
        "decided_by": without_addresses(by),
        **({"because": without_addresses(because)} if because else {}),
    }
    activity = Activity(
        integration_name=done[0].provider,
        action="failure_retried",
        success=True,
        records_affected=len(done),
        metadata=told,
    )
    record_activity(connection, workspace_id, activity)
