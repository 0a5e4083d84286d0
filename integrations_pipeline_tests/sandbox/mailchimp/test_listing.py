"""Listing members and audiences: pages, filters, order, partial answers, pages that are cut."""

import time
from typing import Any

import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement, field_errors
from integrations_sandbox import FaultRule

START = "2026-11-22T12:00:00+00:00"


def at(seconds: int, zone: str = "+00:00") -> str:
    return f"2026-11-22T12:00:{seconds:02d}{zone}"


@pytest.fixture
def spread(chimp: Arrangement) -> Arrangement:
    """Six members: a to c changed one second after the other, then one of each other status, archived last."""
    for name in ("a", "b", "c"):
        chimp.join(f"{name}@people.test")
        chimp.advance(1)
    for name, status in (("u", "unsubscribed"), ("p", "pending"), ("x", "subscribed")):
        chimp.mailchimp.subscribe(chimp.list_id, f"{name}@people.test", status=status)
    chimp.http.delete(chimp.path("x@people.test"))
    return chimp


def names(chimp: Arrangement, **query: Any) -> str:
    """The first letters of the members of one page, in their order."""
    return "".join(each[0] for each in chimp.listed(**query))


# Pages


def test_a_page_has_ten_members_unless_it_is_told_otherwise(chimp: Arrangement) -> None:
    everyone = chimp.join_many(12)
    assert chimp.listed() == everyone[:10]
    assert chimp.page()["total_items"] == 12
    assert chimp.listed(offset=10) == everyone[10:]
    assert chimp.listed(count=5, offset=10) == everyone[10:]
    assert chimp.listed(offset=12) == []
    empty = chimp.page(count=0)
    assert (empty["members"], empty["total_items"], empty["list_id"]) == ([], 12, chimp.list_id)


def test_a_page_has_a_thousand_members_at_most(chimp: Arrangement) -> None:
    chimp.join_many(1001)
    assert len(chimp.listed(count=1000)) == 1000
    assert len(chimp.listed(count=5000)) == 1000


@pytest.mark.parametrize("name", ["count", "offset"])
@pytest.mark.parametrize("value", ["-1", "x", "1.5"])
def test_a_page_is_described_in_whole_numbers(chimp: Arrangement, name: str, value: str) -> None:
    response = chimp.http.get(chimp.members_path, params={name: value})
    assert field_errors(response) == [(name, "Schema describes integer, string found instead")]


def test_ten_thousand_members_are_paged_with_reasonable_work(chimp: Arrangement) -> None:
    chimp.join_many(10_000)
    began_at, found = time.process_time(), set()
    for offset in range(0, 10_000, 1000):
        query = {"count": 1000, "offset": offset, "sort_field": "last_changed", "sort_dir": "ASC"}
        found |= set(chimp.listed(fields="members.email_address", **query))
    assert len(found) == 10_000
    assert time.process_time() - began_at < patient(5)  # of both: the server is a thread


def test_a_list_that_moves_between_two_pages_loses_a_member_to_the_reader(spread: Arrangement) -> None:
    query = {"count": 2, "sort_field": "last_changed", "sort_dir": "ASC"}
    assert names(spread, **query) == "ab"
    spread.advance(10)
    spread.mailchimp.edit(spread.list_id, "a@people.test", FNAME="Ada")
    assert names(spread, offset=2, **query) == "up"
    assert names(spread, count=10, sort_field="last_changed", sort_dir="ASC") == "bcupa"


# Which members


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "abcup"),
        ({"status": "subscribed"}, "abc"),
        ({"status": "unsubscribed"}, "u"),
        ({"status": "pending"}, "p"),
        ({"status": "cleaned"}, ""),
        ({"status": "archived"}, "x"),
        ({"since_last_changed": at(0)}, "bcup"),
        ({"since_last_changed": at(1)}, "cup"),
        ({"since_last_changed": at(1), "status": "archived"}, "x"),
        ({"since_last_changed": at(3)}, ""),
        ({"before_last_changed": at(0)}, ""),
        ({"before_last_changed": at(2)}, "ab"),
        ({"since_last_changed": at(0), "before_last_changed": at(3)}, "bc"),
        ({"since_last_changed": "2026-11-22T13:00:01+01:00"}, "cup"),
        ({"since_last_changed": "2026-11-22T07:00:01-0500"}, "cup"),
        ({"since_last_changed": at(1, "Z")}, "cup"),
        ({"since_timestamp_opt": at(0)}, "bc"),
        ({"before_timestamp_opt": at(1)}, "a"),
        ({"unsubscribed_since": at(2), "status": "unsubscribed"}, "u"),
        ({"unsubscribed_since": at(3), "status": "unsubscribed"}, ""),
        ({"since_last_campaign": "true", "status": "pending"}, "p"),
        ({"email_type": "html"}, "abcup"),
        ({"email_type": "text"}, ""),
        ({"vip_only": "true"}, ""),
        ({"vip_only": "false"}, "abcup"),
        ({"unique_email_id": "0000000000"}, ""),
    ],
)
def test_filters_choose_among_the_members(spread: Arrangement, query: dict[str, str], found: str) -> None:
    assert names(spread, **query) == found
    assert spread.page(**query)["total_items"] == len(found)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T12:00:02.000+00:00",
        "2026-11-22T12:00:02.5Z",
        "2026-11-22T12:00:02",
        "2026-11-22 12:00:02",
        "2026-11-22T12:00:02 00:00",
        "2026-11-22",
        "11/22/2026",
        "1795348802",
        "2026-13-22T12:00:02+00:00",
        "",
    ],
)
@pytest.mark.parametrize("name", ["since_last_changed", "before_last_changed"])
def test_a_time_in_any_other_form_is_ignored_without_a_word(spread: Arrangement, name: str, text: str) -> None:
    assert names(spread, **{name: text}) == "abcup"


def test_a_plus_sign_that_was_not_encoded_makes_it_another_form(spread: Arrangement) -> None:
    response = spread.http.get(f"{spread.members_path}?since_last_changed={at(3)}")
    assert response.json()["total_items"] == 5


def test_a_member_is_found_by_the_id_of_its_address_in_every_audience(spread: Arrangement) -> None:
    unique = spread.member("b@people.test")["unique_email_id"]
    assert names(spread, unique_email_id=unique) == "b"
    other = spread.mailchimp.create_list("Other")
    assert spread.mailchimp.subscribe(other.id, "B@people.test")["unique_email_id"] == unique


def test_very_important_people_can_be_asked_for(spread: Arrangement) -> None:
    spread.patch("b@people.test", vip=True)
    assert names(spread, vip_only="true") == "b"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "gone"}, "status"),
        ({"email_type": "pdf"}, "email_type"),
        ({"sort_field": "email_address"}, "sort_field"),
        ({"sort_dir": "asc"}, "sort_dir"),
        ({"unsubscribed_since": START}, "unsubscribed_since"),
        ({"unsubscribed_since": START, "status": "pending"}, "unsubscribed_since"),
        ({"since_last_campaign": "true"}, "since_last_campaign"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(spread: Arrangement, query: dict[str, str], field: str) -> None:
    assert [each for each, _ in field_errors(spread.http.get(spread.members_path, params=query))] == [field]


# Order


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "abcup"),
        ({"sort_dir": "DESC"}, "upcba"),
        ({"sort_field": "last_changed"}, "bcupa"),
        ({"sort_field": "last_changed", "sort_dir": "ASC"}, "bcupa"),
        ({"sort_field": "last_changed", "sort_dir": "DESC"}, "aupcb"),
        ({"sort_field": "timestamp_opt", "sort_dir": "ASC"}, "upabc"),
        ({"sort_field": "timestamp_signup", "sort_dir": "DESC"}, "upabc"),
    ],
)
def test_members_come_in_the_order_of_a_time(spread: Arrangement, query: dict[str, str], found: str) -> None:
    spread.advance(10)
    spread.mailchimp.edit(spread.list_id, "a@people.test", FNAME="Ada")
    assert names(spread, **query) == found


def test_members_of_the_same_second_can_come_in_another_order_each_time(chimp: Arrangement) -> None:
    chimp.join("first@people.test")
    chimp.advance(1)
    everyone = ["first@people.test", *chimp.join_many(50)]
    query = {"count": 100, "sort_field": "last_changed", "sort_dir": "ASC"}
    assert chimp.listed(**query) == chimp.listed(**query) == everyone
    chimp.mailchimp.set_options(shuffle_ties=True)
    orders = [chimp.listed(**query) for _ in range(3)]
    assert len({tuple(each) for each in orders}) == 3
    assert {tuple(sorted(each)) for each in orders} == {tuple(sorted(everyone))}
    assert {each[0] for each in orders} == {"first@people.test"}


def test_members_of_different_seconds_keep_their_order_whatever_is_shuffled(spread: Arrangement) -> None:
    spread.mailchimp.set_options(shuffle_ties=True)
    query = {"status": "subscribed", "sort_field": "last_changed", "sort_dir": "DESC"}
    assert {names(spread, **query) for _ in range(5)} == {"cba"}


def test_what_changed_since_the_last_page_is_seen(chimp: Arrangement) -> None:
    chimp.join_many(3)
    assert len(chimp.listed(status="subscribed")) == 3
    chimp.patch("p00001@people.test", status="unsubscribed")
    assert len(chimp.listed(status="subscribed")) == 2
    chimp.mailchimp.delete_permanently(chimp.list_id, "p00002@people.test")
    assert len(chimp.listed(status="subscribed")) == 1


# Parts of answers


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"fields": "total_items"}, {"total_items": 1}),
        (
            {"fields": "members.email_address,members.merge_fields.FNAME,total_items"},
            {"members": [{"email_address": "ada@people.test", "merge_fields": {"FNAME": "Ada"}}], "total_items": 1},
        ),
        ({"fields": "members.tags.name"}, {"members": [{"tags": [{"name": "a"}]}]}),
        ({"fields": "members.nobody,nothing"}, {"members": [{}]}),
        (
            {"fields": "members.email_address,members.status", "exclude_fields": "members.status"},
            {"members": [{"email_address": "ada@people.test"}]},
        ),
        ({"exclude_fields": "members,_links"}, {"list_id": "…", "total_items": 1}),
    ],
)
def test_an_answer_can_be_cut_down_to_some_fields(
    chimp: Arrangement, query: dict[str, str], found: dict[str, Any]
) -> None:
    chimp.mailchimp.subscribe(chimp.list_id, "ada@people.test", {"FNAME": "Ada"}, tags=["a"])
    expected = {key: chimp.list_id if key == "list_id" else value for key, value in found.items()}
    assert chimp.page(**query) == expected


def test_a_path_below_a_plain_value_leaves_the_value_as_it_is(chimp: Arrangement) -> None:
    found = chimp.page(fields="total_items,list_id", exclude_fields="total_items.more")
    assert found == {"total_items": 0, "list_id": chimp.list_id}


def test_fields_below_a_field_can_be_left_out(chimp: Arrangement) -> None:
    chimp.join("ada@people.test")
    whole = chimp.http.get(chimp.path("ada@people.test")).json()
    less = chimp.http.get(chimp.path("ada@people.test"), params={"exclude_fields": "_links,merge_fields.FNAME"}).json()
    fields = {tag: value for tag, value in whole["merge_fields"].items() if tag != "FNAME"}
    assert less == {key: value for key, value in whole.items() if key != "_links"} | {"merge_fields": fields}


# Pages that are cut


@pytest.mark.parametrize(("action", "count"), [("truncate_page", 2), ("empty_page", 0)])
@pytest.mark.parametrize(("body", "total"), [(None, 5), ({"total_items": 0}, 0)])
def test_a_cut_page_still_tells_how_many_there_are_or_hides_that_too(
    spread: Arrangement, action: Any, count: int, body: Any, total: int
) -> None:
    spread.mailchimp.add_fault(FaultRule(action=action, body=body))
    page = spread.page()
    assert (len(page["members"]), page["total_items"]) == (count, total)
    assert len(spread.listed()) == 5


def test_only_lists_of_members_are_cut(spread: Arrangement) -> None:
    spread.mailchimp.add_fault(FaultRule(action="empty_page"))
    assert len(spread.http.get("/lists").json()["lists"]) == 1


# Audiences


def test_an_audience_counts_its_members(spread: Arrangement) -> None:
    shown = spread.http.get(spread.list_path).json()
    counts = ("member_count", "unsubscribe_count", "cleaned_count", "merge_field_count")
    assert [shown["stats"][each] for each in counts] == [3, 1, 0, 6]
    assert "total_contacts" not in shown["stats"]
    assert (shown["stats"]["last_sub_date"], shown["stats"]["last_unsub_date"]) == (at(3), at(3))
    more = spread.http.get(spread.list_path, params={"include_total_contacts": "true"}).json()
    assert more["stats"]["total_contacts"] == 6


def test_audiences_are_paged_filtered_and_turned_round(chimp: Arrangement) -> None:
    chimp.advance(1)
    second = chimp.mailchimp.create_list("Second")
    chimp.mailchimp.subscribe(second.id, "ada@people.test")

    def listed(**query: Any) -> list[str]:
        document = chimp.http.get("/lists", params=query).json()
        return [each["name"] for each in document["lists"]]

    assert listed() == ["Audience", "Second"]
    assert listed(count=1, offset=1) == ["Second"]
    assert listed(sort_field="date_created", sort_dir="DESC") == ["Second", "Audience"]
    assert listed(since_date_created=at(0)) == ["Second"]
    assert listed(before_date_created=at(1)) == ["Audience"]
    assert listed(email="ADA@people.test") == ["Second"]
    document = chimp.http.get("/lists", params={"count": 1}).json()
    assert (document["total_items"], document["constraints"]["current_total_instances"]) == (2, 2)


def test_a_deleted_audience_is_gone(chimp: Arrangement) -> None:
    chimp.mailchimp.delete_list(chimp.list_id)
    assert chimp.http.get(chimp.list_path).status_code == 404
    assert chimp.http.get(chimp.members_path).status_code == 404
    assert chimp.http.get("/lists").json()["total_items"] == 0
