"""Adding and changing one member: addresses, who is meant, renaming, tags, times."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import (
    INVALID,
    Arrangement,
    field_errors,
    md5,
    refusal,
)

EMAIL = "ada@people.test"
OTHER = "bob@people.test"
NOW = "2026-11-22T12:00:00+00:00"
RENAMED = ("id", "email_address", "unique_email_id", "_links")


def test_a_new_member_shows_everything_that_the_api_knows(chimp: Arrangement) -> None:
    member = chimp.post(email_address=EMAIL, status="subscribed", merge_fields={"FNAME": "Ada", "LNAME": "L"}).json()
    assert {key: value for key, value in member.items() if key not in ("contact_id", "web_id", "_links")} == {
        "id": md5(EMAIL),
        "email_address": EMAIL,
        "unique_email_id": member["unique_email_id"],
        "full_name": "Ada L",
        "email_type": "html",
        "status": "subscribed",
        "consents_to_one_to_one_messaging": True,
        "merge_fields": {"FNAME": "Ada", "LNAME": "L", "ADDRESS": "", "PHONE": "", "BIRTHDAY": "", "COMPANY": ""},
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": "",
        "timestamp_signup": "",
        "ip_opt": "",
        "timestamp_opt": NOW,
        "member_rating": 2,
        "last_changed": NOW,
        "language": "",
        "vip": False,
        "email_client": "",
        "location": {
            "latitude": 0,
            "longitude": 0,
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
            "region": "",
        },
        "source": "API - Generic",
        "tags_count": 0,
        "tags": [],
        "list_id": chimp.list_id,
    }
    assert len(member["contact_id"]) == 32
    assert isinstance(member["web_id"], int)
    assert member["_links"][0]["href"] == str(chimp.http.base_url).rstrip("/") + chimp.path(EMAIL)


def test_a_member_that_exists_is_not_added_again(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    response = chimp.post(email_address=EMAIL.upper(), status="subscribed")
    detail = f"{EMAIL.upper()} is already a list member. Use PUT to insert or update list members."
    assert refusal(response) == (400, "Member Exists", detail)


@pytest.mark.parametrize(
    ("body", "lacking"),
    [({"status": "subscribed"}, "email_address"), ({"email_address": EMAIL}, "status"), ({}, "email_address")],
)
def test_adding_needs_an_address_and_a_status(chimp: Arrangement, body: dict[str, Any], lacking: str) -> None:
    assert field_errors(chimp.post(**body)) == [("", f"Required fields were not provided: {lacking}")]


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@people.test", "a b@people.test", "ada@people", "a@b@c.test"])
def test_an_address_must_be_one(chimp: Arrangement, email: str) -> None:
    expected = (400, "Invalid Resource", "Please provide a valid email address.")
    assert refusal(chimp.post(email_address=email, status="subscribed")) == expected
    assert refusal(chimp.put("any", email_address=email, status_if_new="subscribed")) == expected


@pytest.mark.parametrize("email", ["foo@example.com", "foo@EXAMPLE.com"])
def test_an_address_that_looks_fake_is_refused(chimp: Arrangement, email: str) -> None:
    expected = (400, "Invalid Resource", f"{email} looks fake or invalid, please enter a real email address.")
    response = chimp.post(email_address=email, status="subscribed")
    assert refusal(response) == expected
    assert "type" in response.json()
    chimp.mailchimp.set_options(fake_domains=[])
    assert chimp.post(email_address=email, status="subscribed").status_code == 200


def test_other_domains_do_not_look_fake(chimp: Arrangement) -> None:
    assert chimp.post(email_address="foo@example.org", status="subscribed").status_code == 200


@pytest.mark.parametrize(("status", "code"), [("subscribed", 400), ("pending", 400), ("transactional", 200)])
def test_an_address_that_signed_up_too_often_gets_no_more_mail(chimp: Arrangement, status: str, code: int) -> None:
    chimp.mailchimp.set_options(busy_addresses=[EMAIL])
    response = chimp.post(email_address=EMAIL, status=status)
    assert response.status_code == code
    if code == 400:
        assert "has signed up to a lot of lists very recently" in response.json()["detail"]


def test_the_spelling_of_an_address_is_kept_and_does_not_tell_members_apart(chimp: Arrangement) -> None:
    made = chimp.post(email_address="Ada@People.test", status="subscribed").json()
    assert (made["email_address"], made["id"]) == ("Ada@People.test", md5(EMAIL))
    assert chimp.put(EMAIL, email_address="Ada@People.test").json() == made
    assert chimp.put(EMAIL, email_address="ADA@people.test").json()["email_address"] == "ADA@people.test"
    assert len(chimp.emails()) == 1


# Who is meant


@pytest.mark.parametrize("kind", ["hash", "address", "address in capitals", "contact id"])
def test_a_member_is_found_by_hash_address_or_contact_id(chimp: Arrangement, kind: str) -> None:
    made = chimp.join(EMAIL)
    who = {"hash": made["id"], "address": EMAIL, "address in capitals": EMAIL.upper(), "contact id": made["contact_id"]}
    path = f"{chimp.members_path}/{who[kind]}"
    assert chimp.http.get(path).json()["id"] == made["id"]
    assert chimp.http.put(path, json={"merge_fields": {"FNAME": "A"}}).json()["full_name"] == "A"
    assert chimp.http.patch(path, json={"merge_fields": {"FNAME": "B"}}).json()["full_name"] == "B"
    assert chimp.http.get(path + "/tags").json()["total_items"] == 0
    assert chimp.http.delete(path).status_code == 204


def test_put_makes_a_member_of_an_unknown_hash_if_it_is_told_the_address(chimp: Arrangement) -> None:
    assert field_errors(chimp.put(EMAIL, status_if_new="subscribed")) == [
        ("", "Required fields were not provided: email_address")
    ]
    assert chimp.put(EMAIL, email_address=EMAIL, status_if_new="subscribed").json()["id"] == md5(EMAIL)


def test_put_to_a_hash_that_is_not_the_addresss_own_does_not_find_the_member(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    response = chimp.put("some other text", email_address=EMAIL, status_if_new="subscribed")
    assert refusal(response)[1] == "Member Exists"


# Another address


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_new_address_changes_the_hash_and_keeps_the_contact_id(chimp: Arrangement, method: str) -> None:
    before = chimp.join(EMAIL, FNAME="Ada")
    chimp.mailchimp.tag(chimp.list_id, EMAIL, "a")
    after = chimp.http.request(method, chimp.path(EMAIL), json={"email_address": OTHER}).json()
    assert (after["id"], after["email_address"]) == (md5(OTHER), OTHER)
    assert after["unique_email_id"] != before["unique_email_id"]
    unchanged = {key: value for key, value in before.items() if key not in (*RENAMED, "tags", "tags_count")}
    assert {key: after[key] for key in unchanged} == unchanged
    assert chimp.http.get(chimp.path(EMAIL)).status_code == 404
    assert chimp.http.get(f"{chimp.members_path}/{before['contact_id']}").json() == after


def test_the_old_address_is_free_again(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    chimp.patch(EMAIL, email_address=OTHER)
    made = chimp.put(EMAIL, email_address=EMAIL, status_if_new="subscribed").json()
    assert chimp.emails() == [OTHER, EMAIL]
    assert made["contact_id"] != chimp.member(OTHER)["contact_id"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("status", "name"), [("subscribed", "Subscribed"), ("transactional", "Non-Subscribed"), ("archived", "Deleted")]
)
def test_an_address_that_is_another_members_cannot_be_had(
    chimp: Arrangement, status: str, name: str, method: str
) -> None:
    chimp.join(EMAIL)
    chimp.mailchimp.subscribe(chimp.list_id, OTHER, status="subscribed" if status == "archived" else status)
    if status == "archived":
        chimp.http.delete(chimp.path(OTHER))
    response = chimp.http.request(method, chimp.path(EMAIL), json={"email_address": OTHER})
    assert refusal(response) == (400, "Invalid Resource", INVALID)
    assert field_errors(response) == [
        ("email address", f'"{OTHER}" is already in this list with a status of "{name}".')
    ]
    assert chimp.emails() == [EMAIL, OTHER]


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending", "transactional"])
def test_only_a_subscribed_members_address_can_be_changed(chimp: Arrangement, status: str) -> None:
    chimp.mailchimp.subscribe(chimp.list_id, EMAIL, status=status)
    response = chimp.patch(EMAIL, email_address=OTHER)
    assert field_errors(response) == [
        (
            "email address",
            f'This member\'s status is "{status}." You can only update email addresses for members with a status of '
            '"subscribed."',
        )
    ]
    chimp.mailchimp.set_options(only_subscribed_change_email=False)
    assert chimp.patch(EMAIL, email_address=OTHER).json()["id"] == md5(OTHER)


@pytest.mark.parametrize(
    ("email", "detail"),
    [
        ("ada", "Please provide a valid email address."),
        ("ada@example.com", "ada@example.com looks fake or invalid, please enter a real email address."),
    ],
)
def test_a_new_address_is_looked_at_like_a_first_one(chimp: Arrangement, email: str, detail: str) -> None:
    chimp.join(EMAIL)
    assert refusal(chimp.patch(EMAIL, email_address=email)) == (400, "Invalid Resource", detail)


def test_nobody_takes_over_a_forgotten_address(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    chimp.join(OTHER)
    chimp.mailchimp.delete_permanently(chimp.list_id, OTHER)
    assert refusal(chimp.patch(EMAIL, email_address=OTHER))[1] == "Forgotten Email Not Subscribed"


# Tags


def tag_names(member: dict[str, Any]) -> list[str]:
    return [each["name"] for each in member["tags"]]


def test_tags_come_with_a_new_member_and_do_nothing_to_one_that_exists(chimp: Arrangement) -> None:
    assert tag_names(chimp.post(email_address=EMAIL, status="subscribed", tags=["a", "b"]).json()) == ["a", "b"]
    assert tag_names(chimp.put(EMAIL, email_address=EMAIL, tags=["c"]).json()) == ["a", "b"]
    assert tag_names(chimp.put(OTHER, email_address=OTHER, status_if_new="pending", tags=["b"]).json()) == ["b"]
    assert chimp.http.get(f"{chimp.list_path}/tag-search").json()["total_items"] == 2


def test_tags_are_put_on_and_taken_off_one_by_one(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    first = {"tags": [{"name": "a", "status": "active"}, {"name": "b", "status": "active"}]}
    assert chimp.http.post(chimp.path(EMAIL, "/tags"), json=first).status_code == 204
    second = {
        "tags": [{"name": "A", "status": "inactive"}, {"name": "never", "status": "inactive"}],
        "is_syncing": True,
    }
    response = chimp.http.post(chimp.path(EMAIL, "/tags"), json=second)
    assert (response.status_code, response.content) == (204, b"")
    assert tag_names(chimp.member(EMAIL)) == ["b"]
    listed = chimp.http.get(chimp.path(EMAIL, "/tags")).json()
    assert [(each["name"], each["date_added"]) for each in listed["tags"]] == [("b", NOW)]
    found = chimp.http.get(f"{chimp.list_path}/tag-search").json()["tags"]
    assert [each["name"] for each in found] == ["a", "b"]


def test_a_member_shows_fifty_tags_and_counts_all(chimp: Arrangement) -> None:
    names = [f"tag {number:02d}" for number in range(60)]
    made = chimp.post(email_address=EMAIL, status="subscribed", tags=names).json()
    assert (tag_names(made), made["tags_count"]) == (sorted(names)[:50], 60)
    path = chimp.path(EMAIL, "/tags")
    assert len(chimp.http.get(path).json()["tags"]) == 10
    page = chimp.http.get(path, params={"count": 1000, "offset": 50}).json()
    assert (len(page["tags"]), page["total_items"]) == (10, 60)


@pytest.mark.parametrize("who", ["nobody@people.test", "address", "contact id"])
def test_tags_are_written_to_a_known_hash_only(chimp: Arrangement, who: str) -> None:
    made = chimp.join(EMAIL)
    part = {"address": EMAIL, "contact id": made["contact_id"]}.get(who, md5(who))
    body = {"tags": [{"name": "a", "status": "active"}]}
    assert chimp.http.post(f"{chimp.members_path}/{part}/tags", json=body).status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"tags": "a"}, {"tags": ["a"]}, {"tags": [{"name": "a"}]}, {"tags": [{"name": " ", "status": "active"}]}],
)
def test_tags_must_have_names_and_states(chimp: Arrangement, body: Any) -> None:
    chimp.join(EMAIL)
    assert chimp.http.post(chimp.path(EMAIL, "/tags"), json=body).status_code == 400


@pytest.mark.parametrize(("moves", "changed"), [(True, "2026-11-22T12:01:00+00:00"), (False, NOW)])
def test_whether_tags_are_a_change_can_be_set(chimp: Arrangement, moves: bool, changed: str) -> None:
    chimp.mailchimp.set_options(tags_move_last_changed=moves)
    chimp.join(EMAIL)
    chimp.advance(60)
    chimp.http.post(chimp.path(EMAIL, "/tags"), json={"tags": [{"name": "a", "status": "active"}]})
    assert chimp.member(EMAIL)["last_changed"] == changed


def test_tags_are_found_by_the_beginning_of_their_names(chimp: Arrangement) -> None:
    chimp.post(email_address=EMAIL, status="subscribed", tags=["Alpha", "alphabet", "beta"])
    found = chimp.http.get(f"{chimp.list_path}/tag-search", params={"name": "ALPHA"}).json()
    assert ([each["name"] for each in found["tags"]], found["total_items"]) == (["Alpha", "alphabet"], 2)


# Times and other attributes


@pytest.mark.parametrize(
    ("body", "is_change"),
    [
        ({"merge_fields": {"FNAME": "Ada"}}, False),
        ({"merge_fields": {"FNAME": "Ada", "LNAME": ""}}, False),
        ({"status": "subscribed"}, False),
        ({"vip": False, "language": ""}, False),
        ({}, False),
        ({"merge_fields": {"FNAME": ""}}, True),
        ({"status": "unsubscribed"}, True),
        ({"email_address": OTHER}, True),
        ({"vip": True}, True),
    ],
)
def test_last_changed_moves_in_whole_seconds_when_something_changes(
    chimp: Arrangement, body: dict[str, Any], is_change: bool
) -> None:
    chimp.join(EMAIL, FNAME="Ada")
    chimp.advance(1.5)
    after = chimp.patch(EMAIL, **body).json()
    assert after["last_changed"] == ("2026-11-22T12:00:01+00:00" if is_change else NOW)


def test_attributes_are_written_and_shown(chimp: Arrangement) -> None:
    attributes = {"email_type": "text", "language": "de", "vip": True, "ip_signup": "192.0.2.1", "ip_opt": "192.0.2.2"}
    location = {"latitude": 52.5, "longitude": "13.4"}
    made = chimp.post(email_address=EMAIL, status="subscribed", location=location, **attributes).json()
    assert {key: made[key] for key in attributes} == attributes
    assert (made["location"]["latitude"], made["location"]["longitude"]) == (52.5, 13.4)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05+00:00"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05+00:00"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05+00:00"),
        ("", ""),
    ],
)
def test_times_are_written_in_two_forms(chimp: Arrangement, text: str, shown: str) -> None:
    made = chimp.post(email_address=EMAIL, status="subscribed", timestamp_signup=text, timestamp_opt=text).json()
    assert (made["timestamp_signup"], made["timestamp_opt"]) == (shown, shown)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"email_address": None}, "email_address", "Schema describes string, NULL found instead"),
        ({"email_address": 5}, "email_address", "Schema describes string, integer found instead"),
        ({"vip": "yes"}, "vip", "Schema describes boolean, string found instead"),
        ({"language": ["de"]}, "language", "Schema describes string, array found instead"),
        ({"email_type": "pdf"}, "email_type", "Data presented is not one of the accepted values: html, text."),
        ({"tags": "a"}, "tags", "Schema describes array, string found instead"),
        ({"tags": [1.5]}, "tags", "Schema describes string, number found instead"),
        ({"merge_fields": []}, "merge_fields", "Schema describes object, array found instead"),
        ({"location": True}, "location", "Schema describes object, boolean found instead"),
        ({"timestamp_opt": "yesterday"}, "timestamp_opt", "Please enter a date and time"),
        ({"timestamp_opt": "2020-13-02 03:04:05"}, "timestamp_opt", "Please enter a date and time"),
        ({"timestamp_opt": "2020-01-02T03:04:05"}, "timestamp_opt", "Please enter a date and time"),
        ({"timestamp_signup": None}, "timestamp_signup", "Schema describes string, NULL found instead"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(
    chimp: Arrangement, body: dict[str, Any], field: str, message: str
) -> None:
    chimp.join(EMAIL)
    before = chimp.member(EMAIL)
    assert field_errors(chimp.patch(EMAIL, **body)) == [(field, message)]
    assert chimp.member(EMAIL) == before


def test_a_place_that_is_no_number_is_nought(chimp: Arrangement) -> None:
    made = chimp.post(email_address=EMAIL, status="subscribed", location={"latitude": "north", "longitude": None})
    assert made.json()["location"]["latitude"] == 0
