"""Per provider one partition set, the slugs of the workspaces that are connected to it; the contiguous shards that
a run takes; and following the connections.

Belongs here: partition definitions, cutting them up, and which of them a run was made for. Does not: who is
due (`due`).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import dagster as dg

#: The one set of all workspaces that there was before each provider had its own: emptied, never filled.
OLD_SET = "workspaces"

#: A run per workspace costs seconds of CPU before any work; a run over many costs little more than one. A fleet is
#: cut into four shards, as many as run at once, but none smaller or larger than this.
SMALLEST_SHARD, LARGEST_SHARD, SHARDS = 100, 250, 4
#: Dagster deletes dynamic partitions one statement each; more per tick would block the sensor.
MAX_DELETES_PER_TICK = 300
#: States of a backfill that is not over, and how many are looked at.
_BACKFILLING, NEWEST_BACKFILLS = ("REQUESTED", "CANCELING", "FAILING"), 20
#: Run tag: take only those that are due. Such a run is the fleet's own, and no person's.
ONLY_DUE = "integrations/only_due"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
SINGLE = "dagster/partition"


def set_name(provider: str) -> str:
    """The name of the provider's partition set."""
    return f"{provider}_workspaces"


def workspace_partitions(provider: str) -> dg.DynamicPartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name=set_name(provider))


def shards(keys: Sequence[str]) -> list[Sequence[str]]:
    """Contiguous shards in the order in which Dagster keeps the partitions, as equal as can be.

    They are cut anew each time, so that they stay equal as workspaces come and go.
    """
    largest = min(max(SMALLEST_SHARD, -(-len(keys) // SHARDS)), LARGEST_SHARD)
    count = -(-len(keys) // largest)
    borders = [len(keys) * i // count for i in range(count + 1)] if count else []
    return [keys[start:end] for start, end in pairwise(borders)]


def range_tags(shard: Sequence[str]) -> dict[str, str]:
    """Run tags that make one run take this contiguous shard."""
    return {RANGE_START: shard[0], RANGE_END: shard[-1]}


def run_partitions(context: dg.AssetExecutionContext) -> list[str]:
    """The workspaces that this run was made for, also if some were deleted while it waited.

    Dagster resolves a range when the run executes, and refuses it whole if its first or last partition is
    gone by then. What it planned when the run was made is on record, so the rest need not suffer.
    """
    try:
        return list(context.partition_keys)
    except dg.DagsterInvalidInvocationError:
        planned = context.instance.get_records_for_run(
            context.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        )
        events = (record.event_log_entry.get_dagster_event() for record in planned.records)
        return list(dict.fromkeys(key for event in events for key in _planned(event)))


def _planned(event: dg.DagsterEvent) -> Sequence[str]:
    """The partitions of a planned event: its own, or those that it has in one (`storage`)."""
    subset = event.asset_materialization_planned_data.partitions_subset
    known = list(subset.get_partition_keys()) if subset else [event.partition]
    return [key for key in known if key]


def follow_connections(instance: dg.DagsterInstance, wanted: Mapping[str, Sequence[str]]) -> tuple[int, int]:
    """Make each provider's partitions be its connected workspaces, given by provider; returns (added, removed).

    New ones go in at once in bulk, those of the old set in its order, so that a range means the same workspaces
    as before. After them the old set is emptied: what Dagster remembers of a workspace is kept by asset and slug,
    in whichever set the slug is. No workspace at all is taken for a fault of the read, not for the end of all of
    them. While a backfill is under way none is removed: Dagster ends a whole backfill when one of its partitions is
    gone.
    """
    if not any(wanted.values()):
        return 0, 0
    old = instance.get_dynamic_partitions(OLD_SET)
    added, gone = 0, []
    for provider, slugs in wanted.items():
        name = set_name(provider)
        known = instance.get_dynamic_partitions(name)
        connected = set(slugs)
        added += _add(instance, name, connected - set(known), [*old, *slugs])
        gone += [(name, key) for key in known if key not in connected]
    gone = [*gone, *((OLD_SET, key) for key in old)][:MAX_DELETES_PER_TICK]
    if gone and _is_backfilling(instance):
        return added, 0
    for name, key in gone:
        instance.delete_dynamic_partition(name, key)
    return added, len(gone)


def _add(instance: dg.DagsterInstance, name: str, missing: set[str], order: Sequence[str]) -> int:
    if missing:
        instance.add_dynamic_partitions(name, [key for key in dict.fromkeys(order) if key in missing])
    return len(missing)


def _is_backfilling(instance: dg.DagsterInstance) -> bool:
    return any(found.status.value in _BACKFILLING for found in instance.get_backfills(limit=NEWEST_BACKFILLS))
