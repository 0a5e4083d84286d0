"""Rows of the database as frames, for syncs: what a command that does not sync must not pay for.

Belongs here: whatever of the store needs pandas, which takes longer to import than most commands take in all. Does not:
statements; those that give frames import this when they are called.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd


def to_frame(
    found: Sequence[Sequence[Any]], columns: Sequence[str], *, index: str, texts: Iterable[str]
) -> pd.DataFrame:
    """Rows as a frame: `texts` become `str` columns with "" for null, `index` a `str` index."""
    if not found:
        return _empty_frame(tuple(columns), index, frozenset(texts)).copy()
    return _frame(dict(zip(columns, zip(*found, strict=True), strict=True)), index, frozenset(texts))


@lru_cache(maxsize=64)
def _empty_frame(columns: tuple[str, ...], index: str, texts: frozenset[str]) -> pd.DataFrame:
    """Made once: a run that finds nothing to do would spend much of its time on frames without rows."""
    return _frame({name: () for name in columns}, index, texts)


def _frame(data: Mapping[str, Sequence[Any]], index: str, wanted: frozenset[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.array(["" if v is None else v for v in values], dtype="str") if name in wanted else values
            for name, values in data.items()
            if name != index
        },
        index=pd.Index(pd.array(list(data[index]), dtype="str"), name=index),
    )
