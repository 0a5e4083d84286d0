"""What `make mutations` decides: what is mutated, how many of a module, and which tests run."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from integrations_pipeline_tests.mutations import choice, covering, places, recording
from integrations_pipeline_tests.mutations.covering import (
    FIRST_SECONDS,
    FIRST_TESTS,
    MOST_SECONDS,
    MOST_TESTS,
    Covering,
)
from integrations_pipeline_tests.mutations.places import Mutant, Place
from integrations_pipeline_tests.mutations.recording import Recording
from integrations_pipeline_tests.mutations.report import equivalents

MERGE = "integrations_pipeline/engine/merge.py"
NEAR = "integrations_pipeline_tests/engine/test_merge.py::test_near"
FAR = "integrations_pipeline_tests/sync/test_runs.py::test_far"
OF_A_FUNCTION = range(7, 9)


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        pytest.param({"a": 10, "b": 30}, 4, {"a": 1, "b": 3}, id="by size"),
        pytest.param({"a": 1, "b": 999}, 10, {"a": 1, "b": 9}, id="at least one of each"),
        pytest.param({"a": 2, "b": 3}, 100, {"a": 2, "b": 3}, id="no more than there are"),
        pytest.param({"a": 5, "b": 5, "c": 5}, 2, {"a": 1, "b": 1, "c": 0}, id="fewer than modules"),
    ],
)
def test_a_sample_is_spread_over_the_modules(sizes: dict[str, int], count: int, expected: dict[str, int]) -> None:
    given = choice.shares(sizes, count)

    assert sorted(given.values()) == sorted(expected.values())
    assert sum(given.values()) == min(count, sum(sizes.values()))
    assert all(given[name] <= size for name, size in sizes.items())


def test_a_mutant_differs_from_its_file_and_has_an_id_of_its_own() -> None:
    mutants = [Mutant(place, variant) for place in places.places(MERGE)[:20] for variant in range(place.count)]

    assert all(mutant.code != places.source(MERGE) and mutant.change[0] != mutant.change[1] for mutant in mutants)
    assert len({mutant.id for mutant in mutants}) == len({mutant.code for mutant in mutants})


def test_of_the_command_line_only_what_decides_exit_codes_is_mutated() -> None:
    file = "integrations_pipeline/cli/sync.py"
    functions = {place.function for place in places.places(file)}

    assert file in places.files()
    assert len(functions) == 1
    assert None not in functions


def test_tests_of_the_mutated_line_run_nearest_first_within_the_limits() -> None:
    found = _covering({NEAR: 1.0, FAR: 0.1, "t::slow": MOST_SECONDS + 1}, line=7)

    assert found.tests(_place(7)).tests == (NEAR, FAR)
    assert (
        len(_covering({f"t::{at}": 0.001 for at in range(MOST_TESTS + 5)}, line=7).tests(_place(7)).tests) == MOST_TESTS
    )


def test_a_long_table_of_the_nearest_module_leaves_room_for_the_others() -> None:
    table = {f"{NEAR}[{at}]": 0.001 for at in range(MOST_TESTS)}

    assert FAR in _covering({**table, FAR: 1.0}, line=7).tests(_place(7)).tests


def test_a_long_table_of_the_nearest_module_leaves_room_for_its_other_tests() -> None:
    table = {f"{NEAR}[{at}]": 0.001 for at in range(MOST_TESTS)}

    assert f"{NEAR}_too" in _covering({**table, f"{NEAR}_too": 1.0}, line=7).tests(_place(7)).tests


def test_the_first_few_tests_are_run_before_the_rest_and_none_twice() -> None:
    many = _covering({f"t::{at:02}": 0.01 for at in range(FIRST_TESTS + 5)}, line=7).tests(_place(7))
    slow = _covering({NEAR: FIRST_SECONDS + 1, FAR: 0.1}, line=7).tests(_place(7))

    assert [len(go.tests) for go in many.goes()] == [FIRST_TESTS, 5]
    assert sum((go.tests for go in many.goes()), ()) == many.tests
    assert [go.tests for go in slow.goes()] == [(NEAR,), (FAR,)]
    assert [go.tests for go in _covering({NEAR: 1.0}, line=7).tests(_place(7)).goes()] == [(NEAR,)]


def test_a_recording_that_was_stopped_counts_for_the_modules_that_it_ended(tmp_path: Path) -> None:
    ended, left = "t/test_ended.py", "t/test_left.py"
    (tmp_path / "seconds.1.json").write_text(json.dumps({ended: {f"{ended}::test_it": 0.5}}))
    (tmp_path / "manifest.json").write_text(json.dumps({"modules": {ended: "1", left: "2"}}))

    assert recording._done(tmp_path, is_ended=False) == {ended}
    assert recording._done(tmp_path, is_ended=True) == {ended, left}
    assert covering.read([Recording(tmp_path, frozenset({ended, left}))]).seconds == {f"{ended}::test_it": 0.5}


def test_a_recording_holds_for_the_modules_that_are_as_they_were_and_the_newest_one_counts(tmp_path: Path) -> None:
    old, new, useless = (tmp_path / f"recording-{at}" for at in (2, 10, 1))
    for folder, modules in ((old, {"a": "1", "b": "1", "c": "1"}), (new, {"b": "2", "c": "1"}), (useless, {"c": "1"})):
        (folder / recording.SEEN).mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"modules": modules, "all": True}))

    kept = recording._kept({"a": "1", "b": "3", "c": "1"}, tmp_path)

    assert kept == [Recording(new, frozenset({"c"})), Recording(old, frozenset({"a"}))]
    assert not useless.exists()


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param("ab", "ab", {1: {1}, 2: {2}}, id="as it was"),
        pytest.param("ab", "xab", {0: {1}, 1: {2}, 2: {3}}, id="moved down"),
        pytest.param("abc", "axyc", {1: {1}, 2: {2, 3}, 3: {4}}, id="replaced"),
        pytest.param("ab", "axb", {1: {1, 2}, 2: {3}}, id="put in between"),
        pytest.param("abc", "ac", {1: {1}, 2: set(), 3: {2}}, id="taken out"),
    ],
)
def test_a_recorded_line_is_found_again_in_the_product_as_it_is_now(
    before: str, now: str, expected: dict[int, set[int]]
) -> None:
    assert covering.moved(before, now) == expected


def test_a_line_that_belongs_to_no_test_is_tested_by_those_of_its_function_or_file() -> None:
    found = _covering({NEAR: 1.0}, line=7)
    found.seconds[FAR] = 1.0
    found.by_line[MERGE, 50].add(FAR)

    assert found.tests(_place(6, function=range(6, 9))).tests == (NEAR,)
    assert found.tests(_place(3, function=None)).tests == (NEAR, FAR)
    assert found.tests(_place(3, function=None, name="OF_NO_LINE")).tests == (NEAR, FAR)


def test_whoever_imports_a_file_first_is_not_taken_for_a_test_of_its_constants() -> None:
    found = _covering({NEAR: 1.0}, line=7)
    found.seconds[FAR] = 0.1
    found.by_line[MERGE, 3].add(FAR)

    assert found.tests(_place(3, function=None)).tests == (NEAR, FAR)


def test_a_file_that_only_declares_is_tested_by_whoever_imports_it() -> None:
    compares = (
        "integrations_pipeline_tests/store/test_migrations.py::test_models_and_migrations_describe_the_same_database"
    )
    found = _covering({compares: 1.0, NEAR: 0.1}, line=7)
    declaring = Place("integrations_pipeline/store/tables.py", 0, range(50, 51), None, None, 1)

    assert found.tests(declaring).tests[:1] == (compares,)


def test_of_the_many_who_import_a_file_those_come_first_that_reach_the_name() -> None:
    many = [f"{NEAR}_{at}" for at in range(MOST_TESTS)]
    found = _covering({NEAR: 1.0, **dict.fromkeys(many, 0.001)}, line=1)
    line = next(at for at, text in enumerate(places.source(MERGE).splitlines(), 1) if "class FieldMerge:" in text)
    found.by_line[MERGE, line] = {NEAR}

    assert found.tests(_place(3, function=None, name="FieldMerge")).tests[0] == NEAR


def test_of_the_many_who_reach_a_condition_those_come_first_that_reach_its_ends() -> None:
    found = _covering({f"t::{at}": 0.001 for at in range(MOST_TESTS)} | {"t::end": 10.0}, line=7)
    found.by_line[MERGE, 8] = {"t::end"}

    assert "t::end" in found.tests(_place(7)).tests[:2]


def test_every_equivalent_is_still_in_the_product_and_has_a_reason() -> None:
    for each in equivalents():
        lines = [line.strip() for line in places.source(each.file).splitlines()]
        old = each.old.splitlines()
        assert each.reason
        assert any(lines[at : at + len(old)] == old for at in range(len(lines))), each


def _covering(seconds: dict[str, float], line: int) -> Covering:
    by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
    by_line[MERGE, line] = set(seconds)
    return Covering(seconds=dict(seconds), by_line=by_line)


def _place(line: int, *, function: range | None = OF_A_FUNCTION, name: str | None = None) -> Place:
    return Place(MERGE, 0, range(line, line + 1), function, name, 1)
