"""Presence and changed masks over all links."""

import numpy as np
import pytest

from integrations_pipeline.engine.diff import LinkedDiff, diff_linked, unlinked_rows
from integrations_pipeline_tests.builders import RULES, Link, View, base_frame, local_snapshot, remote_snapshot, whole

BASE = base_frame({f"c{i}": Link(external_id=f"x{i}", agreed=whole({"name": f"n{i}"}), version=1) for i in range(3)})
LOCAL = {f"c{i}": {"name": f"n{i}"} for i in range(3)}
REMOTE = {f"x{i}": {"name": f"n{i}"} for i in range(3)}


def diff_of(local: View, remote: View) -> LinkedDiff:
    return diff_linked(BASE, local.against(BASE.index), remote.against(BASE["external_id"]), RULES)


def test_what_nobody_touched_is_unchanged() -> None:
    diff = diff_of(local_snapshot(LOCAL), remote_snapshot(REMOTE))
    for mask in (
        diff.is_local_changed,
        diff.is_remote_changed,
        diff.is_local_gone,
        diff.is_remote_gone,
        diff.is_touched,
    ):
        assert not mask.any()
    assert diff.is_both_there.all()


def test_changes_and_touched_versions_are_found_whatever_the_order() -> None:
    local = local_snapshot({"c2": {"name": "new"}, "c0": LOCAL["c0"], "c1": LOCAL["c1"]}, versions={"c1": 2})
    remote = remote_snapshot({"x1": {"name": "new"}, "x2": REMOTE["x2"], "x0": REMOTE["x0"]})
    diff = diff_of(local, remote)
    assert diff.is_local_changed.tolist() == [False, False, True]
    assert diff.is_remote_changed.tolist() == [False, True, False]
    assert diff.is_touched.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("is_complete", "tombstones", "gone"),
    [
        pytest.param(True, [], [False, True, True], id="absent from a complete read"),
        pytest.param(True, ["x0"], [False, True, True], id="a tombstone says nothing in a complete read"),
        pytest.param(False, [], [False, False, False], id="absent from an incremental read"),
        pytest.param(False, ["x1", "other"], [False, True, False], id="tombstone in an incremental read"),
        pytest.param(False, ["x0"], [False, False, False], id="a record that is told is there in spite of a tombstone"),
    ],
)
def test_only_a_complete_read_or_a_tombstone_tells_that_a_record_is_gone(
    is_complete: bool, tombstones: list[str], gone: list[bool]
) -> None:
    remote = remote_snapshot({"x0": REMOTE["x0"]}, is_complete=is_complete, tombstones=tombstones)
    diff = diff_of(local_snapshot(LOCAL), remote)
    assert diff.is_remote_gone.tolist() == gone
    assert diff.is_both_there.tolist() == [not value for value in gone]
    local = local_snapshot(
        {"c0": LOCAL["c0"]}, is_complete=is_complete, tombstones=[name.replace("x", "c") for name in tombstones]
    )
    assert diff_of(local, remote_snapshot(REMOTE)).is_local_gone.tolist() == gone


def test_unlinked_rows_are_those_that_no_link_points_to() -> None:
    assert unlinked_rows(4, np.array([2, -1, 0])).tolist() == [1, 3]
    assert unlinked_rows(0, np.array([-1])).tolist() == []
