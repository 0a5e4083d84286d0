"""What of a read is not believed yet: records without any value, and edits so young that they may be half typed.

Belongs here: finding both before anything is planned. Does not: reads that are older than our own writes (`stale`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from integrations_pipeline.engine.frames import changed_rows, positions, texts
from integrations_pipeline.errors import RetryableError
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import contacts
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.reading import RemoteRead
from integrations_pipeline.sync.runtime import Run

#: A record that lost this many values at once, and has none left, is more likely a fault of the answer.
FEWEST_VALUES = 2
#: Nothing waits longer than so many settle times, nor than this: a record that a machine edits all the time goes out.
MOST_SETTLE_TIMES = 10
SHORTEST_PATIENCE = timedelta(minutes=5)


def disbelieve_blank(run: Run, remote: RemoteRead, base: pd.DataFrame) -> frozenset[str]:
    """Put back, in `remote`, the base of linked records that came without any value although they had several;
    returns their ids. If all that came are so, the answer is no answer: `RetryableError`."""
    blank = {key for key, record in remote.records.items() if record.fields and not any(record.fields.values())}
    if not blank:
        return frozenset()
    is_blank = base["external_id"].isin(list(blank)).to_numpy()
    known = base.loc[is_blank, run.names].fillna("")
    values = {
        str(key): {str(name): str(value) for name, value in row.items()}
        for key, row in zip(base.loc[is_blank, "external_id"], known.to_dict("records"), strict=True)
    }
    emptied = {key: row for key, row in values.items() if sum(map(bool, row.values())) >= FEWEST_VALUES}
    told = base["external_id"].isin(list(remote.records)).sum() + (remote.sieve.unchanged if remote.sieve else 0)
    if len(emptied) > 1 and len(emptied) == told:
        raise RetryableError(
            f"{run.spec.title} told {len(emptied)} records and none of their values: nothing is taken from that answer"
        )
    for key, row in emptied.items():
        remote.records[key] = replace(remote.records[key], fields=row)
    return frozenset(emptied)


def newly_blank(run: Run, remote: RemoteRead, base: pd.DataFrame) -> frozenset[str]:
    """Records without a link and without any value, told for the first time: read once more before they count as the
    empty rows that they may be."""
    linked = set(base["external_id"])
    blank = {key for key, record in remote.records.items() if not any(record.fields.values()) and key not in linked}
    return frozenset(blank - run.agenda.retry)


def spare_resumed(run: Run, base: pd.DataFrame, remote: pd.DataFrame) -> None:
    """A field that was stopped goes on: what its column does not have any more was lost with the column, and is no
    edit. Forget, in `base`, what was agreed for it, so that the value here goes back there."""
    for name in sorted({*run.agenda.stopped} & set(run.names)):
        emptied = remote.index[remote[name] == ""]
        base.loc[base["external_id"].isin(list(emptied)), name] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """Contacts and records, by id, that wait for their editors; `since`: when each was first left waiting."""

    ids: frozenset[str] = frozenset()
    since: Mapping[str, datetime] = field(default_factory=dict)


def unsettled(
    run: Run,
    connection: Connection,
    frames: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    records: Mapping[str, RemoteRecord],
) -> Unsettled:
    """Whatever changed on either side and was edited less than `settle_seconds` ago.

    `frames`: local, remote and base, as in `engine.reader.World`. Nobody waits for ever: the agenda tells since when.
    """
    seconds = run.settings.settle_seconds
    if not seconds:
        return Unsettled()
    local, remote, base = frames
    changed = _changed_contacts(local, base)
    edited = _changed_records(run, remote, base)
    young = contacts.edited_within(connection, run.connection.workspace_id, changed, seconds) if changed else set()
    candidates = [records[key] for key in edited if key in records]
    young |= run.provider.recently_edited(candidates, seconds) if candidates else frozenset()
    return _patient(young, run.agenda.settling, run.runtime.clock(), seconds)


def _patient(young: Iterable[str], waiting: Mapping[str, datetime], now: datetime, seconds: int) -> Unsettled:
    longest = max(SHORTEST_PATIENCE, timedelta(seconds=seconds * MOST_SETTLE_TIMES))
    since = {key: waiting.get(key, now) for key in young}
    kept = {key: at for key, at in since.items() if now - at <= longest}
    return Unsettled(ids=frozenset(kept), since=kept)


def _changed_contacts(local: pd.DataFrame, base: pd.DataFrame) -> list[str]:
    """Contacts without a link, or whose version is not the agreed one: a write of ours moves that along."""
    at = positions(local.index, base.index)
    agreed = np.where(at >= 0, base["contact_version"].to_numpy()[at] if len(base) else -1, -1)
    return texts(local.index, np.flatnonzero(agreed != local["version"].to_numpy()))


def _changed_records(run: Run, remote: pd.DataFrame, base: pd.DataFrame) -> list[str]:
    at = positions(base["external_id"], remote.index)
    is_changed = changed_rows(base, remote, at, run.rules)
    free = np.ones(len(remote), dtype=bool)
    free[at[at >= 0]] = False
    free[at[is_changed]] = True
    return texts(remote.index, np.flatnonzero(free))
