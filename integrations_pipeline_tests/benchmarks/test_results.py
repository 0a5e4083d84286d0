"""Tables of what was measured, the page they are written into, and the parts of a profile."""

import pytest

from benchmarks import parts, read, record, results
from benchmarks.results import OURS, Row

SUBJECT = "airtable: first load"


def row(contender: str, records: int, client: float, server: float = 0.0, note: str = "") -> Row:
    return Row(subject=SUBJECT, contender=contender, records=records, client=client, server=server, note=note)


def test_a_ratio_is_the_peers_cpu_by_ours_at_the_same_size() -> None:
    rows = [row(OURS, 10, 1.0, 1.0), row(OURS, 20, 9.0), row("peer", 10, 2.0, 3.0)]
    assert results.ratio(rows[2], rows) == pytest.approx(2.5)


def test_there_is_no_ratio_for_what_did_not_run_or_without_ours() -> None:
    rows = [row("peer", 10, 2.0), row(OURS, 20, 1.0), row("slow", 20, 0.0, note="not run: slow")]
    assert results.ratio(rows[0], rows) is None
    assert results.ratio(rows[2], rows) is None


def test_a_table_says_why_somebody_did_not_run_and_stays_aligned() -> None:
    shown = results.text(SUBJECT, [row(OURS, 10, 1.25), row("the loop", 10, 0.0, note="not run: it takes minutes")])
    assert "the loop        10  not run: it takes minutes" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "| the loop | 10 | not run: it takes minutes |" in results.markdown(
        SUBJECT, [row("the loop", 10, 0, note="not run: it takes minutes")]
    )


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    page = "# Title\n\n<!-- measured: begin -->\n\nold\n\n<!-- measured: end -->\n\nafter\n"
    assert record.replaced(page, "new") == page.replace("old", "new")


def test_a_page_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="has no <!-- measured: begin -->"):
        record.replaced("# Title\n", "new")


def test_wrong_rows_end_with_an_error_that_names_the_contender() -> None:
    with pytest.raises(RuntimeError, match="the loop left wrong rows: 9 of 10"):
        read.check("the loop", (9, "a"), (10, "a"))
    with pytest.raises(RuntimeError, match="digest b, not a"):
        read.check("the loop", (10, "b"), (10, "a"))


def test_a_contender_is_left_out_only_at_sizes_that_were_declared() -> None:
    assert "only at 1,000" in read.why_not(10_000, (1_000,))
    assert read.why_not(1_000, (1_000,)) == ""
    assert read.why_not(50, (1_000,)) == ""


@pytest.mark.parametrize(
    ("stack", "part"),
    [
        (["json.decoder:decode", "httpx:json", "benchmarks.by_hand:airtable"], "parsing JSON"),
        (["re:match", "httpx._urls:join", "integrations_pipeline.providers.http:send"], "HTTP"),
        (
            ["integrations_pipeline.sync.sieve:of", "integrations_pipeline.sync.sieve:sift"],
            "fingerprints, and comparing them",
        ),
        (
            ["integrations_pipeline.model:clean", "integrations_pipeline.providers.airtable.cells:values"],
            "records from answers",
        ),
        (["sqlalchemy.engine:execute", "integrations_pipeline.store.links:known"], "database, this side"),
        (["httpx._models:f", "importlib._bootstrap:_load", "integrations_pipeline.cli:main"], "imports"),
        (
            ["sqlalchemy.engine:execute", "integrations_pipeline.store.pace:wait_all"],
            "taking turns for the rate limit",
        ),
        (["integrations_pipeline.sync.run:run_sync"], "everything else"),
    ],
)
def test_a_stack_belongs_to_the_innermost_part_that_knows_one_of_its_frames(stack: list[str], part: str) -> None:
    assert parts.part_of(stack) == part


def test_the_parts_of_a_profile_add_up_to_the_seconds_of_the_process() -> None:
    told = {"seconds": 3.0, "stacks": [[2, "httpx:get"], [1, "json:loads"], [3, "a:b"]]}
    seconds = parts.seconds_by_part(told)
    assert seconds == {"HTTP": 1.0, "parsing JSON": 0.5, "everything else": 1.5}
