"""Tags as static segments: many members a call."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement


def segments(chimp: Arrangement, **query: Any) -> dict[str, tuple[int, int]]:
    """Id and number of members by name."""
    found = chimp.client.lists.list_segments(chimp.list_id, **query)["segments"]
    return {each["name"]: (each["id"], each["member_count"]) for each in found}


def tags(chimp: Arrangement, email: str) -> list[str]:
    return [each["name"] for each in chimp.member(email)["tags"]]


def test_every_tag_is_a_static_segment(chimp: Arrangement) -> None:
    for email in chimp.join_many(2):
        chimp.mailchimp.tag(chimp.list_id, email, "press")
    chimp.mailchimp.tag(chimp.list_id, "p00000@people.test", "radio")
    chimp.mailchimp.unsubscribe(chimp.list_id, "p00001@people.test")
    assert {name: count for name, (_, count) in segments(chimp, include_unsubscribed=True).items()} == {
        "press": 2,
        "radio": 1,
    }
    found = segments(chimp)
    assert {name: count for name, (_, count) in found.items()} == {"press": 1, "radio": 1}
    assert segments(chimp, type="static") == found
    assert segments(chimp, type="saved") == {}
    assert segments(chimp, count=1, offset=1) == {"radio": found["radio"]}
    searched = chimp.client.lists.tag_search(chimp.list_id, name="ra")["tags"]
    assert searched == [{"id": found["radio"][0], "name": "radio"}]
    one = chimp.client.lists.get_segment(chimp.list_id, str(found["press"][0]))
    assert (one["name"], one["type"], one["list_id"]) == ("press", "static", chimp.list_id)


def test_members_are_added_and_removed_in_one_call(chimp: Arrangement) -> None:
    first, second, third = chimp.join_many(3)
    made = chimp.client.lists.create_segment(chimp.list_id, {"name": "press", "static_segment": [first]})
    assert (made["name"], made["member_count"]) == ("press", 1)
    chimp.advance(5)
    chimp.mailchimp.archive(chimp.list_id, third)
    before = chimp.member(second)["last_changed"]
    body = {"members_to_add": [first, second.upper(), third, "nobody@people.test"], "members_to_remove": [first]}
    answer = chimp.client.lists.batch_segment_members(body, chimp.list_id, str(made["id"]))
    assert [each["email_address"] for each in answer["members_added"]] == [second]
    assert [each["email_address"] for each in answer["members_removed"]] == [first]
    assert (answer["total_added"], answer["total_removed"], answer["error_count"]) == (1, 1, 2)
    assert answer["errors"][0]["email_addresses"] == [third, "nobody@people.test"]
    assert (tags(chimp, first), tags(chimp, second)) == ([], ["press"])
    assert chimp.member(second)["last_changed"] > before
    listed = chimp.client.lists.get_segment_members_list(chimp.list_id, str(made["id"]))
    assert [each["email_address"] for each in listed["members"]] == [second]


def test_a_segment_that_is_deleted_takes_its_tag_along(chimp: Arrangement) -> None:
    (email,) = chimp.join_many(1)
    chimp.mailchimp.tag(chimp.list_id, email, "press")
    chimp.client.lists.delete_segment(chimp.list_id, str(segments(chimp)["press"][0]))
    assert (tags(chimp, email), segments(chimp)) == ([], {})
    chimp.mailchimp.tag(chimp.list_id, email, "Press")
    assert tags(chimp, email) == ["Press"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"members_to_add": ["a@people.test"] * 501}, 400),
        ({"members_to_add": "a@people.test"}, 400),
        ({"members_to_remove": [1]}, 400),
        ({}, 200),
    ],
    ids=["too many", "no list", "no text", "nothing"],
)
def test_what_a_segment_takes(chimp: Arrangement, body: dict[str, Any], status: int) -> None:
    (email,) = chimp.join_many(1)
    chimp.mailchimp.tag(chimp.list_id, email, "press")
    path = f"{chimp.list_path}/segments/{segments(chimp)['press'][0]}"
    assert chimp.http.post(path, json=body).status_code == status


@pytest.mark.parametrize("name", ["", None, " PRESS "])
def test_a_segment_needs_a_name_of_its_own(chimp: Arrangement, name: Any) -> None:
    (email,) = chimp.join_many(1)
    chimp.mailchimp.tag(chimp.list_id, email, "press")
    body = {"name": name, "static_segment": []}
    assert chimp.http.post(f"{chimp.list_path}/segments", json=body).status_code == 400


@pytest.mark.parametrize("segment", ["1", "x"])
def test_a_segment_that_does_not_exist_is_not_found(chimp: Arrangement, segment: str) -> None:
    assert chimp.http.post(f"{chimp.list_path}/segments/{segment}", json={}).status_code == 404


@pytest.mark.parametrize(("syncs", "kept"), [(True, ["new"]), (False, ["new", "old"])])
def test_a_batch_adds_tags_or_replaces_them(chimp: Arrangement, syncs: bool, kept: list[str]) -> None:
    (email,) = chimp.join_many(1)
    chimp.mailchimp.tag(chimp.list_id, email, "old")
    existing = {"email_address": email, "status_if_new": "subscribed", "tags": ["new"]}
    newcomer = {"email_address": "new@people.test", "status_if_new": "subscribed", "tags": ["a", "b"]}
    chimp.bulk(existing, newcomer, update_existing=True, sync_tags=syncs)
    assert sorted(tags(chimp, email)) == kept
    assert sorted(tags(chimp, "new@people.test")) == ["a", "b"]
