"""Aligning and comparing whole frames."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from integrations_pipeline.engine.frames import (
    arrow,
    changed_rows,
    empty_frame,
    keys_lower,
    positions,
    texts,
    told_rows,
)
from integrations_pipeline.model import FieldRule
from integrations_pipeline_tests.builders import text_frame

RULES = [FieldRule(name="name"), FieldRule(name="city")]


def test_an_empty_frame_has_text_columns_and_a_named_index() -> None:
    frame = empty_frame(["a", "b"], "contact_id")
    assert list(frame.columns) == ["a", "b"]
    assert frame.empty
    assert frame.index.name == "contact_id"
    assert {str(kind) for kind in frame.dtypes} == {"str"}


def test_a_column_of_several_chunks_becomes_one_array() -> None:
    chunked = pa.chunked_array([pa.array(["a"]), pa.array(["b"])])
    joined = arrow(pd.Series(pd.array(chunked, dtype="str")))
    assert joined.to_pylist() == ["a", "b"]
    assert not isinstance(joined, pa.ChunkedArray)
    assert arrow(["a", None]).to_pylist() == ["a", None]


@pytest.mark.parametrize(
    ("wanted", "keys", "expected"),
    [
        pytest.param(["a", "b"], ["a", "b"], [0, 1], id="equal order"),
        pytest.param(["b", "a"], ["a", "b"], [1, 0], id="other order"),
        pytest.param(["a", "x"], ["a"], [0, -1], id="one is missing"),
        pytest.param(["a"], [], [-1], id="nothing there"),
        pytest.param([], ["a"], [], id="nothing wanted"),
        pytest.param([None, "a"], ["a", "b"], [-1, 0], id="null is nowhere"),
    ],
)
def test_positions_of_keys(wanted: list[str], keys: list[str], expected: list[int]) -> None:
    found = positions(pd.Series(wanted, dtype="str"), pd.Index(keys, dtype="str"))
    assert found.tolist() == expected
    assert found.dtype == np.int64


BASE = text_frame({"a": {"name": "Ann", "city": "Bonn"}, "b": {"name": "Bob"}}, ["name", "city"], "contact_id")


@pytest.mark.parametrize(
    ("side", "at", "expected"),
    [
        pytest.param(
            {"x": {"name": "Ann", "city": "Bonn"}, "y": {"name": "Bob", "city": ""}},
            [0, 1],
            [0, 0],
            id="aligned and equal; null counts as empty",
        ),
        pytest.param(
            {"x": {"name": "Ann", "city": "Bonn"}, "y": {"name": "Rob", "city": ""}},
            [0, 1],
            [0, 1],
            id="aligned, one changed",
        ),
        pytest.param(
            {"y": {"name": "Bob", "city": ""}, "x": {"name": "Ann", "city": "Rome"}}, [1, 0], [1, 0], id="other order"
        ),
        pytest.param({"y": {"name": "Rob", "city": ""}}, [-1, 0], [0, 1], id="absent is never changed"),
        pytest.param({"x": {"name": "Zoe", "city": ""}}, [-1, -1], [0, 0], id="none is there"),
        pytest.param(
            {"x": {"name": "Ann"}, "y": {"name": "Bill"}}, [0, 1], [0, 1], id="null on a side is not told and no change"
        ),
    ],
)
def test_which_rows_differ_from_the_base(side: dict[str, dict[str, str]], at: list[int], expected: list[int]) -> None:
    frame = text_frame(side, ["name", "city"], "external_id")
    found = changed_rows(BASE, frame, np.array(at, dtype=np.int64), RULES)
    assert found.tolist() == [bool(value) for value in expected]


def test_a_column_that_the_side_cannot_hold_is_not_compared() -> None:
    side = text_frame({"x": {"name": "Ann"}, "y": {"name": "Bob"}}, ["name"], "external_id")
    assert not changed_rows(BASE, side, np.array([0, 1]), RULES).any()


def test_a_column_that_was_never_agreed_counts_as_empty() -> None:
    side = text_frame({"x": {"phone": ""}, "y": {"phone": "1"}}, ["phone"], "external_id")
    assert changed_rows(BASE, side, np.array([0, 1]), [FieldRule(name="phone")]).tolist() == [False, True]


def test_rows_are_dictionaries_of_the_columns_that_exist_without_what_is_not_told() -> None:
    assert told_rows(BASE, [1, 0], ["city", "phone"]) == [{}, {"city": "Bonn"}]


def test_rows_at_no_position_are_none() -> None:
    assert told_rows(BASE, [], ["city"]) == []
    assert texts(BASE["city"], []) == []


def test_rows_without_any_of_the_columns_are_empty_dictionaries() -> None:
    assert told_rows(BASE, [0, 1], ["phone"]) == [{}, {}]


def test_texts_are_a_list_with_nulls_as_empty_at_all_or_at_some_positions() -> None:
    assert texts(BASE["city"]) == ["Bonn", ""]
    assert texts(BASE["name"], [1]) == ["Bob"]


def test_fast_identity_keys_are_trimmed_composed_and_lower() -> None:
    assert keys_lower([" A@X.org ", "JOSE\u0301@x.org", ""]).to_pylist() == ["a@x.org", "jos\u00e9@x.org", ""]


@pytest.mark.parametrize("width", [8, 9, 17, 36, 40])
def test_many_ids_of_one_length_are_found_wherever_they_stand(width: int) -> None:
    count = 20_000
    keys = pd.Series([f"{i:0{width}x}"[::-1] for i in range(count)], dtype="str")
    wanted = keys.sample(frac=0.7, random_state=1)
    absent = pd.Series([f"{i:0{width}x}"[::-1] for i in range(count, count + 50)], dtype="str")

    found = positions(pd.concat([wanted, absent]), keys)

    assert found[: len(wanted)].tolist() == wanted.index.tolist()
    assert set(found[len(wanted) :].tolist()) == {-1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda keys: [*keys[:-1], keys[0]], id="a key twice"),
        pytest.param(lambda keys: [*keys[:-1], "longer than the others"], id="another length"),
        pytest.param(lambda keys: [*keys[:-1], None], id="a null"),
        pytest.param(lambda keys: [key[:4] for key in keys], id="short and not unique"),
    ],
)
def test_many_keys_that_are_no_clean_ids_are_found_as_texts(change: Callable[[list[str]], list[str]]) -> None:
    keys = change([f"{i:017d}" for i in range(20_000)])
    wanted = keys[::-1]

    found = positions(pd.Series(wanted, dtype="str"), pd.Series(keys, dtype="str"))

    assert all(keys[at] == key for key, at in zip(wanted, found.tolist(), strict=True) if at >= 0)
    assert (found >= 0).sum() >= len(keys) - 1


def test_a_column_is_brought_to_arrow_without_hashing_its_keys() -> None:
    """Arrow asks a column for attributes, and pandas would look for them among the keys: 100 MB of a million."""
    column = pd.Series(["a", "b"], index=pd.Index(["x", "y"], dtype="str"), dtype="str")
    assert arrow(column).to_pylist() == ["a", "b"]
    assert "_engine" not in vars(column.index)["_cache"]
    pa.array(column, type=pa.large_string())
    assert "_engine" in vars(column.index)["_cache"], "else this test tells nothing"
