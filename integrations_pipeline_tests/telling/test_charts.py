"""Bars: how high, over which days, with which words."""

from datetime import date, timedelta

import pytest

from integrations_pipeline.telling.charts import MOST_DAYS, Bucket, buckets, build_chart, round_up

MONDAY = date(2026, 11, 23)


def after(days: int) -> date:
    return MONDAY + timedelta(days=days)


@pytest.mark.parametrize(
    ("amount", "edge"), [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (100_001, 200_000)]
)
def test_the_upper_edge_is_a_round_number(amount: int, edge: int) -> None:
    assert round_up(amount) == edge


@pytest.mark.parametrize(
    ("days", "count", "last"),
    [
        pytest.param(1, 1, (0, 0), id="one day"),
        pytest.param(8, 8, (7, 7), id="a week and today"),
        pytest.param(MOST_DAYS, MOST_DAYS, (MOST_DAYS - 1, MOST_DAYS - 1), id="most days"),
        pytest.param(MOST_DAYS + 1, 7, (42, 45), id="weeks, the last one short"),
    ],
)
def test_every_day_stands_in_exactly_one_bar(days: int, count: int, last: tuple[int, int]) -> None:
    found = buckets(MONDAY, after(days - 1))
    assert len(found) == count
    assert (found[-1].first, found[-1].last) == (after(last[0]), after(last[1]))
    covered = [each.first + timedelta(days=n) for each in found for n in range((each.last - each.first).days + 1)]
    assert covered == [after(n) for n in range(days)]


def test_segments_stand_on_one_another_and_fill_what_they_are_worth() -> None:
    chart = build_chart(buckets(MONDAY, after(1)), {"created": {MONDAY: 3}, "failed": {MONDAY: 1}, "deleted": {}})
    first, second = chart.columns
    assert chart.top == 5
    assert [(each.series, each.y, each.height) for each in first.segments] == [("created", 40, 60), ("failed", 20, 20)]
    assert second.segments == ()
    assert (first.title, second.title) == ("23 Nov: 3 created, 1 failed", "24 Nov: nothing")
    assert chart.series == ("created", "failed")


def test_charts_side_by_side_may_have_one_scale() -> None:
    chart = build_chart(buckets(MONDAY, MONDAY), {"created": {MONDAY: 10}}, top=50)
    assert (chart.top, chart.columns[0].segments[0].height) == (50, 20)


def test_a_week_adds_up_its_days_and_leaves_out_others() -> None:
    week = [Bucket(first=MONDAY, last=after(6))]
    chart = build_chart(week, {"sent": {after(-1): 100, MONDAY: 1, after(6): 2, after(7): 100}})
    assert chart.columns[0].title == "23 Nov – 29 Nov: 3 sent"


def test_few_bars_are_labelled_each_many_only_at_both_ends_and_in_the_middle() -> None:
    assert len(build_chart(buckets(MONDAY, after(7)), {}).labels) == 8
    assert build_chart(buckets(MONDAY, after(10)), {}).labels == ("23 Nov", "28 Nov", "3 Dec")


def test_nothing_is_said_to_be_nothing() -> None:
    assert build_chart(buckets(MONDAY, after(3)), {"sent": {MONDAY: 0}}).is_empty
