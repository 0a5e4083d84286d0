"""Which linked contacts differ from the base, and how: the vectorised first look at every linked row.

Belongs here: presence and changed masks over all links. Does not: what to do about them (`plan`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from integrations_pipeline.engine.frames import Mask, Positions, arrow, changed_rows, positions
from integrations_pipeline.model import FieldRule, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedDiff:
    """One entry per base row. Positions point into the snapshots' frames, -1 where the row is not there.

    A row that is neither at a position nor gone is unchanged since the base.
    """

    local_at: Positions
    remote_at: Positions
    is_local_gone: Mask
    is_remote_gone: Mask
    is_local_changed: Mask
    is_remote_changed: Mask
    is_touched: Mask

    @property
    def is_both_there(self) -> Mask:
        return ~self.is_local_gone & ~self.is_remote_gone


def diff_linked(base: pd.DataFrame, local: Snapshot, remote: Snapshot, rules: Sequence[FieldRule]) -> LinkedDiff:
    """Compare every linked row of both sides with the base.

    `base`: indexed by `contact_id`, columns `external_id`, `contact_version` (int64, -1 if unknown) and one
    `str` column per field. `is_touched` marks rows whose local version moved although no field differs.
    """
    local_at = positions(base.index, local.frame.index)
    remote_at = positions(base["external_id"], remote.frame.index)
    return LinkedDiff(
        local_at=local_at,
        remote_at=remote_at,
        is_local_gone=_gone(base.index, local_at, local),
        is_remote_gone=_gone(base["external_id"], remote_at, remote),
        is_local_changed=changed_rows(base, local.frame, local_at, rules),
        is_remote_changed=changed_rows(base, remote.frame, remote_at, rules),
        is_touched=_touched(base, local.frame, local_at),
    )


def _gone(keys: object, at: Positions, snapshot: Snapshot) -> Mask:
    if not snapshot.tombstones:
        return np.zeros(len(at), dtype=bool)
    dead = pa.array(sorted(snapshot.tombstones), type=pa.large_string())
    reported: Mask = pc.is_in(arrow(keys), value_set=dead).to_numpy(zero_copy_only=False)
    return reported & (at < 0)


def _touched(base: pd.DataFrame, local: pd.DataFrame, at: Positions) -> Mask:
    touched = np.zeros(len(base), dtype=bool)
    present = at >= 0
    if present.any():
        known = base["contact_version"].to_numpy()[present]
        touched[present] = known != local["version"].to_numpy()[at[present]]
    return touched


def unlinked_rows(size: int, linked_at: Positions) -> Positions:
    """Positions of a snapshot's rows that no link points to."""
    is_free = np.ones(size, dtype=bool)
    is_free[linked_at[linked_at >= 0]] = False
    return np.flatnonzero(is_free)
