"""A client that nobody here wrote works against the sandbox."""

import json

import mailchimp_marketing
import pytest
from mailchimp_marketing.api_client import ApiClientError

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement, md5
from integrations_sandbox import FaultRule

EMAIL = "ada@people.test"


def test_ping_and_the_account_answer(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    assert chimp.client.ping.get() == {"health_status": "Everything's Chimpy!"}
    root = chimp.client.root.get_root()
    assert (root["email"], root["total_subscribers"]) == ("owner@mailchimp.example", 1)


def test_a_member_makes_the_round_trip_of_put_get_patch_and_archive(chimp: Arrangement) -> None:
    lists = chimp.client.lists
    body = {"email_address": EMAIL, "status_if_new": "transactional", "merge_fields": {"FNAME": "Ada"}, "tags": ["a"]}
    made = lists.set_list_member(chimp.list_id, md5(EMAIL), body)
    assert (made["id"], made["status"], made["full_name"]) == (md5(EMAIL), "transactional", "Ada")
    assert [each["name"] for each in made["tags"]] == ["a"]
    assert lists.get_list_member(chimp.list_id, md5(EMAIL)) == made
    changed = lists.update_list_member(chimp.list_id, md5(EMAIL), {"merge_fields": {"COMPANY": "Engines"}})
    assert changed["merge_fields"] == made["merge_fields"] | {"COMPANY": "Engines"}
    assert lists.delete_list_member(chimp.list_id, md5(EMAIL)).status_code == 204
    assert lists.get_list_member(chimp.list_id, md5(EMAIL))["status"] == "archived"


def test_all_members_are_read_page_by_page(chimp: Arrangement) -> None:
    expected = chimp.join_many(25)
    found = []
    for offset in range(0, 30, 10):
        query = {"count": 10, "offset": offset, "sort_field": "last_changed", "sort_dir": "ASC"}
        page = chimp.client.lists.get_list_members_info(chimp.list_id, fields=["members.email_address"], **query)
        found += [each["email_address"] for each in page["members"]]
    assert found == expected


def test_many_members_are_written_in_one_call(chimp: Arrangement) -> None:
    chimp.join("old@people.test")
    members = [{"email_address": each, "status_if_new": "subscribed"} for each in ("old@people.test", EMAIL)]
    body = {"members": members, "update_existing": True}
    answer = chimp.client.lists.batch_list_members(chimp.list_id, body, skip_merge_validation=True)
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 1, 0)


def test_tags_and_merge_fields_are_written_and_read(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    lists = chimp.client.lists
    tags = {"tags": [{"name": "vip", "status": "active"}], "is_syncing": True}
    assert lists.update_list_member_tags(chimp.list_id, md5(EMAIL), tags).status_code == 204
    assert [each["name"] for each in lists.get_list_member_tags(chimp.list_id, md5(EMAIL))["tags"]] == ["vip"]
    assert lists.tag_search(chimp.list_id, name="v")["total_items"] == 1
    made = lists.add_list_merge_field(chimp.list_id, {"name": "Job", "type": "text", "tag": "JOB"})
    assert made["tag"] in [each["tag"] for each in lists.get_list_merge_fields(chimp.list_id)["merge_fields"]]
    assert [each["id"] for each in lists.get_all_lists()["lists"]] == [chimp.list_id]
    assert lists.get_list(chimp.list_id)["stats"]["member_count"] == 1


def test_a_member_is_deleted_for_good(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    assert chimp.client.lists.delete_list_member_permanent(chimp.list_id, md5(EMAIL)).status_code == 204
    with pytest.raises(ApiClientError) as caught:
        chimp.client.lists.get_list_member(chimp.list_id, md5(EMAIL))
    assert caught.value.status_code == 404


def test_a_refusal_reaches_the_caller_as_text_because_it_is_a_problem_document(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    with pytest.raises(ApiClientError) as caught:
        chimp.client.lists.add_list_member(chimp.list_id, {"email_address": EMAIL, "status": "subscribed"})
    assert caught.value.status_code == 400
    assert json.loads(caught.value.text)["title"] == "Member Exists"


@pytest.mark.parametrize("status", [429, 403])
def test_an_answer_without_a_body_does_not_raise_in_this_client(chimp: Arrangement, status: int) -> None:
    chimp.mailchimp.add_fault(FaultRule(action="status", status=status))
    assert chimp.client.ping.get().status_code == status


def test_an_oauth_token_works_as_well_as_a_key(chimp: Arrangement) -> None:
    token = chimp.allow("owner@mailchimp.example")
    client = mailchimp_marketing.Client({"access_token": token, "server": "us1"})
    client.api_client.host = chimp.server.mailchimp_url + "/3.0"
    assert client.lists.get_list(chimp.list_id)["id"] == chimp.list_id


def test_batch_operations_are_started_and_looked_up(chimp: Arrangement) -> None:
    operation = {"method": "GET", "path": f"/lists/{chimp.list_id}", "operation_id": "1"}
    started = chimp.client.batches.start({"operations": [operation]})
    assert started["status"] == "pending"
    assert chimp.client.batches.status(started["id"])["status"] == "finished"
