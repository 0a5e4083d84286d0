"""Combinations of which the suite runs a spread and `make exhaustive` all.

Belongs here: choosing, the same way every time. Does not: the values.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest


def spread(names: str, *axes: Sequence[Any], one_of: int) -> pytest.MarkDecorator:
    """Parametrise with all combinations of these values, of which one of so many is run, along the diagonals: each
    value stays, and each pair of values of two axes that a third can meet. The others are exhaustive. Values stand in
    ids by their text."""
    return pytest.mark.parametrize(names, list(_params(axes, one_of)))


def _params(axes: Sequence[Sequence[Any]], one_of: int) -> Iterator[Any]:
    for places in product(*(range(len(axis)) for axis in axes)):
        values = [axis[place] for axis, place in zip(axes, places, strict=True)]
        marks = () if sum(places) % one_of == 0 else pytest.mark.exhaustive
        yield pytest.param(*values, marks=marks, id="-".join(_name(value) for value in values))


def _name(value: Any) -> str:
    return str(getattr(value, "__name__", value))
