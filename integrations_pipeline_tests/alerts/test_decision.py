"""What is told, and what is not: every transition, without a database."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrations_pipeline.alerts.decision import MOST_ALIKE, decide
from integrations_pipeline.alerts.words import LONGEST_NAME, plain
from integrations_pipeline.store.alerts import Kind, NewAlert, Told, Watched

WELL = Watched(
    connection_id=UUID(int=1),
    workspace_id=UUID(int=2),
    workspace_slug="acme",
    integration_type="airtable",
    status="active",
    sync_enabled=True,
    frequency_minutes=15,
    error_count=0,
    silent_for=timedelta(minutes=2),
    held=0,
    conflicts=0,
    stopped_fields=(),
    is_certified=None,
)
LATE = timedelta(minutes=31)
Memory = dict[tuple[UUID, str], Told]


def remember(memory: Memory, alerts: list[NewAlert]) -> Memory:
    """What the outbox says after these were written."""
    news = {
        (alert.connection_id, alert.kind.value): Told(said=alert.said, amount=alert.amount)
        for alert in alerts
        if alert.connection_id
    }
    return {**memory, **news}


def titles(alerts: list[NewAlert]) -> list[str]:
    return [alert.text.splitlines()[0].removeprefix("acme airtable: ") for alert in alerts]


def look_again(*changes: dict[str, Any]) -> list[list[str]]:
    """The titles of each of several looks, at a connection that was changed in between."""
    memory: Memory = {}
    told = []
    for change in changes:
        alerts = decide([replace(WELL, **change)], memory)
        memory = remember(memory, alerts)
        told.append(titles(alerts))
    return told


ERROR, LOST = {"status": "error", "error_count": 3}, {"status": "disconnected"}
OFF: dict[str, Any] = {"sync_enabled": False}


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        pytest.param([{}], [[]], id="well"),
        pytest.param([{"error_count": 2}], [[]], id="failing, tried again"),
        pytest.param([ERROR, ERROR], [["in error after 3 failed runs"], []], id="in error, told once"),
        pytest.param([LOST, LOST], [["disconnected"], []], id="disconnected, told once"),
        pytest.param([ERROR, {}, {}], [["in error after 3 failed runs"], ["active again (was in error)"], []], id="up"),
        pytest.param([LOST, {}], [["disconnected"], ["active again (was disconnected)"]], id="authorised again"),
        pytest.param([ERROR, LOST], [["in error after 3 failed runs"], ["disconnected"]], id="from bad to worse"),
        pytest.param([ERROR, {}, ERROR, {}], [*[["in error after 3 failed runs"], ["active again (was in error)"]] * 2],
                     id="flapping, each seen change once"),
        pytest.param([ERROR, {**ERROR, **OFF}, ERROR], [["in error after 3 failed runs"], [], []], id="switched off"),
        pytest.param([ERROR, {"status": "paused"}, {}],
                     [["in error after 3 failed runs"], [], ["active again (was in error)"]], id="paused, then well"),
        pytest.param([{**ERROR, **OFF}], [[]], id="switched off all the time"),
        pytest.param([{"silent_for": LATE}, {"silent_for": LATE * 2}, {}],
                     [["not synced for 31 min"], [], ["synced again"]], id="stale"),
        pytest.param([{"silent_for": timedelta(minutes=30)}], [[]], id="not yet stale"),
        pytest.param([{"silent_for": LATE}, {"silent_for": LATE, **ERROR}, {}],
                     [["not synced for 31 min"], ["in error after 3 failed runs"],
                      ["active again (was in error)", "synced again"]], id="stale, then in error"),
        pytest.param([{"held": 1}, {"held": 1}, {}],
                     [["1 change held"], [], ["nothing is held any more"]], id="holds"),
        pytest.param([{"held": 5}, {"held": 9}, {"held": 10}, {"held": 19}, {"held": 3}, {"held": 12}],
                     [["5 changes held"], [], ["10 changes held (5 when last told)"],
                      [], [], []], id="holds that grow"),
        pytest.param([{"held": 2, **ERROR}], [["in error after 3 failed runs", "2 changes held"]],
                     id="holds of one in error"),
        pytest.param([{"conflicts": 2}, {}],
                     [["2 conflicts open for more than a day"], ["no conflict is open for more than a day"]],
                     id="conflicts"),
        pytest.param([{"stopped_fields": ("company",)}, {"stopped_fields": ("company", "tags")},
                      {"stopped_fields": ("tags",)}, {}],
                     [["fields stopped: company"], ["fields stopped: tags; fields still stopped: company"],
                      ["fields came back: company; fields still stopped: tags"], ["fields came back: tags"]],
                     id="fields"),
        pytest.param([{"is_certified": True}, {"is_certified": False}, {"is_certified": False}, {"is_certified": True}],
                     [[], ["the certificate failed"], [], ["the certificate holds again"]], id="certificate"),
        pytest.param([{"is_certified": False}, {}], [["the certificate failed"], []], id="no certificate any more"),
    ],
)  # fmt: skip
def test_each_change_of_state_is_told_once_and_what_is_mended_too(
    looks: list[dict[str, Any]], told: list[list[str]]
) -> None:
    assert look_again(*looks) == told


def test_a_change_that_was_taken_back_between_two_looks_is_not_told() -> None:
    memory = remember({}, decide([replace(WELL, status="error")], {}))
    assert decide([replace(WELL, status="error")], memory) == []
    assert decide([WELL], {}) == []


def test_a_connection_that_is_gone_is_not_told_of() -> None:
    memory = remember({}, decide([replace(WELL, status="error")], {}))
    assert decide([], memory) == []


def fleet(count: int, **values: Any) -> list[Watched]:
    return [replace(WELL, connection_id=uuid4(), workspace_slug=f"w{number}", **values) for number in range(count)]


@pytest.mark.parametrize("count", [1, MOST_ALIKE, MOST_ALIKE + 1, 1000])
def test_too_many_alike_are_told_in_one_line_with_the_first_of_them(count: int) -> None:
    many = fleet(count, status="error", error_count=3)
    alerts = decide(many, {})

    lines = [alert for alert in alerts if not alert.is_summed]
    if count <= MOST_ALIKE:
        assert len(lines) == count
    else:
        [line] = lines
        assert (line.connection_id, line.workspace_id) == (None, None)
        assert line.text.splitlines()[0] == f"{count:,} connections: in error"
        assert line.text.splitlines()[1].startswith("w0 airtable, w1 airtable, w2 airtable, w3 airtable, w4 airtable")
        assert f" and {count - 5:,} more. " in line.text
    assert len({alert.connection_id for alert in alerts if alert.connection_id}) == count, "each is remembered"
    assert decide(many, remember({}, alerts)) == []


def test_only_what_is_alike_is_put_together() -> None:
    alerts = decide(
        [*fleet(20, status="error"), *fleet(3, status="disconnected"), *fleet(11, stopped_fields=("a",))], {}
    )

    told = [alert.text.splitlines()[0] for alert in alerts if not alert.is_summed]
    assert told[-2:] == ["20 connections: in error", "11 connections: fields stopped"]
    assert len(told) == 5


def test_what_a_thousand_have_mended_is_one_line_too() -> None:
    many = fleet(1000, status="error")
    memory = remember({}, decide(many, {}))
    alerts = decide([replace(each, status="active") for each in many], memory)
    assert [alert.text.splitlines()[0] for alert in alerts if not alert.is_summed] == [
        "1,000 connections: active again"
    ]


def test_every_state_that_can_be_told_has_words_for_one_and_for_many() -> None:
    bad: list[dict[str, Any]] = [
        {"status": "error"},
        {"status": "disconnected"},
        {"silent_for": LATE},
        {"held": 1},
        {"conflicts": 1},
        {"stopped_fields": ("name",)},
        {"is_certified": False},
    ]
    kinds = set()
    for change in bad:
        one, many = fleet(1, **change), fleet(MOST_ALIKE + 1, **change)
        for some in (one, many):
            alerts = decide(some, {})
            well: dict[str, Any] = {"is_certified": True} if "is_certified" in change else {}
            back = decide([replace(WELL, connection_id=each.connection_id, **well) for each in some],
                          remember({}, alerts))  # fmt: skip
            assert alerts
            assert back
            assert all(len(alert.text.splitlines()) == 2 for alert in [*alerts, *back])
            kinds |= {alert.kind for alert in alerts}
    assert kinds == set(Kind)


@pytest.mark.parametrize("name", ["<!channel>", "@here", "a\nb", "ann@example.org", "[x](http://y)", "\u202e", "`rm`"])
def test_names_hold_nothing_that_a_chat_would_obey(name: str) -> None:
    text = decide([replace(WELL, workspace_slug=name, stopped_fields=(name,))], {})[0].text
    assert name not in text
    assert not set("<>@[]()/\u202e") & set(text)
    assert len(plain(name * 200)) == LONGEST_NAME + 1
