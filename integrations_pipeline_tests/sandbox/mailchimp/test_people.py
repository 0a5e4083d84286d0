"""What people do in the app and through the form, as tests and the demonstration act for them."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import stopped_clock
from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement, md5
from integrations_sandbox import Mailchimp, MailchimpOptions, SandboxOptions, SandboxServer, WireError

EMAIL = "ada@people.test"
OTHER = "bob@people.test"
LATER = "2026-11-22T12:01:00+00:00"


@pytest.mark.parametrize(
    ("by", "source", "signed_up"),
    [("person", "Hosted Signup Form", "2026-11-22T12:00:00+00:00"), ("admin", "Admin Add", "")],
)
def test_it_shows_how_a_member_came_in(chimp: Arrangement, by: Any, source: str, signed_up: str) -> None:
    made = chimp.mailchimp.subscribe(chimp.list_id, EMAIL, {"FNAME": "Ada"}, tags=["a"], by=by)
    assert (made["source"], made["timestamp_signup"], made["full_name"]) == (source, signed_up, "Ada")
    assert chimp.http.get(chimp.path(EMAIL)).json() | {"_links": []} == made | {"_links": []}


def test_a_person_who_is_there_cannot_join_again(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    with pytest.raises(WireError):
        chimp.mailchimp.subscribe(chimp.list_id, EMAIL.upper())


def test_domains_that_look_fake_are_peoples_own_business(chimp: Arrangement) -> None:
    assert chimp.join("foo@example.com")["status"] == "subscribed"
    assert chimp.put("foo@example.com", merge_fields={"FNAME": "Foo"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda chimp, id_: chimp.edit(id_, EMAIL, FNAME="Ada"), {"full_name": "Ada"}),
        (lambda chimp, id_: chimp.change_email(id_, EMAIL, OTHER), {"id": md5(OTHER)}),
        (lambda chimp, id_: chimp.tag(id_, EMAIL, "b"), {"tags_count": 2}),
        (lambda chimp, id_: chimp.untag(id_, EMAIL, "A"), {"tags_count": 0}),
        (lambda chimp, id_: chimp.unsubscribe(id_, EMAIL), {"status": "unsubscribed"}),
        (lambda chimp, id_: chimp.clean(id_, EMAIL), {"status": "cleaned"}),
        (lambda chimp, id_: chimp.archive(id_, EMAIL), {"status": "archived"}),
        (lambda chimp, id_: chimp.resubscribe(id_, EMAIL), {"status": "subscribed"}),
    ],
    ids=["edit", "change_email", "tag", "untag", "unsubscribe", "clean", "archive", "resubscribe"],
)
def test_what_people_do_is_a_change(
    chimp: Arrangement, change: Callable[[Mailchimp, str], dict[str, Any]], shown: dict[str, Any]
) -> None:
    chimp.mailchimp.subscribe(chimp.list_id, EMAIL, tags=["a"])
    chimp.advance(60)
    after = change(chimp.mailchimp, chimp.list_id)
    assert {key: after[key] for key in shown} == shown
    assert after["last_changed"] == LATER
    listed = chimp.page(since_last_changed="2026-11-22T12:00:59+00:00", status=after["status"])
    assert [each["id"] for each in listed["members"]] == [after["id"]]


def test_an_empty_text_clears_a_field(chimp: Arrangement) -> None:
    chimp.join(EMAIL, FNAME="Ada", COMPANY="Engines")
    after = chimp.mailchimp.edit(chimp.list_id, EMAIL, FNAME="")
    assert (after["merge_fields"]["FNAME"], after["merge_fields"]["COMPANY"]) == ("", "Engines")


def test_a_value_that_a_field_refuses_changes_nothing(chimp: Arrangement) -> None:
    before = chimp.join(EMAIL)
    chimp.advance(60)
    with pytest.raises(WireError):
        chimp.mailchimp.edit(chimp.list_id, EMAIL, BIRTHDAY="tomorrow")
    assert chimp.member(EMAIL) == before


def test_an_address_that_is_taken_stays_taken(chimp: Arrangement) -> None:
    before = chimp.join(EMAIL)
    chimp.join(OTHER)
    chimp.advance(60)
    with pytest.raises(WireError):
        chimp.mailchimp.change_email(chimp.list_id, EMAIL, OTHER)
    assert chimp.member(EMAIL) == before
    assert chimp.mailchimp.change_email(chimp.list_id, EMAIL, EMAIL.upper())["email_address"] == EMAIL.upper()


def test_only_a_pending_member_has_something_to_confirm(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    with pytest.raises(ValueError, match="pending"):
        chimp.mailchimp.confirm(chimp.list_id, EMAIL)


@pytest.mark.parametrize("who", [md5("nobody@people.test"), "nobody@people.test", "0000"])
def test_nobody_can_be_changed_who_is_not_there(chimp: Arrangement, who: str) -> None:
    with pytest.raises(WireError):
        chimp.mailchimp.edit(chimp.list_id, who, FNAME="x")
    with pytest.raises(WireError):
        chimp.mailchimp.members("nothing")


def test_all_members_are_shown_with_everything(chimp: Arrangement) -> None:
    chimp.join(EMAIL)
    chimp.join(OTHER)
    chimp.mailchimp.archive(chimp.list_id, EMAIL)
    shown = chimp.mailchimp.members(chimp.list_id)
    assert [(each["email_address"], each["status"]) for each in shown] == [(EMAIL, "archived"), (OTHER, "subscribed")]


# Fields and audiences


def test_a_field_is_renamed_with_its_values_and_deleted_with_them(chimp: Arrangement) -> None:
    chimp.join(EMAIL, COMPANY="Engines")
    chimp.join(OTHER)
    chimp.mailchimp.change_merge_field(chimp.list_id, "COMPANY", tag="FIRM", name="Firm")
    assert chimp.member(EMAIL)["merge_fields"]["FIRM"] == "Engines"
    chimp.mailchimp.delete_merge_field(chimp.list_id, "FIRM")
    assert "FIRM" not in chimp.member(EMAIL)["merge_fields"]
    chimp.mailchimp.create_merge_field(chimp.list_id, "FIRM")
    assert chimp.member(EMAIL)["merge_fields"]["FIRM"] == ""
    with pytest.raises(WireError):
        chimp.mailchimp.delete_merge_field(chimp.list_id, "NOBODY")


def test_an_audience_can_have_an_id_and_fields_of_ones_own_choice(chimp: Arrangement) -> None:
    made = chimp.mailchimp.create_list("Mine", ["FNAME"], extra_fields=["JOB"], list_id="abc1234567")
    assert [each.tag for each in made.merge_fields] == ["FNAME", "JOB"]
    with pytest.raises(ValueError, match="id"):
        chimp.mailchimp.create_list(list_id="abc1234567")


def test_a_reset_leaves_one_key_and_nothing_else(chimp: Arrangement) -> None:
    key = chimp.mailchimp.create_api_key()
    chimp.mailchimp.set_options(shuffle_ties=True)
    chimp.server.reset()
    assert chimp.mailchimp.lists == []
    assert chimp.mailchimp.find_account(key) is None
    assert not chimp.mailchimp.options.shuffle_ties
    assert chimp.http.get("/ping").status_code == 200


def test_the_same_seed_gives_the_same_identifiers() -> None:
    def made() -> dict[str, Any]:
        options = SandboxOptions(seed=7, clock=stopped_clock, mailchimp=MailchimpOptions(shuffle_ties=True))
        mailchimp = SandboxServer(options).mailchimp
        return mailchimp.subscribe(mailchimp.create_list().id, EMAIL)

    assert made() == made()
