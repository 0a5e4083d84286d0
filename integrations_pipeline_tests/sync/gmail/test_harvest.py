"""Correspondents become contacts, if that is wanted: only new ones, only people, and never the other way."""

from email.utils import parseaddr
from typing import Any

import pytest

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld
from integrations_sandbox import ReplyStyle

ANN = "ann@example.org"


def emails(agency: Agency) -> dict[str, str]:
    """E-mail → name of the live contacts."""
    return {row["email"]: row.get("name", "") for row in agency.local().values()}


def correspondence(world: PostWorld, **settings: Any) -> Agency:
    """A mailbox after a first run, in which then people, machines and lists write."""
    agency = world.agency(mailbox={"aliases": ["desk@agency.org"]}, **settings)
    pitch_id = agency.pitch(ANN)
    agency.sync()
    delivery = agency.delivery(pitch_id)
    world.mail.reply(delivery, style=ReplyStyle(name="Ann Lee", cc="Bob <bob@example.org>, desk@agency.org"))
    world.mail.out_of_office(delivery)
    world.mail.newsletter(OWN, "News <news@shop.example.org>")
    world.mail.letter(OWN, {"From": "Carol <carol@example.org>", "Subject": "Hello"}, "Hi")
    world.mail.letter(OWN, {"From": "no-reply@shop.example.org", "Subject": "Your order"}, "Thanks")
    agency.write_by_hand("Dora <dora@example.org>", "Hello", Cc="me+tag@agency.org")
    return agency


EXPECTED = {
    "off": {},
    "replies": {ANN: "Ann Lee"},
    "all": {
        ANN: "Ann Lee", "bob@example.org": "Bob", "carol@example.org": "Carol", "dora@example.org": "Dora",
    },
}  # fmt: skip


@pytest.mark.parametrize("harvest", EXPECTED)
def test_whose_addresses_become_contacts_is_a_setting(world: PostWorld, harvest: str) -> None:
    agency = correspondence(world, harvest=harvest)
    before = emails(agency)
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    expected = {**EXPECTED[harvest], **before}
    assert {email: name for email, name in emails(agency).items() if email not in before} == {
        email: name for email, name in expected.items() if email not in before
    }
    assert set(emails(agency)) == set(expected)
    agency.assert_idle()


def test_nobody_is_harvested_by_default(world: PostWorld) -> None:
    agency = correspondence(world)
    agency.sync()
    agency.sync()
    assert emails(agency) == {}
    assert agency.links() == {}


def test_a_mailbox_is_harvested_from_its_past_at_first(world: PostWorld) -> None:
    world.gmail.create_mailbox(OWN)
    for number in range(30):
        sender = {"From": f"Person {number} <person{number}@example.org>", "Subject": "Hello"}
        world.mail.letter(OWN, sender, "Hi")
    agency = world.agency(harvest="all")
    report = agency.sync()
    assert len(emails(agency)) == 30
    assert report.results[1].records_created == 30
    agency.assert_idle()


def test_what_is_switched_on_later_reads_the_mailbox_from_the_start(world: PostWorld) -> None:
    agency = correspondence(world)
    agency.sync()
    agency.configure(harvest="replies")
    agency.sync()
    assert emails(agency) == {ANN: "Ann Lee"}
    agency.assert_idle()


def test_known_contacts_are_left_as_they_are(world: PostWorld) -> None:
    agency = world.agency(harvest="replies")
    agency.add_local({"email": "Ann@Example.org", "name": "Dr. Ann", "company": "Acme"})
    pitch_id = agency.pitch(ANN)
    agency.sync()
    before = agency.rows("select id, version, xmin::text from workspace_contacts")
    world.mail.reply(agency.delivery(pitch_id), style=ReplyStyle(name="Ann Lee"))
    report = agency.sync()
    assert agency.rows("select id, version, xmin::text from workspace_contacts") == before
    assert agency.status(pitch_id) == "replied"
    assert report.results[1].records_created == 1, "the reply"


def test_a_deleted_contact_does_not_come_back(world: PostWorld) -> None:
    agency = world.agency(harvest="replies")
    (contact_id,) = agency.add_local({"email": ANN})
    pitch_id = agency.pitch(ANN)
    agency.sync()
    agency.delete_local(contact_id)
    world.mail.reply(agency.delivery(pitch_id))
    agency.sync()
    agency.sync(is_full=True)
    assert emails(agency) == {}


def test_a_harvested_contact_that_is_deleted_stays_deleted(world: PostWorld) -> None:
    agency = correspondence(world, harvest="replies")
    agency.sync()
    (contact_id,) = agency.local()
    agency.delete_local(contact_id)
    world.mail.reply(world.mail.deliveries(ANN)[0])
    agency.sync()
    agency.sync(is_full=True)
    assert emails(agency) == {}
    assert not agency.calls("DELETE")


def test_an_edited_contact_is_not_told_to_gmail_and_not_changed_back(world: PostWorld) -> None:
    agency = correspondence(world, harvest="replies")
    agency.sync()
    (contact_id,) = agency.local()
    agency.edit_local(contact_id, name="Dr. Ann", email="new@example.org")
    world.mail.reply(world.mail.deliveries(ANN)[0], style=ReplyStyle(name="Ann Lee"))
    agency.sync()
    agency.sync(is_full=True)
    assert agency.local()[contact_id]["name"] == "Dr. Ann"
    assert not [call for call in agency.calls() if call.method != "GET"]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("=?utf-8?q?Zo=C3=AB_=C3=85ngstr=C3=B6m=2C_Ltd?= <zoe@example.org>", "Zoë Ångström, Ltd"),
        ('"Lee, Ann" <zoe@example.org>', "Lee, Ann"),
        ("=?utf-8?b?5p2O6Zu3?= <zoe@example.org>", "李雷"),
        ("zoe@example.org", ""),
        ('"zoe@example.org" <ZOE@Example.org>', ""),
    ],
    ids=["encoded", "quoted", "another script", "no name", "an address as a name"],
)
def test_names_are_read_as_their_owners_write_them(world: PostWorld, header: str, name: str) -> None:
    agency = world.agency(harvest="all")
    agency.sync()
    raw = f"From: {header}\r\nTo: {OWN}\r\nSubject: Hello\r\nMessage-ID: <a@b>\r\n\r\nHi"
    world.mail.incoming(OWN, raw.encode())
    agency.sync()
    assert emails(agency) == {"zoe@example.org": name}


def test_people_in_a_group_and_in_copy_are_met_too(world: PostWorld) -> None:
    agency = world.agency(harvest="all")
    agency.sync()
    raw = (
        f'From: ann@example.org\r\nTo: Team: bob@example.org, {OWN};\r\nCc: "Lee, Carol" <carol@example.org>\r\n'
        "Reply-To: ann.private@example.org\r\nSubject: Hello\r\n\r\nHi"
    )
    world.mail.incoming(OWN, raw.encode())
    agency.sync()
    assert set(emails(agency)) == {ANN, "bob@example.org", "carol@example.org", "ann.private@example.org"}


@pytest.mark.parametrize("label", ["SPAM", "TRASH"])
def test_spam_and_trash_are_no_correspondence(world: PostWorld, label: str) -> None:
    agency = world.agency(harvest="all")
    agency.sync()
    raw = f"From: ann@example.org\r\nTo: {OWN}\r\nSubject: Hello\r\n\r\nHi".encode()
    world.mail.incoming(OWN, raw, ["UNREAD", label])
    agency.sync()
    assert emails(agency) == {}


def test_a_run_that_only_sends_makes_no_contacts(world: PostWorld) -> None:
    agency = correspondence(world, harvest="all")
    before = emails(agency)
    agency.sync(direction=Direction.TO_EXTERNAL)
    assert emails(agency) == before
    agency.sync()
    assert set(emails(agency)) == set(EXPECTED["all"])


def test_an_expired_history_is_made_up_for(world: PostWorld) -> None:
    agency = correspondence(world, harvest="replies")
    world.gmail.expire_history(OWN)
    agency.sync()
    assert emails(agency) == {ANN: "Ann Lee"}


def test_a_preview_shows_whom_it_would_make_and_makes_nobody(world: PostWorld) -> None:
    agency = correspondence(world, harvest="replies")
    pitch_id = agency.pitch("bob@example.org")
    before = agency.state()
    report = agency.preview()
    assert [change.after["email"] for change in report.plan.changes] == [ANN]
    assert agency.state() == before
    assert not [call for call in agency.calls() if call.method != "GET"]
    agency.sync(plan_id=report.plan_id)
    assert emails(agency) == {ANN: "Ann Lee"}
    assert agency.status(pitch_id) == "queued", "applying a preview sends nothing that it did not show"


def test_pitches_go_to_harvested_people_too(world: PostWorld) -> None:
    agency = correspondence(world, harvest="replies")
    agency.sync()
    (contact_id,) = agency.local()
    pitch_id = agency.pitch(ANN, subject="Another record")
    assert str(agency.row(pitch_id)["contact_id"]) == contact_id
    agency.sync()
    assert parseaddr(agency.delivery(pitch_id).header("To")) == ("Ann Lee", ANN)
