"""What merge fields accept, which of them are required, and how they are made."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement, field_errors, refusal

EMAIL = "ada@people.test"
HOME = {"addr1": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701"}
FIELDS: list[dict[str, Any]] = [
    {"tag": "TEXT", "name": "Text", "type": "text"},
    {"tag": "NUMBER", "name": "Number", "type": "number"},
    {"tag": "DATE", "name": "Date", "type": "date"},
    {"tag": "BDAY", "name": "Birthday", "type": "birthday"},
    {"tag": "USPHONE", "name": "Phone", "type": "phone", "options": {"phone_format": "US"}},
    {"tag": "PHONE", "name": "Phone", "type": "phone"},
    {"tag": "HOME", "name": "Home", "type": "address"},
    {"tag": "COLOR", "name": "Color", "type": "dropdown", "options": {"choices": ["red", "blue"]}},
    {"tag": "SIZE", "name": "Size", "type": "radio", "options": {"choices": ["S", "M"]}},
    {"tag": "URL", "name": "Url", "type": "url"},
    {"tag": "IMAGE", "name": "Image", "type": "imageurl"},
    {"tag": "ZIP", "name": "Zip", "type": "zip"},
]


@pytest.fixture
def typed(chimp: Arrangement) -> Arrangement:
    """A member of an audience with a field of every type."""
    for each in FIELDS:
        if each["tag"] not in [field.tag for field in chimp.mailchimp.find_list(chimp.list_id).merge_fields]:
            chimp.mailchimp.create_merge_field(chimp.list_id, each)
    chimp.join(EMAIL)
    return chimp


@pytest.mark.parametrize(
    ("tag", "value", "shown"),
    [
        ("TEXT", "x" * 255, "x" * 255),
        ("TEXT", 7, "7"),
        ("NUMBER", 5, 5),
        ("NUMBER", "5", 5),
        ("NUMBER", "-2.5", -2.5),
        ("NUMBER", 0, 0),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("DATE", "02/29/2024", "2024-02-29"),
        ("BDAY", "02/29", "02/29"),
        ("USPHONE", "(404) 555-0100", "(404) 555-0100"),
        ("USPHONE", "4045550100", "4045550100"),
        ("PHONE", "+49 30 901820", "+49 30 901820"),
        ("HOME", HOME, HOME | {"addr2": "", "country": "US"}),
        ("HOME", HOME | {"addr2": "b", "country": "DE"}, HOME | {"addr2": "b", "country": "DE"}),
        ("COLOR", "red", "red"),
        ("SIZE", "M", "M"),
        ("URL", "https://people.test/ada?x=1", "https://people.test/ada?x=1"),
        ("IMAGE", "http://people.test/a.png", "http://people.test/a.png"),
        ("ZIP", "30308", "30308"),
        ("ZIP", "30308-1234", "30308-1234"),
        *[(each["tag"], "", "") for each in FIELDS],
    ],
)
def test_a_value_that_fits_is_stored(typed: Arrangement, tag: str, value: Any, shown: Any) -> None:
    assert typed.patch(EMAIL, merge_fields={tag: value}).json()["merge_fields"][tag] == shown
    assert typed.patch(EMAIL, merge_fields={tag: ""}).json()["merge_fields"][tag] == ""


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        ("TEXT", "x" * 256, "Please limit this value to 255 characters"),
        ("TEXT", {"a": "b"}, "Please enter a value"),
        ("NUMBER", "five", "Please enter a number"),
        ("NUMBER", "nan", "Please enter a number"),
        ("NUMBER", {"a": 1}, "Please enter a number"),
        ("DATE", "2024-02-30", "Please enter the date"),
        ("DATE", "29/02/2024", "Please enter the date"),
        ("DATE", "2024-02-29T00:00:00Z", "Please enter the date"),
        ("BDAY", "2024-02-29", "Please enter a month (01-12) and a day (01-31)"),
        ("BDAY", "2/9", "Please enter a month (01-12) and a day (01-31)"),
        ("BDAY", "13/01", "Please enter a month (01-12) and a day (01-31)"),
        ("USPHONE", "+49 30 901820", "Please enter a valid phone number"),
        ("HOME", "1 Main St", "Please enter a complete address"),
        ("HOME", {key: HOME[key] for key in ("addr1", "city", "state")}, "Please enter a complete address"),
        ("HOME", HOME | {"city": " "}, "Please enter a complete address"),
        ("HOME", HOME | {"addr1": None}, "Please enter a complete address"),
        ("COLOR", "green", "Value must be one of: red, blue,  (not green)"),
        ("COLOR", "Red", "Value must be one of: red, blue,  (not Red)"),
        ("SIZE", "XL", "Value must be one of: S, M,  (not XL)"),
        ("URL", "people.test", "Please enter a valid URL"),
        ("IMAGE", "ftp://people.test/a.png", "Please enter a valid URL"),
        ("ZIP", "3030", "Please enter a zip code (5 digits)"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_value_that_does_not_fit_is_refused(
    typed: Arrangement, tag: str, value: Any, message: str, method: str
) -> None:
    before = typed.member(EMAIL)
    body = {"merge_fields": {"FNAME": "Ada", tag: value}}
    response = typed.http.request(method, typed.path(EMAIL), json=body)
    assert refusal(response) == (400, "Invalid Resource", "Your merge fields were invalid.")
    assert field_errors(response) == [(tag, message)]
    assert typed.member(EMAIL) == before


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_fields(typed: Arrangement) -> None:
    body = {"ZIP": "x", "NUMBER": "x", "FNAME": "fine"}
    assert [field for field, _ in field_errors(typed.patch(EMAIL, merge_fields=body))] == ["NUMBER", "ZIP"]


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "NULL"), (True, "boolean"), (["a"], "array")], ids=["null", "true", "list"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_null_and_the_like_are_no_values(chimp: Arrangement, value: Any, kind: str, method: str) -> None:
    chimp.join(EMAIL)
    path = chimp.members_path if method == "POST" else chimp.path(EMAIL)
    body = {"email_address": EMAIL, "status": "subscribed", "merge_fields": {"FNAME": value}}
    assert field_errors(chimp.http.request(method, path, json=body)) == [
        ("merge_fields.FNAME", f"Schema describes string, {kind} found instead")
    ]


def test_a_tag_that_the_audience_does_not_have_is_ignored(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    answer = chimp.patch(EMAIL, merge_fields={"NOBODY": "x", "fname": "x", "FNAME": "Ada"}).json()
    fields = {"FNAME": "Ada", "LNAME": "", "ADDRESS": "", "PHONE": "", "BIRTHDAY": "", "COMPANY": ""}
    assert answer["merge_fields"] == fields


# Required fields


@pytest.fixture
def demanding(chimp: Arrangement) -> Arrangement:
    chimp.mailchimp.change_merge_field(chimp.list_id, "LNAME", is_required=True)
    return chimp


@pytest.mark.parametrize("fields", [None, {}, {"FNAME": "Ada"}, {"LNAME": ""}, {"LNAME": "  "}])
def test_a_new_member_needs_what_is_required(demanding: Arrangement, fields: Any) -> None:
    given = {} if fields is None else {"merge_fields": fields}
    response = demanding.post(email_address=EMAIL, status="subscribed", **given)
    assert field_errors(response) == [("LNAME", "Please enter a value")]
    assert demanding.emails() == []


def test_an_existing_member_keeps_what_is_required(demanding: Arrangement) -> None:
    demanding.join(EMAIL, LNAME="Lovelace")
    assert demanding.patch(EMAIL, merge_fields={"FNAME": "Ada"}).status_code == 200
    assert field_errors(demanding.patch(EMAIL, merge_fields={"LNAME": ""})) == [("LNAME", "Please enter a value")]


def test_a_write_without_merge_fields_asks_for_none(demanding: Arrangement) -> None:
    demanding.join(EMAIL)
    assert demanding.patch(EMAIL, status="unsubscribed").status_code == 200


@pytest.mark.parametrize("word", ["true", "True", "1"])
def test_what_is_required_can_be_skipped_but_not_what_is_wrong(demanding: Arrangement, word: str) -> None:
    demanding.mailchimp.create_merge_field(demanding.list_id, {"tag": "N", "name": "N", "type": "number"})
    body: dict[str, Any] = {"email_address": EMAIL, "status_if_new": "subscribed"}
    query = {"skip_merge_validation": word}
    assert demanding.http.put(demanding.path(EMAIL), json=body, params=query).status_code == 200
    body["merge_fields"] = {"N": "x"}
    response = demanding.http.put(demanding.path(EMAIL), json=body, params=query)
    assert field_errors(response) == [("N", "Please enter a number")]


def test_a_required_field_with_a_wrong_value_is_told_once(demanding: Arrangement) -> None:
    response = demanding.post(email_address=EMAIL, status="subscribed", merge_fields={"LNAME": "x" * 256})
    assert len(field_errors(response)) == 1


# The fields themselves


def test_a_new_audience_has_five_fields(chimp: Arrangement) -> None:
    other = chimp.mailchimp.create_list("Plain")
    listed = chimp.http.get(f"/lists/{other.id}/merge-fields").json()
    assert [(each["merge_id"], each["tag"], each["type"]) for each in listed["merge_fields"]] == [
        (1, "FNAME", "text"),
        (2, "LNAME", "text"),
        (3, "ADDRESS", "address"),
        (4, "PHONE", "phone"),
        (5, "BIRTHDAY", "birthday"),
    ]
    assert listed["total_items"] == 5
    assert listed["merge_fields"][3]["options"] == {"phone_format": "none"}


def test_fields_are_paged_and_filtered(chimp: Arrangement) -> None:
    chimp.mailchimp.change_merge_field(chimp.list_id, "LNAME", is_required=True)
    path = f"{chimp.list_path}/merge-fields"

    def tags(**query: Any) -> list[str]:
        return [each["tag"] for each in chimp.http.get(path, params=query).json()["merge_fields"]]

    assert tags(count=2, offset=1) == ["LNAME", "ADDRESS"]
    assert tags(type="text") == ["FNAME", "LNAME", "COMPANY"]
    assert tags(required="true") == ["LNAME"]


def test_a_field_is_made_and_every_member_shows_it(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    body = {"name": "Plan", "type": "dropdown", "tag": "plan", "options": {"choices": ["a", "b"]}, "required": True}
    made = chimp.http.post(f"{chimp.list_path}/merge-fields", json=body).json()
    assert (made["tag"], made["required"], made["options"]) == ("PLAN", True, {"choices": ["a", "b"]})
    assert chimp.http.get(chimp.path(EMAIL)).json()["merge_fields"]["PLAN"] == ""
    nameless = chimp.http.post(f"{chimp.list_path}/merge-fields", json={"name": "X", "type": "text"}).json()
    assert nameless["tag"] == f"MMERGE{nameless['merge_id']}"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "X"},
        {"type": "text"},
        {"name": "X", "type": "color"},
        {"name": 5, "type": "text"},
        {"name": "X", "type": "text", "tag": "ELEVENCHARS"},
        {"name": "X", "type": "text", "tag": "A-B"},
        {"name": "X", "type": "text", "required": "yes"},
        {"name": "X", "type": "radio"},
        {"name": "X", "type": "text", "options": []},
    ],
)
def test_a_field_that_makes_no_sense_is_not_made(chimp: Arrangement, body: dict[str, Any]) -> None:
    response = chimp.http.post(f"{chimp.list_path}/merge-fields", json=body)
    assert len(field_errors(response)) == 1
    assert chimp.http.get(f"{chimp.list_path}/merge-fields").json()["total_items"] == 6


def test_a_tag_is_given_once(chimp: Arrangement) -> None:
    body = {"name": "Again", "type": "text", "tag": "COMPANY"}
    detail = 'A Merge Field with the tag "COMPANY" already exists for this list.'
    response = chimp.http.post(f"{chimp.list_path}/merge-fields", json=body)
    assert refusal(response) == (400, "Invalid Resource", detail)
