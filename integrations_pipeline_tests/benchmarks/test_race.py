"""Ours, the floor and the loop at fifty records each: everybody's rows are checked. No peer is needed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import read, write
from benchmarks.arena import PROVIDERS, Arena, arena

pytestmark = pytest.mark.slow
SIZE = 50


@pytest.fixture(scope="module")
def place() -> Iterator[Arena]:
    with arena() as made:
        yield made


def test_everybody_reads_the_same_rows_and_ours_asks_for_little_when_nothing_changed(place: Arena) -> None:
    readers = [each for each in read.READERS if each.name in ("ours", "by hand, COPY", "the original's loop")]
    rows = [row for each in PROVIDERS for row in read.rows(place, SIZE, each, readers)]
    assert not [row for row in rows if row.note]
    assert {row.contender for row in rows} == {each.name for each in readers}
    assert all(row.calls is not None and row.calls <= 4 and row.client > 0 and row.mebibytes > 10 for row in rows)


def test_everybody_writes_the_same_rows_and_the_loop_asks_twice_for_each(place: Arena) -> None:
    writers = [each for each in write.WRITERS if not each.name.startswith(("by hand", "mailchimp"))]
    rows = [row for each in PROVIDERS for row in write.rows(place, SIZE, each, writers)]
    calls = {(row.subject.partition(":")[0], row.contender): row.calls for row in rows}
    assert calls["airtable", "the original's loop"] == calls["mailchimp", "the original's loop"] == 2 * SIZE
    assert calls["airtable", "pyairtable, batch_upsert"] == SIZE / 10
    assert (calls["airtable", "ours"] or 0) <= SIZE / 10 + 4
    assert (calls["mailchimp", "ours"] or 0) <= 8


def test_a_contender_whose_rows_are_wrong_ends_the_benchmark(place: Arena) -> None:
    by_hand = next(each for each in read.READERS if each.name.startswith("by hand"))
    wrong = replace(by_hand, answer=lambda _: "select fields->>'email', '', '', '', '' from by_hand")
    with pytest.raises(RuntimeError, match="by hand, COPY left wrong rows: 50 of 50"):
        list(read.rows(place, SIZE, "airtable", [wrong]))


def test_when_time_is_over_only_ours_runs_and_the_others_say_so(place: Arena) -> None:
    rows = list(read.rows(place, SIZE, "mailchimp", is_over=lambda: True))
    assert {row.contender for row in rows if not row.note} == {"ours"}
    assert {row.note for row in rows if row.note} <= {read.OVER, read.NOT_INSTALLED}


def test_the_sampler_finds_the_function_that_used_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text("def main():\n    spin()\n\ndef spin():\n    sum(n * n for n in range(10**6))\n")
    target = tmp_path / "samples.json"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.sampled", str(target), "busy"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        check=True,
    )
    told = json.loads(target.read_text())
    assert told["seconds"] > 0
    assert any("busy:spin" in stack for _, *stack in told["stacks"])
