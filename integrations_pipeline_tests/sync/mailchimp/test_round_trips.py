"""Values travel both ways, are understood on the other side, and come to rest there.

Tables hold one row per kind of value; one tenant carries all rows of a table, a person each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import person, tags
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers

FIELDS: tuple[Any, ...] = (
    "COMPANY",
    "JOB",
    {"tag": "SIZE", "name": "Size", "type": "number"},
    {"tag": "SINCE", "name": "Since", "type": "date"},
    {"tag": "SITE", "name": "Site", "type": "url"},
    {"tag": "PLAN", "name": "Plan", "type": "dropdown", "options": {"choices": ["Gold", "Silver"]}},
)
MAPPING = {
    "name": "FNAME+LNAME",
    "phone": "PHONE",
    "company": "COMPANY",
    "job_title": "JOB",
    "custom_fields.size": "SIZE",
    "custom_fields.since": "SINCE",
    "custom_fields.site": "SITE",
    "custom_fields.plan": "PLAN",
    "custom_fields.born": "BIRTHDAY",
    "custom_fields.home": "ADDRESS",
}
HOME = {"addr1": "1 Main St", "addr2": "", "city": "Oslo", "state": "OS", "zip": "0150", "country": "NO"}
IN_TEXAS = {"addr1": "1 Main St", "addr2": "Apt 4", "city": "Austin", "state": "TX", "zip": "73301", "country": "US"}
HOME_TEXT = "1 Main St; ; Oslo; OS; 0150; NO"


@dataclass(frozen=True, slots=True)
class Typed:
    """A text in a field of ours, the merge tag and value that Mailchimp then holds, our text in the end."""

    name: str
    text: str
    tag: str
    held: Any
    settled: str = ""

    @property
    def kept(self) -> str:
        return self.settled or self.text


TYPED = (
    Typed("phone", "+47 22 22 22 22", "PHONE", "+47 22 22 22 22"),
    Typed("company", "Acme & Sons, Ltd.", "COMPANY", "Acme & Sons, Ltd."),
    Typed("job_title", "Head; of <b>Sales</b>", "JOB", "Head; of <b>Sales</b>"),
    Typed("custom_fields.size", "12", "SIZE", 12),
    Typed("custom_fields.size", "0", "SIZE", 0),
    Typed("custom_fields.size", "-1.25", "SIZE", -1.25),
    Typed("custom_fields.size", "3.50", "SIZE", 3.5, "3.5"),
    Typed("custom_fields.since", "2026-01-31", "SINCE", "2026-01-31"),
    Typed("custom_fields.since", "1/31/2026", "SINCE", "2026-01-31", "2026-01-31"),
    Typed("custom_fields.born", "12/31", "BIRTHDAY", "12/31"),
    Typed("custom_fields.born", "2-29", "BIRTHDAY", "02/29", "02/29"),
    Typed("custom_fields.home", HOME_TEXT, "ADDRESS", HOME),
    # Mailchimp fills in a country.
    Typed(
        "custom_fields.home",
        "1 Main St; Apt 4; Austin; TX; 73301",
        "ADDRESS",
        IN_TEXAS,
        "1 Main St; Apt 4; Austin; TX; 73301; US",
    ),
    Typed("custom_fields.plan", "Gold", "PLAN", "Gold"),
    Typed("custom_fields.plan", "silver", "PLAN", "Silver", "Silver"),
    Typed("custom_fields.site", "https://example.org/?a=b#c", "SITE", "https://example.org/?a=b#c"),
)


def rich(world: MailchimpWorld) -> Subscribers:
    """A tenant with one field of each type."""
    return world.tenant(extra_fields=FIELDS, field_mapping=MAPPING)


def assert_at_rest(tenant: Subscribers) -> None:
    """Both sides agree, and runs of both kinds find nothing more to do."""
    tenant.assert_in_sync()
    tenant.assert_quiet()
    report = tenant.sync(is_full=True)
    assert report.status is RunStatus.SUCCESS
    assert not report.plan.changes
    assert not tenant.record_writes()


def linked(tenant: Subscribers, **fields: Any) -> tuple[str, str]:
    """One person on both sides; contact id and record id."""
    (record_id,) = tenant.add_remote(person(1, **fields))
    tenant.sync()
    return tenant.contact_of(record_id), record_id


@pytest.mark.parametrize("how", ["create", "update one by one", "update of many"])
def test_values_typed_here_are_held_there_and_stay(world: MailchimpWorld, how: str) -> None:
    tenant = rich(world)
    if how == "create":
        ids = tenant.add_local(*(person(number, **{row.name: row.text}) for number, row in enumerate(TYPED)))
    else:
        ids = tenant.add_local(*(person(number) for number in range(len(TYPED))))
        tenant.sync()
    for contact_id, row in zip(ids, TYPED if how != "create" else (), strict=False):
        tenant.edit_local(contact_id, **{row.name: row.text})
        if how == "update one by one":
            tenant.sync()
    for _ in range(2):
        tenant.sync()
    local = tenant.local()
    held = [tenant.member(tenant.record_of(key)).values.get(row.tag) for key, row in zip(ids, TYPED, strict=True)]
    assert held == [row.held for row in TYPED]
    assert [local[key][row.name] for key, row in zip(ids, TYPED, strict=True)] == [row.kept for row in TYPED]
    assert_at_rest(tenant)


def test_values_held_there_come_here_and_go_when_cleared_on_either_side(world: MailchimpWorld) -> None:
    tenant = rich(world)
    theirs, ours, still = (
        tenant.add_remote(*(person(first + n, **{row.tag: row.held}) for n, row in enumerate(TYPED)))
        for first in (100, 200, 300)
    )
    tenant.sync()
    contacts = {record: tenant.contact_of(record) for record in (*theirs, *ours, *still)}
    for records in (theirs, ours, still):
        local = tenant.local()
        assert [local[contacts[r]][row.name] for r, row in zip(records, TYPED, strict=True)] == [r.kept for r in TYPED]
    for row, record_there, record_here in zip(TYPED, theirs, ours, strict=True):
        tenant.edit_remote(record_there, **{row.tag: ""})
        tenant.edit_local(contacts[record_here], **{row.name: ""})
    tenant.sync()
    local = tenant.local()
    for row, *cleared, kept in zip(TYPED, theirs, ours, still, strict=True):
        assert not any(row.name in local[contacts[each]] for each in cleared)
        assert not any(row.tag in tenant.member(each).values for each in cleared)
        assert local[contacts[kept]][row.name] == row.kept
    assert_at_rest(tenant)


#: What the field refuses, or would give back as something else.
MISFITS = (
    ("custom_fields.size", "many"),
    ("custom_fields.size", "0042"),
    ("custom_fields.size", "12345678901234567890"),
    ("custom_fields.size", "0.12345678901234567890"),
    ("custom_fields.size", "nan"),
    ("custom_fields.size", "-inf"),
    ("custom_fields.size", "1e999"),
    ("custom_fields.since", "tomorrow"),
    ("custom_fields.since", "2026-02-30"),
    ("custom_fields.born", "02/30"),
    ("custom_fields.born", "1984-02-29"),
    ("custom_fields.home", "1 Main St, Oslo"),
    ("custom_fields.home", "1; 2; 3; 4; 5; 6; 7"),
    ("custom_fields.plan", "Platinum"),
    ("custom_fields.site", "no address"),
    ("company", "x" * 256),
    ("tags", "t" * 101),
)


def test_a_value_that_would_not_come_back_fails_alone_and_stays_as_it_is(world: MailchimpWorld) -> None:
    tenant = rich(world)
    bad = tenant.add_local(*(person(number) for number in range(len(MISFITS))))
    (good,) = tenant.add_local(person(100))
    tenant.sync()
    for contact_id, (name, text) in zip(bad, MISFITS, strict=True):
        tenant.edit_local(contact_id, **{name: text})
    tenant.edit_local(good, phone="+1")
    poor = tenant.add_local(*(person(200 + n, **{name: text}) for n, (name, text) in enumerate(MISFITS)))
    (new,) = tenant.add_local(person(300))
    for _ in range(2):
        assert tenant.sync().status is RunStatus.PARTIAL
        assert {row["contact_id"] for row in tenant.journal("failed")} == {*bad, *poor}
    local = tenant.local()
    for ids in (bad, poor):
        assert [local[key][name] for key, (name, _) in zip(ids, MISFITS, strict=True)] == [text for _, text in MISFITS]
    assert tenant.member(tenant.record_of(good)).values["PHONE"] == "+1"
    assert tenant.record_of(new)
    assert len(tenant.remote()) == len(MISFITS) + 2


# Names


def test_a_name_is_split_at_its_first_space_and_joined_again(world: MailchimpWorld) -> None:
    names: list[tuple[str, str, str | None]] = [
        ("Ann", "Ann", None),
        ("Ann Lee", "Ann", "Lee"),
        ("Jean Paul Sartre", "Jean", "Paul Sartre"),
        ("\u674e\u96f7", "\u674e\u96f7", None),
        ("O'Neil-Smith van der Berg", "O'Neil-Smith", "van der Berg"),
    ]
    tenant = world.tenant()
    ids = tenant.add_local(*(person(number, name=row[0]) for number, row in enumerate(names)))
    tenant.sync()
    members = [tenant.member(tenant.record_of(key)).values for key in ids]
    assert [(m["FNAME"], m.get("LNAME")) for m in members] == [row[1:] for row in names]
    assert_at_rest(tenant)


#: First and last name there, the name here, what somebody makes of it here, first and last name then.
RENAMED = (
    (("Mary Ann", "Smith"), "Mary Ann Smith", "Mary Ann Jones", ("Mary Ann", "Jones")),
    (("Mary Ann", "Smith"), "Mary Ann Smith", "Mary Ann", ("Mary Ann", None)),
    (("Mary Ann", "Smith"), "Mary Ann Smith", "Eve Smith", ("Eve", "Smith")),
    (("", "Doe"), "Doe", "Jane Doe", ("Jane", "Doe")),
    (("Cher", ""), "Cher", "Cher Bono", ("Cher", "Bono")),
    (("Ann", "Lee"), "Ann Lee", "", (None, None)),
)


@pytest.mark.parametrize("how", ["one by one", "together", "among many"])
def test_an_edited_name_is_split_as_mailchimp_had_it(world: MailchimpWorld, how: str) -> None:
    tenant = world.tenant()
    rows = RENAMED * 8 if how == "among many" else RENAMED
    records = tenant.add_remote(
        *({"email": f"p{n}@example.org", "FNAME": row[0][0], "LNAME": row[0][1]} for n, row in enumerate(rows))
    )
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    assert [tenant.local()[key]["name"] for key in ids] == [row[1] for row in rows]
    world.clock.advance(3600)
    for contact_id, row in zip(ids, rows, strict=True):
        tenant.edit_local(contact_id, name=row[2])
        if how == "one by one":
            tenant.sync()
    tenant.sync()
    values = [tenant.member(record).values for record in records]
    assert [(each.get("FNAME"), each.get("LNAME")) for each in values] == [row[3] for row in rows]
    assert_at_rest(tenant)


def test_a_last_name_alone_is_not_moved_by_an_edit_of_something_else(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (record_id,) = tenant.add_remote({"email": "doe@example.org", "LNAME": "Doe"})
    tenant.sync()
    tenant.edit_local(tenant.contact_of(record_id), phone="+1")
    tenant.sync()
    assert tenant.member(record_id).values == {"LNAME": "Doe", "PHONE": "+1"}
    assert_at_rest(tenant)


def test_blanks_inside_a_name_are_settled_after_one_more_run(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1, name="Ann \u00a0  Lee\nJunior"))
    tenant.sync()
    tenant.sync()
    assert tenant.local()[contact_id]["name"] == "Ann Lee Junior"
    assert_at_rest(tenant)


# Tags


def test_tags_of_both_sides_are_added_and_removed(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    contact_id, record_id = linked(tenant, tags=["stays", "ours goes", "theirs goes"])
    tenant.edit_local(contact_id, tags=["stays", "theirs goes", "ours comes"])
    tenant.edit_remote(record_id, tags=["stays", "ours goes", "theirs comes"])
    tenant.sync()
    assert_tags(tenant, contact_id, ["stays", "ours comes", "theirs comes"])
    assert_at_rest(tenant)


def assert_tags(tenant: Subscribers, contact_id: str, expected: Sequence[str]) -> None:
    assert set(tenant.tags_of(tenant.record_of(contact_id))) == set(expected)
    assert tags(tenant.local()[contact_id].get("tags", "")) == set(expected)


@pytest.mark.parametrize("side", ["local", "remote"])
def test_more_tags_than_a_list_shows_travel_whole(world: MailchimpWorld, side: str) -> None:
    tenant = world.tenant()
    many = [f"tag {number:03d}" for number in range(120)]
    if side == "local":
        (contact_id,) = tenant.add_local(person(1, tags=many))
        tenant.sync()
    else:
        contact_id, _ = linked(tenant, tags=many)
    assert_tags(tenant, contact_id, many)
    tenant.sync()  # our own write is read once more, with one request for all the tags of a member
    assert_at_rest(tenant)
    tenant.edit_remote(tenant.record_of(contact_id), tags=[*many[1:], "theirs"])
    tenant.edit_local(contact_id, tags=[*many[:-1], "ours"])
    tenant.sync()
    assert_tags(tenant, contact_id, [*many[1:-1], "theirs", "ours"])
    tenant.sync()
    assert_at_rest(tenant)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        pytest.param(["VIP"], ["VIP", "vip"], id="twice here, in two cases"),
        pytest.param(["VIP"], ["vip"], id="in another case"),
        pytest.param([], ["Stra\u00dfe", "STRASSE"], id="equal only when folded"),
        pytest.param([], [" padded ", "two  blanks"], id="blanks"),
    ],
)
def test_tags_that_mailchimp_spells_otherwise_come_to_rest(
    world: MailchimpWorld, there: list[str], here: list[str]
) -> None:
    tenant = world.tenant()
    tenant.add_remote(person(9, tags=there))
    contact_id, record_id = linked(tenant, tags=there)
    tenant.edit_local(contact_id, tags=here)
    for is_full in (False, True):
        tenant.sync(is_full=is_full)
    assert_tags(tenant, contact_id, tenant.tags_of(record_id))
    assert_at_rest(tenant)


def test_a_tag_that_is_set_by_itself_starts_no_automation(world: MailchimpWorld) -> None:
    """The batch that new members come with has no word for it."""
    tenant = world.tenant()
    contact_id, _ = linked(tenant, tags=["base"])
    tenant.edit_local(contact_id, tags=["base", "a"])
    tenant.sync()
    (call,) = [call for call in tenant.calls("POST") if call.path.endswith("/tags")]
    assert call.body["is_syncing"] is True


@pytest.mark.parametrize("moves", [True, False], ids=["tags move last_changed", "tags do not move last_changed"])
def test_tags_arrive_whether_or_not_they_count_as_a_change_of_the_member(world: MailchimpWorld, moves: bool) -> None:
    """Where they do not, only a full read tells those that somebody put on at Mailchimp."""
    world.options(tags_move_last_changed=moves)
    tenant = world.tenant()
    contact_id, record_id = linked(tenant, tags=["base"])
    tenant.edit_local(contact_id, tags=["base", "ours"])
    tenant.sync()
    assert_tags(tenant, contact_id, ["base", "ours"])
    tenant.edit_remote(record_id, tags=["base", "ours", "theirs"])
    tenant.sync(is_full=not moves)
    assert_tags(tenant, contact_id, ["base", "ours", "theirs"])
    assert_at_rest(tenant)


# Odd texts

ODD = (
    'C:\\u0000 \\ "quoted" {braced} %s :name',
    "\u2028line\u2029 and\nline",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600" * 9,
    "\u0645\u0631\u062d\u0628\u0627 \u202ertl\u202c",
    "*|FNAME|* &amp; <script>",
    "e" + "\u0301" * 5,
    "x" * 255,
    "\U0001f600" * 255,
)


def test_odd_texts_travel_both_ways_and_stay(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    ours = tenant.add_local(*(person(n, company=text, tags=[text[:100]]) for n, text in enumerate(ODD)))
    theirs = tenant.add_remote(*(person(100 + n, company=text) for n, text in enumerate(ODD)))
    tenant.sync()
    assert [tenant.member(tenant.record_of(key)).values["COMPANY"] for key in ours] == [each.strip() for each in ODD]
    local = tenant.local()
    assert [local[tenant.contact_of(key)]["company"] for key in theirs] == [each.strip() for each in ODD]
    assert_at_rest(tenant)


def test_one_text_in_two_unicode_forms_is_one_text(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, name="Zoe\u0308 Ku\u0308hn"))
    tenant.add_remote(person(1, name="Zo\u00eb K\u00fchn"))
    tenant.sync()
    assert not tenant.record_writes()
    assert_at_rest(tenant)


def test_half_characters_and_nul_from_mailchimp_are_left_out(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1))
    half, *_ = tenant.add_remote(
        person(2, name="half \ud83d", company="nul \x00 here", tags=["t \udc00"]), person(3), status="transactional"
    )
    for is_full in (False, True):
        assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
    assert len(tenant.local()) == 3
    assert "nul  here" in {row.get("company") for row in tenant.local().values()}
    # A member who is not subscribed gets a new one for a new e-mail, with its own values.
    tenant.edit_local(tenant.contact_of(half), email="person4@example.org", name="Half Person")
    tenant.edit_local(contact_id, phone="+1")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert "person4@example.org" in tenant.emails()


# E-mails


def test_emails_that_differ_by_case_are_one_person_and_nobody_is_rewritten(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1, email="Ann.Lee@Example.org"))
    (record_id,) = tenant.add_remote(person(1, email="ann.lee@EXAMPLE.org"))
    tenant.sync()
    assert tenant.links() == {contact_id: record_id}
    tenant.edit_local(contact_id, email="ANN.LEE@example.ORG")
    tenant.sync()
    tenant.edit_remote(record_id, email="ann.Lee@example.org")
    tenant.sync()
    assert tenant.local()[contact_id]["email"] == "ANN.LEE@example.ORG"
    assert tenant.member(record_id).email_address == "ann.Lee@example.org"
    assert not tenant.record_writes()
    assert_at_rest(tenant)


def test_a_member_made_from_an_email_in_capitals_is_linked_at_once(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, email=" ANN@EXAMPLE.ORG "), person(2, email="Bob@Example.Org", tags=["a"]))
    tenant.sync()
    assert len(tenant.links()) == 2
    assert tenant.emails() == ["ANN@EXAMPLE.ORG", "Bob@Example.Org"]
    assert_at_rest(tenant)
