"""One partition per workspace, its slug; and the contiguous shards that a run takes.

Belongs here: partition definitions and cutting them up. Does not: who is due (`sensors`).
"""

from collections.abc import Iterator, Sequence

import dagster as dg

WORKSPACES_NAME = "workspaces"
workspace_partitions = dg.DynamicPartitionsDefinition(name=WORKSPACES_NAME)

#: A run per workspace costs seconds of CPU before any work; a run over this many costs little more than one.
SHARD_SIZE = 100
#: Dagster deletes dynamic partitions one statement each; more per tick would block the sensor.
MAX_DELETES_PER_TICK = 300
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def shards(keys: Sequence[str], size: int = SHARD_SIZE) -> Iterator[Sequence[str]]:
    """Contiguous shards, in the order in which Dagster keeps the partitions."""
    return (keys[start : start + size] for start in range(0, len(keys), size))


def range_tags(shard: Sequence[str]) -> dict[str, str]:
    """Run tags that make one run take this contiguous shard."""
    return {RANGE_START: shard[0], RANGE_END: shard[-1]}


def follow_workspaces(instance: dg.DagsterInstance, slugs: Sequence[str]) -> tuple[int, int]:
    """Make the partitions be these workspaces; returns (added, removed). New ones go in at once in bulk.

    No workspace at all is taken for a fault of the read, not for the end of all of them.
    """
    if not slugs:
        return 0, 0
    known = instance.get_dynamic_partitions(WORKSPACES_NAME)
    added = [slug for slug in slugs if slug not in set(known)]
    removed = [key for key in known if key not in set(slugs)][:MAX_DELETES_PER_TICK]
    if added:
        instance.add_dynamic_partitions(WORKSPACES_NAME, added)
    for key in removed:
        instance.delete_dynamic_partition(WORKSPACES_NAME, key)
    return len(added), len(removed)
