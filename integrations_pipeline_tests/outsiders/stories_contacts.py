"""A6, A7, A11, A12: consent that is remembered, words for it, places that two share, values that are half typed."""

import json
import re
from datetime import timedelta

from integrations_pipeline_tests.outsiders.play import Play, story

ANN = "ann@people.test"
_ALLOWED = ("unsubscribed", "archived", "cleaned", "absent")


@story(
    "A6",
    [
        *("imported again", "in capitals", "JSON Lines", "pending", "opted out by update", "added in Airtable"),
        *("unsubscribed at Mailchimp", "bounced at Mailchimp", "pitched"),
    ],
)
def a6(play: Play, variant: str) -> None:
    """A person opted out; the row is deleted, and comes again without the word."""
    play.connect("mailchimp", status_if_new="pending" if variant == "pending" else "subscribed", delete_policy="ignore")
    if "at Mailchimp" in variant or variant == "pitched":
        _leave_there(play, "bounced" in variant)
    elif variant == "opted out by update":
        play.bring({"email": ANN, "name": "Ann Smith"})
        play.update(ANN, email_opt_out="true")
    else:
        play.bring({"email": ANN, "name": "Ann Smith", "email_opt_out": "true"})
    play.delete(ANN)
    _come_again(play, variant)
    play.sync("mailchimp")
    play.settle("mailchimp", 1)
    members = {email.lower(): member for email, member in play.stage.mailchimp.members().items()}
    status = members.get(ANN, {}).get("status", "absent")
    play.must(f"the status there is one of {', '.join(_ALLOWED)}", status in _ALLOWED, status)
    contact = play.contacts().get(ANN)
    play.must("here it is opted out or absent", contact is None or contact["email_opt_out"] == "true", contact)
    if variant == "pitched":
        play.connect("gmail")
        pitch = play.pitch(ANN, "Again")
        play.sync("gmail")
        play.must_be("mails to the person", len(play.stage.gmail.sent_to(ANN)), 0)
        play.must("the pitch is not sent", play.status_of(pitch) in ("cancelled", "failed"), play.status_of(pitch))


def _leave_there(play: Play, is_bounce: bool) -> None:
    """The person leaves by the link in a campaign, or the address bounced."""
    play.stage.mailchimp.add_member(ANN, FNAME="Ann", LNAME="Smith")
    play.quiet_sync("mailchimp")
    play.age()
    (play.stage.mailchimp.bounce if is_bounce else play.stage.mailchimp.unsubscribe)(ANN)
    play.quiet_sync("mailchimp")
    if play.contacts()[ANN]["email_opt_out"] != "true":
        raise RuntimeError("the opt-out did not arrive")


def _come_again(play: Play, variant: str) -> None:
    if variant == "JSON Lines":
        play.bring_text("people.jsonl", json.dumps({"email": ANN, "name": "Ann Smith"}) + "\n")
    elif variant == "added in Airtable":
        play.stage.airtable.add_row(Name="Ann Smith", Email=ANN)
        play.connect("airtable")
        play.sync("airtable")
    else:
        play.bring({"email": "Ann@People.TEST" if "capitals" in variant else ANN, "name": "Ann Smith"})


#: What each kind of word may become; `email_opt_out` is documented with the words true and false.
_WORDS = {
    "words nobody documented": (
        ("refused",),
        ("unsubscribed", "opted out", "maybe", "ja", "2", "opt-out", "✓", "-", "null", "wahr", "tru", "true!"),
    ),
    "true in any case": (("out",), ("true", "TRUE", "True", " true ")),
    "other words for yes": (("out", "refused"), ("yes", "YES", "1", "y", "t", "on")),
    "false and nothing": (("in",), ("", "false", "FALSE", " ")),
    "other words for no": (("in", "refused"), ("0", "no", "n", "f", "off")),
}


@story("A7", [*_WORDS, "JSON Lines", "by update"])
def a7(play: Play, variant: str) -> None:
    """The column `email_opt_out` of an import holds a word."""
    if variant == "by update":
        _word_by_update(play)
    elif variant == "JSON Lines":
        _words_in_json(play)
    else:
        _words_in_csv(play, *_WORDS[variant])


def _words_in_csv(play: Play, allowed: tuple[str, ...], words: tuple[str, ...]) -> None:
    rows = [{"email": f"p{n}@people.test", "name": "Per Son", "email_opt_out": word} for n, word in enumerate(words)]
    ran = play.bring({"email": "bo@people.test", "name": "Bo Li"}, *rows)
    contacts = play.contacts()
    for n, word in enumerate(words):
        contact = contacts.get(f"p{n}@people.test")
        became = "refused" if contact is None else "out" if contact["email_opt_out"] == "true" else "in"
        play.must(f"{word!r} is taken as {' or '.join(allowed)}", became in allowed, became)
        if became == "refused":
            play.must(f"line {n + 3} is named", re.search(rf"line {n + 3}\b", ran.told) is not None)
    play.must_be("the exit code", ran.code, 0 if len(contacts) == len(words) + 1 else 1)
    play.must("the good row is taken", "bo@people.test" in contacts)


def _words_in_json(play: Play) -> None:
    odd = ("unsubscribed", ["no"], 3, {"opted": "out"}, "ja")
    rows = [{"email": "bo@people.test", "email_opt_out": True}]
    rows += [{"email": f"p{n}@people.test", "email_opt_out": value} for n, value in enumerate(odd)]
    ran = play.bring_text("people.jsonl", "\n".join(map(json.dumps, rows)))
    play.must_be("contacts taken", sorted(play.contacts()), ["bo@people.test"])
    missing = [n for n in range(2, 7) if not re.search(rf"line {n}\b", ran.told)]
    play.must("each bad line is named", not missing, f"not {missing}")


def _word_by_update(play: Play) -> None:
    play.bring({"email": ANN, "name": "Ann Smith"})
    for word in ("unsubscribed", "maybe", "ja"):
        ran = play.run("contacts", "update", ANN, "-w", play.slug, "--set", f"email_opt_out={word}")
        play.must_be(f"exit code of {word!r}", ran.code, 2)


@story(
    "A11",
    [
        "airtable",
        "airtable, by the table's name",
        "mailchimp",
        "airtable, shared",
        "mailchimp, shared",
        "the same workspace again",
    ],
)
def a11(play: Play, variant: str) -> None:
    """A second workspace is connected to a table or an audience that a first one has."""
    provider = "mailchimp" if variant.startswith("mailchimp") else "airtable"
    second = play.slug if "again" in variant else play.workspace(f"{play.slug}b")
    play.connect(provider)
    more = {"table_id": "Contacts"} if "name" in variant else {}
    ran = play.try_to_connect(provider, second, *(["--shared"] if "shared" in variant else []), **more)
    if "again" in variant:
        play.must_be("the exit code", ran.code, 0)
        return
    if "shared" in variant:
        play.must_be("the exit code", ran.code, 0)
        checked = play.run("connections", "check", "-w", second)
        play.must(
            "`connections check` says so", "another workspace" in checked.told or "shared" in checked.told, checked.told
        )
        return
    play.must("it is refused", ran.code in (2, 3), ran.code)
    play.must("the refusal names the way out", "--shared" in ran.told, ran.told)
    play.must("nothing is stored", not play.json("connections", "list", "-w", second))


@story(
    "A12",
    [
        *("row typed in Airtable", "e-mail edited in Airtable", "e-mail edited here", "contact made here"),
        *("member edited in Mailchimp", "pitch edited here", "settle_seconds 0"),
    ],
)
def a12(play: Play, variant: str) -> None:
    """Somebody types an e-mail with a pause in it, and a run comes by."""
    if variant in ("row typed in Airtable", "e-mail edited in Airtable", "settle_seconds 0"):
        _typed_there(play, variant)
    elif variant == "member edited in Mailchimp":
        _edited_in_mailchimp(play)
    elif variant == "pitch edited here":
        _pitch_edited(play)
    else:
        _typed_here(play, variant)


def _typed_there(play: Play, variant: str) -> None:
    airtable = play.stage.airtable
    airtable.add_row(Name="Ann Smith", Email=ANN)
    airtable.add_row(Name="Bo Li", Email="bo@people.test")
    play.age()
    play.connect("airtable", settle_seconds=0 if variant == "settle_seconds 0" else None)
    # Mailchimp changes the e-mail of subscribed members only.
    play.connect("mailchimp", status_if_new="subscribed")
    play.quiet_sync("airtable")
    play.quiet_sync("mailchimp")
    play.age()
    half = "cy@people.te"
    if variant == "e-mail edited in Airtable":
        airtable.edit_row("bo@people.test", Email=half)
    else:
        airtable.add_row(Name="Cy Dee", Email=half)
    play.sync("airtable")
    play.sync("mailchimp")
    seen = half in play.contacts(), half in play.stage.mailchimp.members()
    if variant == "settle_seconds 0":
        play.must_be("the e-mail is here and at Mailchimp at once", seen, (True, True))
        return
    play.must_be("the half e-mail is here or at Mailchimp", seen, (False, False))
    airtable.edit_row(half, Email="cy@people.test")
    for _ in range(2):
        play.age(timedelta(seconds=70))
        play.sync("airtable")
        play.sync("mailchimp")
    play.must("the whole e-mail is here", "cy@people.test" in play.contacts(), sorted(play.contacts()))
    members = play.stage.mailchimp.members()
    play.must("the whole e-mail is at Mailchimp", "cy@people.test" in members, sorted(members))
    play.must("the half one never was", half not in members)


def _typed_here(play: Play, variant: str) -> None:
    play.bring({"email": ANN, "name": "Ann Smith"})
    play.age()
    play.connect("airtable", settle_seconds=None)
    play.quiet_sync("airtable")
    play.age()
    if variant == "contact made here":
        play.bring({"email": "cy@people.te", "name": "Cy Dee"})
        play.sync("airtable")
        play.must("it waits", "cy@people.te" not in play.stage.airtable.rows())
        play.update("cy@people.te", email="cy@people.test")
    else:
        play.update(ANN, email="ann@people.te")
        play.sync("airtable")
        play.must_be("the e-mail there meanwhile", sorted(play.stage.airtable.rows()), [ANN])
        play.update("ann@people.te", email="cy@people.test")
    for _ in range(2):
        play.age(timedelta(seconds=70))
        play.sync("airtable")
    play.must(
        "the whole e-mail is there", "cy@people.test" in play.stage.airtable.rows(), sorted(play.stage.airtable.rows())
    )


def _edited_in_mailchimp(play: Play) -> None:
    play.bring({"email": ANN, "name": "Ann Smith", "company": "Nordlys"})
    play.age()
    play.connect("mailchimp", settle_seconds=30)
    play.quiet_sync("mailchimp")
    play.age()
    play.stage.mailchimp.edit_member(ANN, COMPANY="Nor")
    play.sync("mailchimp")
    play.must_be("the company here meanwhile", play.contacts()[ANN]["company"], "Nordlys")
    play.stage.mailchimp.edit_member(ANN, COMPANY="Norrlys")
    for _ in range(2):
        play.age(timedelta(seconds=70))
        play.sync("mailchimp")
    play.must_be("the company here at last", play.contacts()[ANN]["company"], "Norrlys")


def _pitch_edited(play: Play) -> None:
    play.bring({"email": ANN, "name": "Ann Smith"})
    play.age()
    play.connect("gmail", settle_seconds=30)
    pitch = play.pitch(ANN, "Sto")
    play.sync("gmail")
    play.must_be("mails meanwhile", len(play.stage.gmail.sent_to(ANN)), 0)
    play.home.sql("update pitches set subject = 'Story' where id = %s", pitch)
    play.age(timedelta(seconds=70))
    play.sync("gmail")
    play.must_be("subjects sent", [mail["subject"] for mail in play.stage.gmail.sent_to(ANN)], ["Story"])


STORIES = (a6, a7, a11, a12)
