"""One partition per workspace, its slug; the contiguous shards that a run takes; and following the table.

Belongs here: partition definitions, cutting them up, and which of them a run was made for. Does not: who is
due (`due`).
"""

from collections.abc import Sequence
from itertools import pairwise

import dagster as dg

WORKSPACES_NAME = "workspaces"
workspace_partitions = dg.DynamicPartitionsDefinition(name=WORKSPACES_NAME)

#: A run per workspace costs seconds of CPU before any work; a run over many costs little more than one. A fleet is
#: cut into four shards, as many as run at once, but none smaller or larger than this.
SMALLEST_SHARD, LARGEST_SHARD, SHARDS = 100, 250, 4
#: Dagster deletes dynamic partitions one statement each; more per tick would block the sensor.
MAX_DELETES_PER_TICK = 300
#: States of a backfill that is not over, and how many are looked at.
_BACKFILLING, NEWEST_BACKFILLS = ("REQUESTED", "CANCELING", "FAILING"), 20
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
SINGLE = "dagster/partition"


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
        return list(dict.fromkeys(event.partition for event in events if event.partition))


def follow_workspaces(instance: dg.DagsterInstance, slugs: Sequence[str]) -> tuple[int, int]:
    """Make the partitions be these workspaces; returns (added, removed). New ones go in at once in bulk.

    No workspace at all is taken for a fault of the read, not for the end of all of them. While a backfill is
    under way none is removed: Dagster ends a whole backfill when one of its partitions is gone.
    """
    if not slugs:
        return 0, 0
    known = instance.get_dynamic_partitions(WORKSPACES_NAME)
    known_set, wanted = set(known), set(slugs)
    added = [slug for slug in slugs if slug not in known_set]
    removed = [key for key in known if key not in wanted][:MAX_DELETES_PER_TICK]
    if removed and _is_backfilling(instance):
        removed = []
    if added:
        instance.add_dynamic_partitions(WORKSPACES_NAME, added)
    for key in removed:
        instance.delete_dynamic_partition(WORKSPACES_NAME, key)
    return len(added), len(removed)


def _is_backfilling(instance: dg.DagsterInstance) -> bool:
    return any(found.status.value in _BACKFILLING for found in instance.get_backfills(limit=NEWEST_BACKFILLS))
