"""Aligning and comparing whole frames."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from integrations_pipeline.engine.frames import arrow, changed_rows, empty_frame, keys_lower, positions, rows, texts
from integrations_pipeline_tests.builders import text_frame


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
            {"x": {"name": "Ann"}, "y": {"name": "Bob"}}, [0, 1], [1, 1], id="null on a side is a change to look at"
        ),
    ],
)
def test_which_rows_differ_from_the_base(side: dict[str, dict[str, str]], at: list[int], expected: list[int]) -> None:
    frame = text_frame(side, ["name", "city"], "external_id")
    found = changed_rows(BASE, frame, np.array(at, dtype=np.int64), ["name", "city"])
    assert found.tolist() == [bool(value) for value in expected]


def test_a_column_that_the_side_cannot_hold_is_not_compared() -> None:
    side = text_frame({"x": {"name": "Ann"}, "y": {"name": "Bob"}}, ["name"], "external_id")
    assert not changed_rows(BASE, side, np.array([0, 1]), ["name", "city"]).any()


def test_a_column_that_was_never_agreed_counts_as_empty() -> None:
    side = text_frame({"x": {"phone": ""}, "y": {"phone": "1"}}, ["phone"], "external_id")
    assert changed_rows(BASE, side, np.array([0, 1]), ["phone"]).tolist() == [False, True]


def test_rows_are_dictionaries_of_the_columns_that_exist_with_nulls_as_empty() -> None:
    assert rows(BASE, [1, 0], ["city", "phone"]) == [{"city": ""}, {"city": "Bonn"}]


def test_rows_without_any_of_the_columns_are_empty_dictionaries() -> None:
    assert rows(BASE, [0, 1], ["phone"]) == [{}, {}]


def test_texts_are_a_list_with_nulls_as_empty_at_all_or_at_some_positions() -> None:
    assert texts(BASE["city"]) == ["Bonn", ""]
    assert texts(BASE["name"], [1]) == ["Bob"]


def test_fast_identity_keys_are_trimmed_composed_and_lower() -> None:
    assert keys_lower([" A@X.org ", "JOSE\u0301@x.org", ""]).to_pylist() == ["a@x.org", "jos\u00e9@x.org", ""]
