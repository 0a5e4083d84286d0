"""A1, A5: what Mailchimp's merge fields and archived members do to values and consent."""

from integrations_pipeline_tests.outsiders.play import Play, story

ANN = "ann@people.test"
_MAPPING = {"name": "FNAME+LNAME", "phone": "PHONE", "company": "COMPANY", "job_title": "TITLE"}


def _agreed(play: Play) -> None:
    """Five people in both places, with company and job title, and the windows after it over."""
    play.stage.mailchimp.add_field("TITLE")
    rows = [
        {"email": f"p{n}@people.test", "name": f"Per Son{n}", "company": f"Firm {n}", "job_title": f"Editor {n}"}
        for n in range(4)
    ]
    play.bring({"email": ANN, "name": "Ann Smith", "company": "Nordlys", "job_title": "Reporter"}, *rows)
    play.connect("mailchimp", field_mapping=_MAPPING)
    play.quiet_sync("mailchimp")
    play.age()


@story(
    "A1",
    [
        *(
            "deleted",
            "deleted, full read",
            "deleted, edited here",
            "renamed",
            "renamed, another took its tag",
            "swapped",
        ),
        *("members without merge_fields", "members without values", "one member without values"),
        *("one member without the tag", "all members without the tag", "airtable: records without values"),
        *("airtable: records without values, full read",),
    ],
)
def a1(play: Play, variant: str) -> None:
    """An admin of the audience changes its merge fields, then one first name; or answers come without values."""
    if variant.startswith("airtable"):
        _hollow(play, variant)
        return
    _agreed(play)
    before = {name: play.column(name) for name in ("company", "job_title")}
    _change(play, variant)
    play.stage.mailchimp.edit_member(ANN, FNAME="Anna")
    if variant == "deleted, edited here":
        play.update("p1@people.test", phone="+47 22 00 00 01", company="Nordlys Media")
        before["company"]["p1@people.test"] = "Nordlys Media"
    is_hidden = "members without" in variant
    ran = play.sync("mailchimp", *(["--full"] if "full" in variant else []))
    if is_hidden:
        play.must("a read without values is a fault", ran.code != 0, ran.code)
        for name, values in before.items():
            play.must_be(f"{name} here meanwhile", play.column(name), values)
        play.stage.mailchimp.be_honest()
    play.settle("mailchimp", 1)
    play.age()
    play.sync("mailchimp", "--full")
    _judge(play, variant, before)


def _change(play: Play, variant: str) -> None:
    mailchimp = play.stage.mailchimp
    if variant.startswith("deleted"):
        mailchimp.drop_field("COMPANY")
    elif variant.startswith("renamed"):
        mailchimp.rename_field("COMPANY", "FIRM")
        if "another" in variant:
            mailchimp.add_field("COMPANY")
    elif variant == "swapped":
        mailchimp.swap_fields("COMPANY", "TITLE")
    else:
        what = "merge_fields" if "merge_fields" in variant else "values" if "values" in variant else "COMPANY"
        mailchimp.edit_member("p0@people.test", LNAME="Sohn")
        mailchimp.hide(what, *([] if variant.startswith(("members", "all")) else [ANN]))


def _judge(play: Play, variant: str, before: dict[str, dict[str, str]]) -> None:
    for name, values in before.items():
        play.must_be(f"{name} here", play.column(name), values)
    if not variant.startswith("one member without values"):
        play.must_be("the first name edited there", play.contacts()[ANN]["name"], "Anna Smith")
    members = play.stage.mailchimp.members()
    if variant.startswith("deleted"):
        play.must_tell("the field", "company")
    if variant == "deleted, edited here":
        play.must_be("the phone edited here, there", members["p1@people.test"]["PHONE"], "+47 22 00 00 01")
    if variant.startswith(("renamed", "swapped")):
        tag = "FIRM" if variant.startswith("renamed") else "TITLE"
        play.stage.mailchimp.edit_member(ANN, **{tag: "Sydlys"})
        play.update("p1@people.test", company="Vestlys")
        play.settle("mailchimp", 1)
        play.must_be("the company edited there", play.contacts()[ANN]["company"], "Sydlys")
        play.must_be("the company edited here, there", play.stage.mailchimp.members()["p1@people.test"][tag], "Vestlys")


def _hollow(play: Play, variant: str) -> None:
    """The sibling: for hours every record of a base came without values."""
    play.bring(*({"email": f"p{n}@people.test", "name": f"Per {n}", "company": f"Firm {n}"} for n in range(6)))
    play.connect("airtable")
    play.quiet_sync("airtable")
    play.age()
    before = play.contacts()
    play.stage.airtable.hollow(True)
    ran = play.sync("airtable", *(["--full"] if "full" in variant else []))
    play.must("a read without values is a fault", ran.code != 0, ran.code)
    play.settle("airtable", 1)
    play.must("contacts here are kept", play.contacts() == before)
    play.stage.airtable.hollow(False)
    play.settle("airtable", 1)
    play.must("contacts here are kept afterwards", play.contacts() == before)
    play.must_be("rows there", len(play.stage.airtable.rows()), len(before))


@story(
    "A5",
    [
        *("answered as updated", "answered as new", "answered as existing", "in capitals", "with a tag"),
        *("opted out here", "status_if_new subscribed", "brought back later"),
    ],
)
def a5(play: Play, variant: str) -> None:
    """A contact is imported whose address is archived at Mailchimp."""
    mailchimp = play.stage.mailchimp
    for n in range(6):
        mailchimp.add_member(f"p{n}@people.test", FNAME="Per", LNAME=str(n))
    mailchimp.add_member(ANN, "archived", FNAME="Old", LNAME="Name")
    mailchimp.answer_archived({"answered as new": "new", "answered as existing": "exists"}.get(variant, "updated"))
    more = {"status_if_new": "subscribed"} if "subscribed" in variant else {}
    play.connect("mailchimp", delete_policy="propagate", **more)
    play.quiet_sync("mailchimp")
    play.age()
    play.bring(
        {
            "email": ANN.upper() if "capitals" in variant else ANN,
            "name": "Ann Smith",
            "tags": "press" if "tag" in variant else "",
            "email_opt_out": "true" if "opted out" in variant else "",
        }
    )
    ran = play.sync("mailchimp")
    play.must_be("the exit code", ran.code, 1)
    play.must_tell("the archived address", "archived")
    play.must_be("the member's status", mailchimp.members()[ANN]["status"], "archived")
    play.settle("mailchimp", 1)
    play.sync("mailchimp", "--full")
    play.must("the contact is still here", ANN in play.contacts())
    play.must_be("the member's status later", mailchimp.members()[ANN]["status"], "archived")
    if variant == "brought back later":
        mailchimp.unarchive(ANN)
        play.settle("mailchimp")
        play.must("the contact is still here once it was brought back", ANN in play.contacts())
        play.must_be("the run's exit code once it was brought back", play.sync("mailchimp").code, 0)


STORIES = (a1, a5)
