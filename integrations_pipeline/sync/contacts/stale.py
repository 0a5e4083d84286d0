"""Reads that are older than our own last writes, and what to make of them.

A provider may answer from a copy that a write has not reached yet. Taken at its word, such a read looks
like somebody undoing our write, deleting what we made or bringing back what we deleted. Belongs here:
recognising it, by the writes that the journal acknowledged moments ago. Does not: reading either.
"""

from collections.abc import Mapping, MutableMapping, MutableSet, Sequence, Set
from dataclasses import replace
from types import MappingProxyType

from integrations_pipeline.model import ChangeKind, RecentWrite
from integrations_pipeline.providers.base import RemoteRecord


def overlook_stale(
    records: MutableMapping[str, RemoteRecord],
    tombstones: MutableSet[str],
    writes: Sequence[RecentWrite],
    *,
    certain: Set[str] = frozenset(),
    base: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> set[str]:
    """Put right, in place, what looks like the state before a write of ours; returns the ids concerned.

    =========================  =====================================================
    we wrote, moments ago      the read shows, and what it is taken for
    =========================  =====================================================
    a value                    the value before it: our value
    a new record               no such record: the record as we made it, over its `base`
    a delete                   the record: nothing
    =========================  =====================================================

    A person who really undid our write within the window is not overruled: the records are read again by
    the next run, and once the window is over the read counts. What a change feed told cannot be older than
    our write, only late: of its records only the echo of an earlier write of ours is put right, and the
    tombstones it told (`certain`) stay.
    """
    suspects: set[str] = set()
    history: dict[str, list[RecentWrite]] = {}
    for write in writes:
        history.setdefault(write.external_id, []).append(write)
    for external_id, made in history.items():
        record = records.get(external_id)
        if made[-1].kind is ChangeKind.DELETE:
            is_stale = record is not None and not record.is_certain
            if is_stale:
                del records[external_id]
        elif record is None:
            is_stale = external_id in tombstones and external_id not in certain and made[0].kind is ChangeKind.CREATE
            if is_stale:
                tombstones.discard(external_id)
                records[external_id] = RemoteRecord(
                    external_id=external_id, fields={**base.get(external_id, {}), **_final(made)}
                )
        else:
            fields = _put_right(record, made)
            is_stale = fields != record.fields
            records[external_id] = replace(record, fields=fields)
        suspects |= {external_id} if is_stale else set()
    return suspects


def _final(made: Sequence[RecentWrite]) -> dict[str, str]:
    final: dict[str, str] = {}
    for write in made:
        final |= write.after
    return final


def _put_right(record: RemoteRecord, made: Sequence[RecentWrite]) -> dict[str, str]:
    fields = dict(record.fields)
    for name, value in _final(made).items():
        writes = [write for write in made if name in write.after]
        earlier = {write.after[name] for write in writes[:-1]}
        if not record.is_certain:
            earlier |= {write.before.get(name, "") for write in writes}
        if name in fields and fields[name] in earlier and fields[name] != value:
            fields[name] = value
    return fields
