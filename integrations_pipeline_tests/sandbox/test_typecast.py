"""What typecast reads, in which format, and what it makes of the rest: an empty cell, without a word."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, error_of


def styled(name: str) -> dict[str, Any]:
    return {"dateFormat": {"name": name}}


def column(sandbox: Arrangement, kind: str, options: dict[str, Any] | None) -> None:
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", {"name": "Cell", "type": kind, "options": options})


def write(sandbox: Arrangement, value: Any, *, typecast: bool = True) -> Any:
    body = {"fields": {"Name": "Ada", "Cell": value}, "typecast": typecast}
    return sandbox.http.post(sandbox.path, json=body)


READ: list[tuple[str, dict[str, Any] | None, Any, Any]] = [
    ("date", styled("us"), "1999-12-31", "1999-12-31"),
    ("date", styled("us"), " 12/31/1999 ", "1999-12-31"),
    ("date", styled("local"), "1/2/1999", "1999-01-02"),
    ("date", styled("friendly"), "December 31, 1999", "1999-12-31"),
    ("date", styled("iso"), "1999/12/31", "1999-12-31"),
    ("date", styled("european"), "31/12/1999", "1999-12-31"),
    ("date", styled("european"), "31.12.1999", "1999-12-31"),
    ("date", styled("european"), "1/2/1999", "1999-02-01"),
    ("date", styled("iso"), "1999-12-31T23:30:00.000Z", "1999-12-31"),
    ("dateTime", styled("iso"), "1999-12-31", "1999-12-31T00:00:00.000Z"),
    ("dateTime", styled("iso"), "1999-12-31T10:20:30.123456Z", "1999-12-31T10:20:30.123Z"),
    ("dateTime", styled("iso") | {"timeZone": "Europe/Berlin"}, "1999-07-31 10:20", "1999-07-31T08:20:00.000Z"),
    ("dateTime", styled("us") | {"timeZone": "America/New_York"}, "12/31/1999 9:30 PM", "2000-01-01T02:30:00.000Z"),
    ("dateTime", styled("us") | {"timeZone": "client"}, "12/31/1999", "1999-12-31T00:00:00.000Z"),
    ("number", {"precision": 0}, "1,234", 1234),
    ("number", {"precision": 2}, "-0.50", -0.5),
    ("percent", {"precision": 1}, "12.5%", 0.125),
    ("percent", {"precision": 1}, "0.5", 0.5),
    ("currency", {"precision": 2}, "$1,234.50", 1234.5),
    ("duration", {"durationFormat": "h:mm"}, "1:30", 5400),
    ("duration", {"durationFormat": "h:mm:ss"}, "1:30", 90),
    ("duration", {"durationFormat": "h:mm:ss"}, "1:00:30", 3630),
    ("duration", {"durationFormat": "h:mm"}, "90", 90),
    ("rating", {"max": 5}, "9", 5),
    ("rating", {"max": 5}, 2.5, 3),
    ("checkbox", None, "checked", True),
    ("email", None, "no address at all", "no address at all"),
    ("url", None, "nowhere", "nowhere"),
    ("phoneNumber", None, "call me", "call me"),
    ("singleSelect", {"choices": []}, " Gold ", "Gold"),
]
UNREADABLE: list[tuple[str, dict[str, Any] | None, Any]] = [
    *(("date", styled(each), "31.12.1999") for each in ("us", "iso", "local", "friendly")),
    ("date", styled("us"), "31/12/1999"),
    ("date", styled("european"), "12/31/1999"),
    ("date", None, "1999-02-30"),
    ("date", None, "soon"),
    ("date", None, 19991231),
    ("dateTime", styled("iso"), "31.12.1999 10:00"),
    ("dateTime", styled("iso"), "noon"),
    ("dateTime", styled("iso"), "9999-12-31T23:59:59-05:00"),
    ("number", {"precision": 0}, "abc"),
    ("number", {"precision": 0}, "12 pieces"),
    ("number", {"precision": 0}, "nan"),
    ("number", {"precision": 0}, "1_000"),
    ("number", {"precision": 0}, True),
    ("percent", {"precision": 0}, "half"),
    ("currency", {"precision": 0}, "free"),
    ("duration", {"durationFormat": "h:mm"}, "long"),
    ("rating", {"max": 5}, "0"),
    ("rating", {"max": 5}, "good"),
    ("checkbox", None, "maybe"),
]


@pytest.mark.parametrize(("kind", "options", "sent", "read"), READ, ids=str)
def test_typecast_reads_what_a_person_would_write(
    sandbox: Arrangement, kind: str, options: dict[str, Any] | None, sent: Any, read: Any
) -> None:
    column(sandbox, kind, options)
    assert write(sandbox, sent).json()["fields"] == {"Name": "Ada", "Cell": read, "Score": 0}


@pytest.mark.parametrize(("kind", "options", "sent"), UNREADABLE, ids=str)
def test_what_typecast_cannot_read_is_an_empty_cell_and_no_refusal(
    sandbox: Arrangement, kind: str, options: dict[str, Any] | None, sent: Any
) -> None:
    column(sandbox, kind, options)
    response = write(sandbox, sent)
    assert (response.status_code, response.json()["fields"]) == (200, {"Name": "Ada", "Score": 0})


@pytest.mark.parametrize(("kind", "options", "sent"), UNREADABLE, ids=str)
def test_without_typecast_the_same_is_refused(
    sandbox: Arrangement, kind: str, options: dict[str, Any] | None, sent: Any
) -> None:
    column(sandbox, kind, options)
    assert error_of(write(sandbox, sent, typecast=False)) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert sandbox.names() == []


def test_a_cell_that_held_a_date_is_emptied_by_one_that_cannot_be_read(sandbox: Arrangement) -> None:
    column(sandbox, "date", styled("iso"))
    created = sandbox.table.create({"Name": "Ada", "Cell": "1999-12-31"})
    updated = sandbox.table.update(created["id"], {"Cell": "31.12.1999"}, typecast=True)
    assert updated["fields"] == {"Name": "Ada", "Score": 0}
    assert sandbox.table.get(created["id"])["fields"] == {"Name": "Ada", "Score": 0}
