"""Aligning and comparing whole frames, column by column in Arrow's C++.

Belongs here: vectorised work on all rows. Does not: anything that looks at one row in Python; that is for
the changed minority, which `rows` hands over as dictionaries.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from integrations_pipeline.model import CONSENT_OUT, CONSENT_UNASKED, FieldKind, FieldRule

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

#: Rows whose texts are brought side by side at once: a copy of a column of a million is 20 MB and more.
COMPARED_AT_ONCE = 100_000
#: From so many keys on, hashing ids as numbers is worth its set-up.
MANY = 10_000

# Arrow's own allocator keeps what it got; the system's shares it with Python, and gives it back when it is asked to.
pa.set_memory_pool(pa.system_memory_pool())


def empty_frame(columns: Sequence[str], index_name: str) -> pd.DataFrame:
    """A frame without rows, with `str` columns and index."""
    index = pd.Index([], dtype="str", name=index_name)
    return pd.DataFrame({column: pd.Series([], dtype="str", index=index) for column in columns}, index=index)


def release() -> None:
    """Give memory back that nobody uses any more: what follows a plan makes no such copies."""
    pa.default_memory_pool().release_unused()


def arrow(values: Any) -> pa.Array:
    """A pandas column or index as one Arrow array of large strings; copies nothing that is one chunk.

    Arrow gets the array and not the column: it asks that for attributes, and pandas looks for their names among the
    column's keys, for which it hashes all of them.
    """
    array = pa.array(getattr(values, "array", values), type=pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def positions(wanted: Any, keys: Any) -> Positions:
    """For each wanted key its position in `keys`, or -1. Both are columns or indexes of text.

    Snapshots are mostly read in the order of their keys, so equal order is tried first: comparing
    two columns costs a tenth of hashing them. Ids of one length are hashed as numbers, the rest as texts.
    """
    wanted_array, key_array = arrow(wanted), arrow(keys)
    if len(wanted_array) == len(key_array) and wanted_array.equals(key_array):
        return np.arange(len(wanted_array), dtype=np.int64)
    aligned = _positions_of_ids(wanted_array, key_array) if len(wanted_array) >= MANY else None
    if aligned is not None:
        return aligned
    found = pc.index_in(wanted_array, value_set=key_array)
    result: Positions = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return result


def _positions_of_ids(wanted: pa.Array, keys: pa.Array) -> Positions | None:
    """`positions` for ids of one common length, or None if they are not that or two hashes meet.

    Ids are compared whole after the look-up by hash, so the result is exact.
    """
    ours, theirs = _grid(wanted), _grid(keys)
    if ours is None or theirs is None or ours.shape[1] != theirs.shape[1]:
        return None
    found = _looked_up(ours, theirs)
    if found is None or not all(_is_met(ours, theirs, found, start) for start in range(0, len(ours), COMPARED_AT_ONCE)):
        return None
    return found


def _looked_up(ours: Bytes, theirs: Bytes) -> Positions | None:
    """Where a row with the same hash is, or -1; None if two of theirs share one."""
    index = pd.Index(_mixed(theirs), copy=False)
    if not index.is_unique:
        return None
    found: Positions = index.get_indexer(pd.Index(_mixed(ours), copy=False)).astype(np.int64, copy=False)
    return found


def _is_met(ours: Bytes, theirs: Bytes, found: Positions, start: int) -> bool:
    """Whether the rows from `start` on are byte by byte those that were found, as far as any was."""
    part = found[start : start + COMPARED_AT_ONCE]
    there = np.flatnonzero(part >= 0)
    mine = ours[start : start + COMPARED_AT_ONCE]
    return np.array_equal(mine if len(there) == len(part) else mine[there], theirs[part[there]])


def _grid(ids: pa.Array) -> Bytes | None:
    """Texts of one same length as rows of their bytes, which are not copied; or None."""
    if ids.null_count or not len(ids):
        return None
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int64)[ids.offset : ids.offset + len(ids) + 1]
    width = int(offsets[1] - offsets[0])
    if width < 8 or not (np.diff(offsets) == width).all():
        return None
    grid: Bytes = np.frombuffer(ids.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]].reshape(-1, width)
    return grid


def _starts(grid: Bytes) -> list[int]:
    """Where the words of 8 bytes begin that cover a row; the last may overlap the one before it."""
    width = grid.shape[1]
    return [*range(0, width - 8, 8), width - 8]


def _word(grid: Bytes, start: int) -> Words:
    return np.ascontiguousarray(grid[:, start : start + 8]).view(np.uint64).ravel()


def _mixed(grid: Bytes) -> Words:
    """One number per id, spread over 64 bits (multiply and shift, as in splitmix64)."""
    mixed = np.zeros(len(grid), dtype=np.uint64)
    for start in _starts(grid):
        mixed ^= _word(grid, start)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def changed_rows(base: pd.DataFrame, side: pd.DataFrame, at: Positions, rules: Sequence[FieldRule]) -> Mask:
    """For each base row whether the row of `side` at position `at` has other raw text in any field.

    Rows with position -1 are never changed. A column that `side` lacks, or a null in it, is absent and not compared; a
    null in the base counts as empty. Of a consent only what it says is compared, not how.
    """
    changed = np.zeros(len(base), dtype=bool)
    pairs = [
        (rule, _base_column(base, rule.name), arrow(side[rule.name])) for rule in rules if rule.name in side.columns
    ]
    for start in range(0, len(base), COMPARED_AT_ONCE):
        part = at[start : start + COMPARED_AT_ONCE]
        present = np.flatnonzero(part >= 0)
        if len(present):
            changed[start + present] = _differs(pairs, start, part, present)
    return changed


def _differs(
    pairs: Sequence[tuple[FieldRule, pa.Array, pa.Array]], start: int, part: Positions, present: Positions
) -> Mask:
    """Of the base rows from `start` on that are present on the side, whether any field differs."""
    is_whole = len(present) == len(part)
    is_run = is_whole and bool((np.diff(part) == 1).all())
    chosen, where = pa.array(present), pa.array(part[present])
    differs = np.zeros(len(present), dtype=bool)
    for rule, base, side in pairs:
        ours = base.slice(start, len(part))
        ours = ours if is_whole else ours.take(chosen)
        theirs = side.slice(int(part[0]), len(part)) if is_run else side.take(where)
        unequal = _unequal_consent(ours, theirs) if rule.kind is FieldKind.CONSENT else pc.not_equal(ours, theirs)
        differs |= pc.fill_null(unequal, False).to_numpy(zero_copy_only=False)
    return differs


def _unequal_consent(ours: pa.Array, theirs: pa.Array) -> pa.Array:
    """Whether one says "opted out" and the other does not; a side that nobody was asked on agrees with anything."""
    is_out = [pc.equal(values, CONSENT_OUT) for values in (ours, theirs)]
    return pc.and_(pc.xor(*is_out), pc.not_equal(theirs, CONSENT_UNASKED))


def _base_column(base: pd.DataFrame, column: str) -> pa.Array:
    if column not in base.columns:
        return pa.array([""] * len(base), type=pa.large_string())
    values = arrow(base[column])
    return pc.fill_null(values, "") if values.null_count else values


def texts(values: Any, at: Sequence[int] | Positions | None = None) -> list[str]:
    """A column of text, or its values at these positions, as a Python list with nulls as ""."""
    if at is not None and not len(at):
        return []
    return _listed(arrow(values) if at is None else arrow(values).take(pa.array(at, type=pa.int64())))


def _listed(array: pa.Array) -> list[str]:
    filled = pc.fill_null(array, "") if array.null_count else array
    # By way of numpy: Arrow's own to_pylist makes a scalar object per value, four times slower.
    result: list[str] = filled.to_numpy(zero_copy_only=False).tolist()
    return result


def told_rows(frame: pd.DataFrame, at: Sequence[int] | Positions, columns: Sequence[str]) -> list[dict[str, str]]:
    """The chosen rows as dictionaries of the columns that exist; what a record does not tell has no key."""
    present = [column for column in columns if column in frame.columns]
    if not len(at) or not present:
        return [{} for _ in at]
    chosen = pa.array(at, type=pa.int64())
    taken = [arrow(frame[column]).take(chosen) for column in present]
    found = [dict(zip(present, row, strict=True)) for row in zip(*map(_listed, taken), strict=True)]
    for column, values in zip(present, taken, strict=True):
        if values.null_count:
            for i in np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)):
                del found[i][column]
    return found


def keys_lower(values: Any) -> pa.Array:
    """Identity keys of an e-mail column: trimmed, lower case; the fast form of `canonical.identity_key`."""
    return pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(arrow(values), form="NFC")))
