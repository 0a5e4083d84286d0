"""What a contact holds beside what is synced stays; names, labels and cleared values as people expect them."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import person, tags
from integrations_pipeline_tests.sync.google_contacts.arrangement import AddressBook, ContactsWorld
from integrations_sandbox import FaultRule

RICH: dict[str, Any] = {
    "names": [{"givenName": "Ann Mary", "familyName": "Smith", "phoneticGivenName": "An"}],
    "emailAddresses": [{"value": "ann@example.org", "type": "work"}, {"value": "home@example.org", "type": "home"}],
    "phoneNumbers": [{"value": "+1", "type": "mobile"}, {"value": "+2", "type": "home"}],
    "organizations": [{"name": "Acme", "title": "Editor", "department": "News"}, {"name": "Old", "title": "Intern"}],
    "biographies": [{"value": "likes tea", "contentType": "TEXT_PLAIN"}],
    "urls": [{"value": "https://ann.example"}],
}


def rich(world: ContactsWorld, **settings: Any) -> tuple[AddressBook, str, str]:
    tenant = world.tenant(**settings)
    record = world.people.create_person(tenant.account, RICH, ["press"])
    tenant.sync()
    return tenant, tenant.contact_of(record), record


def values(person: dict[str, Any], field: str, key: str = "value") -> list[str]:
    return [item.get(key, "") for item in person.get(field, [])]


def test_a_rich_contact_is_told_by_its_first_values(world: ContactsWorld) -> None:
    tenant, contact, _ = rich(world)
    assert tenant.local()[contact] == {
        "email": "ann@example.org",
        "name": "Ann Mary Smith",
        "phone": "+1",
        "company": "Acme",
        "job_title": "Editor",
        "tags": "press",
    }


def test_what_a_person_typed_beside_it_survives_our_write(world: ContactsWorld) -> None:
    tenant, contact, record = rich(world)
    before = tenant.person(record)
    tenant.edit_local(contact, email="ann@new.example.org", phone="+9", company="Nordlys", tags=["press", "tv"])
    assert tenant.sync().status is RunStatus.SUCCESS
    after = tenant.person(record)
    assert values(after, "emailAddresses") == ["ann@new.example.org", "home@example.org"]
    assert values(after, "emailAddresses", "type") == ["work", "home"]
    assert values(after, "phoneNumbers") == ["+9", "+2"]
    assert values(after, "organizations", "name") == ["Nordlys", "Old"]
    assert values(after, "organizations", "department") == ["News", ""]
    assert [after[name] for name in ("names", "biographies", "urls")] == [
        before[name] for name in ("names", "biographies", "urls")
    ]
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_second_value_that_becomes_the_first_is_not_there_twice(world: ContactsWorld) -> None:
    tenant, contact, record = rich(world)
    tenant.edit_local(contact, email="home@example.org")
    tenant.sync()
    assert values(tenant.person(record), "emailAddresses") == ["home@example.org"]
    tenant.assert_in_sync()


def test_the_next_one_takes_the_place_of_what_is_cleared_here(world: ContactsWorld) -> None:
    tenant, contact, record = rich(world)
    tenant.edit_local(contact, phone="", company="", job_title="")
    assert tenant.sync().status is RunStatus.SUCCESS
    person = tenant.person(record)
    assert values(person, "phoneNumbers") == ["+2"]
    assert tenant.local()[contact]["phone"] == "+2"
    # The department stays, so the organization does.
    assert values(person, "organizations", "department") == ["News", ""]
    tenant.sync()
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize(
    ("name", "given", "family"),
    [
        pytest.param("Ann Mary Jones", "Ann Mary", "Jones", id="another family name"),
        pytest.param("Anne Marie Smith", "Anne Marie", "Smith", id="another given name"),
        pytest.param("Bo van Li", "Bo van", "Li", id="another name"),
        pytest.param("Ann", "Ann", "", id="one word"),
        pytest.param("", "", "", id="cleared"),
    ],
)
def test_a_name_keeps_the_split_that_a_person_gave_it(world: ContactsWorld, name: str, given: str, family: str) -> None:
    tenant, contact, record = rich(world)
    tenant.edit_local(contact, name=name)
    tenant.sync()
    told = tenant.person(record).get("names", [{}])[0]
    assert (told.get("givenName", ""), told.get("familyName", "")) == (given, family)
    assert told.get("phoneticGivenName") == ("An" if name else None)
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_mapping_of_its_own_reaches_notes_and_custom_fields(world: ContactsWorld) -> None:
    mapping = {"email": "emailAddresses", "name": "names", "custom_fields.note": "biographies"}
    mapping["custom_fields.beat"] = "userDefined.Beat"
    tenant = world.tenant(field_mapping=mapping)
    record = world.people.create_person(tenant.account, {**RICH, "userDefined": [{"key": "Dog", "value": "Rex"}]})
    tenant.sync()
    contact = tenant.contact_of(record)
    tenant.edit_local(contact, **{"custom_fields.beat": "politics", "custom_fields.note": "prefers coffee"})
    tenant.sync()
    person = tenant.person(record)
    assert {item["key"]: item["value"] for item in person["userDefined"]} == {"Dog": "Rex", "Beat": "politics"}
    assert values(person, "biographies") == ["prefers coffee"]
    assert values(person, "phoneNumbers") == ["+1", "+2"]
    tenant.assert_quiet(most_calls=1)


# Labels


def test_labels_merge_and_the_systems_own_are_no_tags(world: ContactsWorld) -> None:
    tenant, contact, record = rich(world)
    people = world.people
    book = people.book(tenant.account)
    book.change(book.people[record], {}, [*book.people[record].groups, "contactGroups/starred"], world.clock.now())
    tenant.edit_local(contact, tags=["press", "radio"])
    tenant.edit_remote(record, tags=["press", "tv"])
    book.people[record].groups.append("contactGroups/starred")
    tenant.sync()
    assert tags(tenant.local()[contact]["tags"]) == {"press", "radio", "tv"}
    assert {"contactGroups/myContacts", "contactGroups/starred"} <= set(book.people[record].groups)
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_label_that_is_renamed_or_deleted_is_seen_by_the_next_run(world: ContactsWorld) -> None:
    tenant, contact, _ = rich(world)
    world.people.rename_group(tenant.account, "press", "media")
    tenant.sync()
    assert tenant.local()[contact]["tags"] == "media"
    world.people.delete_group(tenant.account, "media")
    tenant.sync()
    assert "tags" not in tenant.local()[contact]
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_tag_that_no_label_can_have_fails_its_contact_alone(world: ContactsWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, tags=["family"]), person(2, tags=["press"]))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert len(tenant.remote()) == 1
    (row,) = tenant.journal("failed")
    assert "one of Google's own" in row["reason"]
    assert "family" not in row["reason"]


def test_a_label_that_was_made_and_not_answered_is_found(world: ContactsWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, tags=["press"]))
    world.fault("drop_after", method="POST", path_regex="contactGroups", times=1)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_new_contacts_are_in_peoples_own_list(world: ContactsWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, tags=["press"]), person(2))
    tenant.sync()
    for held in world.people.book(tenant.account).people.values():
        assert "contactGroups/myContacts" in held.groups


def test_an_answer_without_values_is_no_answer(world: ContactsWorld) -> None:
    tenant = world.tenant()
    (contact,) = tenant.add_local(person(1, company="Old"))
    tenant.sync()
    tenant.edit_local(contact, company="New")
    world.people.add_fault(FaultRule(action="blank_values", path_regex="batchUpdateContacts$", times=1))
    assert tenant.sync().status is RunStatus.PARTIAL
    assert tenant.sync().status is RunStatus.SUCCESS
    assert tenant.local()[contact]["company"] == "New"
    tenant.assert_in_sync()
