"""An admin changes the merge fields of an audience: members are answered with the tags that it has then."""

from typing import Any

import pytest
from mailchimp_marketing.api_client import ApiClientError

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement, refusal

ADA = "ada@people.test"


def control(chimp: Arrangement, rest: str = "") -> str:
    return f"{chimp.server.url}/sandbox/mailchimp/lists/{chimp.list_id}/merge-fields{rest}"


def change(chimp: Arrangement, field: str, **document: Any) -> None:
    response = chimp.http.patch(control(chimp, f"/{field}"), json=document)
    assert response.status_code == 200, response.text


def ids(chimp: Arrangement) -> dict[str, int]:
    found = chimp.client.lists.get_list_merge_fields(chimp.list_id, count=100)["merge_fields"]
    return {each["tag"]: each["merge_id"] for each in found}


def values(chimp: Arrangement) -> dict[str, Any]:
    (member,) = chimp.page()["members"]
    assert member["merge_fields"].keys() == ids(chimp).keys()
    return {tag: value for tag, value in member["merge_fields"].items() if value != ""}


def test_a_renamed_tag_keeps_its_id_and_the_values_of_members(chimp: Arrangement) -> None:
    chimp.join(ADA, FNAME="Ada", LNAME="King")
    before = ids(chimp)
    change(chimp, "LNAME", tag="SURNAME")
    assert ids(chimp)["SURNAME"] == before["LNAME"]
    assert values(chimp) == {"FNAME": "Ada", "SURNAME": "King"}
    written = chimp.patch(ADA, merge_fields={"LNAME": "Byron"})
    assert (written.status_code, written.json()["merge_fields"]["SURNAME"]) == (200, "King")
    assert "LNAME" not in written.json()["merge_fields"]


def test_the_api_changes_and_deletes_merge_fields_by_their_id(chimp: Arrangement) -> None:
    chimp.join(ADA, FNAME="Ada", LNAME="King")
    lists, merge_id = chimp.client.lists, str(ids(chimp)["LNAME"])
    changed = lists.update_list_merge_field(
        chimp.list_id, merge_id, {"name": "Surname", "tag": "surname", "required": True, "type": "number"}
    )
    assert (changed["tag"], changed["name"], changed["required"]) == ("SURNAME", "Surname", True)
    assert changed["type"] == "text"
    assert lists.get_list_merge_field(chimp.list_id, merge_id) == changed
    assert values(chimp) == {"FNAME": "Ada", "SURNAME": "King"}
    lists.delete_list_merge_field(chimp.list_id, merge_id)
    assert values(chimp) == {"FNAME": "Ada"}
    with pytest.raises(ApiClientError) as caught:
        lists.get_list_merge_field(chimp.list_id, merge_id)
    assert caught.value.status_code == 404


@pytest.mark.parametrize("body", [{"tag": "FNAME"}, {"tag": "TOO LONG A TAG"}, {"required": "yes"}, []], ids=str)
def test_a_change_that_makes_no_sense_is_refused(chimp: Arrangement, body: Any) -> None:
    path = f"{chimp.list_path}/merge-fields/{ids(chimp)['LNAME']}"
    assert refusal(chimp.http.patch(path, json=body))[:2] == (400, "Invalid Resource")
    assert "LNAME" in ids(chimp)


def test_two_fields_can_swap_their_tags(chimp: Arrangement) -> None:
    chimp.join(ADA, FNAME="Ada", LNAME="King")
    before = ids(chimp)
    response = chimp.http.post(control(chimp, "/swap"), json={"tags": ["FNAME", "LNAME"]})
    assert response.status_code == 200
    after = ids(chimp)
    assert (after["FNAME"], after["LNAME"]) == (before["LNAME"], before["FNAME"])
    assert values(chimp) == {"FNAME": "King", "LNAME": "Ada"}


def test_a_field_can_be_deleted_and_made_anew(chimp: Arrangement) -> None:
    chimp.join(ADA, FNAME="Ada", LNAME="King")
    before = ids(chimp)
    made = chimp.http.post(control(chimp, "/LNAME/replace"), json={"type": "number"}).json()
    assert (made["tag"], made["type"]) == ("LNAME", "number")
    assert ids(chimp)["LNAME"] == made["merge_id"] not in before.values()
    assert values(chimp) == {"FNAME": "Ada"}
    chimp.http.delete(control(chimp, "/LNAME"))
    assert "LNAME" not in ids(chimp)
    assert values(chimp) == {"FNAME": "Ada"}


def test_another_type_keeps_what_it_accepts(chimp: Arrangement) -> None:
    chimp.join(ADA, FNAME="12", LNAME="King")
    change(chimp, "FNAME", type="number")
    change(chimp, "LNAME", type="number")
    assert values(chimp) == {"FNAME": 12}
    assert chimp.patch(ADA, merge_fields={"LNAME": "King"}).status_code == 400


@pytest.mark.parametrize("change_to", [{"tag": "FNAME"}, {"type": "horoscope"}])
def test_a_tag_that_is_taken_and_a_type_that_is_none_change_nothing(
    chimp: Arrangement, change_to: dict[str, Any]
) -> None:
    chimp.join(ADA, LNAME="King")
    assert chimp.http.patch(control(chimp, "/LNAME"), json=change_to).status_code == 400
    assert values(chimp) == {"LNAME": "King"}


def put(chimp: Arrangement, skip: str) -> bool:
    path = chimp.path(ADA) + skip
    return chimp.http.put(path, json={"merge_fields": {"FNAME": "x"}}).status_code == 200


def patch(chimp: Arrangement, skip: str) -> bool:
    path = chimp.path(ADA) + skip
    return chimp.http.patch(path, json={"merge_fields": {"FNAME": "x"}}).status_code == 200


def batch(chimp: Arrangement, skip: str) -> bool:
    member = {"email_address": ADA, "status_if_new": "subscribed", "merge_fields": {"FNAME": "x"}}
    answer = chimp.http.post(chimp.list_path + skip, json={"members": [member], "update_existing": True}).json()
    if answer["errors"]:
        assert answer["errors"][0]["field"] == "LNAME"
    return bool(answer["updated_members"])


@pytest.mark.parametrize("write", [put, patch, batch])
def test_a_field_that_became_required_blocks_older_members_unless_it_is_skipped(chimp: Arrangement, write: Any) -> None:
    chimp.join(ADA, FNAME="Ada")
    change(chimp, "LNAME", is_required=True)
    found = chimp.client.lists.get_list_merge_fields(chimp.list_id, count=100)["merge_fields"]
    assert [each["tag"] for each in found if each["required"]] == ["LNAME"]
    assert write(chimp, "") is False
    assert chimp.member(ADA)["merge_fields"]["FNAME"] == "Ada"
    assert write(chimp, "?skip_merge_validation=true") is True
    assert chimp.member(ADA)["merge_fields"]["FNAME"] == "x"
