"""A2, A3, A4: what Airtable's columns do to values."""

import json
from typing import Any

from integrations_pipeline_tests.outsiders.play import Play, story

ANN = "ann@people.test"


def _people(count: int) -> list[dict[str, str]]:
    rows = [
        {"email": f"p{n}@people.test", "name": f"Per Son {n}", "company": f"Firm {n}", "job_title": f"Editor {n}"}
        for n in range(1, count)
    ]
    return [{"email": ANN, "name": "Ann Smith", "company": "Nordlys", "job_title": "Reporter"}, *rows]


def _agreed(play: Play, count: int = 12) -> None:
    """People in both places, and the windows after it over."""
    play.bring(*_people(count))
    play.connect("airtable")
    play.quiet_sync("airtable")
    play.age()


_COMPUTED: dict[str, tuple[str, Any]] = {
    "formula": ("formula", "FIRM"),
    "lookup": ("multipleLookupValues", ["Firm of a linked row"]),
    "rollup": ("rollup", "a, b, c"),
    "count": ("count", 3),
    "empty formula": ("formula", None),
}


@story(
    "A2",
    [
        *(f"became {kind}" for kind in _COMPUTED),
        *("became formula, 230 records", "became formula, full read", "became formula, edited here"),
        *("e-mail became formula", "renamed", "renamed, another took its name", "deleted", "swapped"),
        *("swapped, 230 records", "became number", "became checkbox"),
    ],
)
def a2(play: Play, variant: str) -> None:
    """A person changes a mapped column in Airtable, then edits one name there."""
    _agreed(play, 230 if "230" in variant else 12)
    before = {name: play.column(name) for name in ("email", "company", "job_title")}
    _change_column(play, variant)
    if "edited here" in variant:
        before["company"]["p1@people.test"] = "Nordlys Media"
    play.stage.airtable.edit_row(ANN, Name="Ann Jones") if "e-mail" not in variant else None
    play.sync("airtable", *(["--full"] if "full" in variant else []))
    play.settle("airtable", 1)
    play.sync("airtable", "--full")
    for name, values in before.items():
        _must_keep(play, name, values)
    if "e-mail" not in variant:
        play.must_be("the name edited there", play.contacts().get(ANN, {}).get("name"), "Ann Jones")
    _then(play, variant)


def _must_keep(play: Play, name: str, values: dict[str, str]) -> None:
    found = play.column(name)
    lost = [email for email in values if found.get(email) != values[email]]
    example = f"{len(lost)} of {len(values)} differ, as {found.get(lost[0], '')!r}" if lost else ""
    play.must(f"{name} here is kept", not lost, example)


def _change_column(play: Play, variant: str) -> None:
    airtable = play.stage.airtable
    kind = variant.removeprefix("became ").split(",")[0]
    if variant.startswith("became") and kind in _COMPUTED:
        airtable.compute_column("Company", *_COMPUTED[kind])
    elif variant.startswith("became"):
        airtable.retype_column("Company", kind)
    elif variant.startswith("e-mail"):
        airtable.compute_column("Email", "formula", "all@people.test")
    elif variant.startswith("renamed"):
        airtable.rename_column("Company", "Firm")
        if "another" in variant:
            airtable.add_column("Company")
    elif variant == "deleted":
        airtable.drop_column("Company")
    else:
        airtable.swap_columns("Company", "Job Title")
    if "edited here" in variant:
        play.update("p1@people.test", phone="+47 22 00 00 01", company="Nordlys Media")


def _then(play: Play, variant: str) -> None:
    """What a followed column still does, and what a stopped one leaves going."""
    airtable = play.stage.airtable
    if variant.startswith(("renamed", "swapped")):
        name = "Firm" if variant.startswith("renamed") else "Job Title"
        airtable.edit_row(ANN, **{name.replace(" ", "_"): "Sydlys"})
        play.settle("airtable")
        play.must_be("the company edited in its column", play.contacts()[ANN]["company"], "Sydlys")
        return
    play.must_tell("the column", "company", "e-?mail" if "e-mail" in variant else "company")
    play.must("the run does not fail as a whole", play.sync("airtable").code in (0, 1, 3))


def _typed(play: Play, field: str, column: str, kind: str, value: str) -> None:
    mapping = {"name": "Name", "email": "Email", field: column}
    play.stage.airtable.add_column(column, kind)
    play.bring(
        {"email": ANN, "name": "Ann Smith", field: value}, {"email": "bo@people.test", "name": "Bo Li", field: value}
    )
    play.connect("airtable", field_mapping=mapping)


#: Variant: column type, value both sides hold, value set here, what the column may hold afterwards beside the old.
_WRITTEN: dict[str, tuple[str, str, str, Any]] = {
    "date 31.12.1999": ("date", "1998-05-17", "31.12.1999", None),
    "date in words": ("date", "1998-05-17", "next Tuesday", None),
    "date of no calendar": ("date", "1998-05-17", "1999-02-30", None),
    "date with dots, short": ("date", "1998-05-17", "1.2.03", None),
    "date in German": ("date", "1998-05-17", "17. Mai 1998", None),
    "date of zeros": ("date", "1998-05-17", "0000-00-00", None),
    "date in American": ("date", "1998-05-17", "12/31/2001", "2001-12-31"),
    "date in English": ("date", "1998-05-17", "December 31, 2001", "2001-12-31"),
    "time in words": ("dateTime", "2026-01-31T09:00:00.000Z", "yesterday evening", None),
    "time with zone": ("dateTime", "2026-01-31T09:00:00.000Z", "2026-02-01T10:00:00+01:00", "2026-02-01T09:00:00.000Z"),
    "number in words": ("number", "40", "forty", None),
    "number with a unit": ("number", "40", "41 years", None),
    "number with commas": ("number", "40", "1,234", 1234),
    "percent in words": ("percent", "0.5", "half", None),
    "rating in words": ("rating", "3", "good", None),
    "tick in words": ("checkbox", "true", "perhaps", None),
}


@story("A3", ["set here", "new contacts", "blanks that the column drops"])
def a3(play: Play, variant: str) -> None:
    """Values that columns do not take as they are, written under `typecast`: a column and a contact for each."""
    {"set here": _set_here, "new contacts": _new_contacts}.get(variant, _blanks)(play)


def _one_each(play: Play, *, is_old: bool) -> list[str]:
    """The e-mail of each case's contact, in the order of the cases; its value is the old or the new one."""
    people = [f"p{n}@people.test" for n in range(len(_WRITTEN))]
    rows = []
    for n, (kind, old, value, _) in enumerate(_WRITTEN.values()):
        play.stage.airtable.add_column(f"Detail {n}", kind)
        rows.append({"email": people[n], "name": "Per Son", f"custom_fields.d{n}": old if is_old else value})
    play.bring(*rows)
    mapping = {f"custom_fields.d{n}": f"Detail {n}" for n in range(len(people))}
    play.connect("airtable", field_mapping={"name": "Name", "email": "Email", **mapping})
    return people


def _set_here(play: Play) -> None:
    people = _one_each(play, is_old=True)
    play.quiet_sync("airtable")
    play.age()
    before = play.stage.airtable.rows()
    changes = [{"email": people[n], f"custom_fields.d{n}": told[2]} for n, told in enumerate(_WRITTEN.values())]
    play.bring_text("changes.jsonl", "\n".join(map(json.dumps, changes)))
    ran = play.sync("airtable")
    first = play.stage.airtable.rows()
    play.settle("airtable", 1)
    last, contacts = play.stage.airtable.rows(), play.contacts()
    for n, (case, (_, _, value, normal)) in enumerate(_WRITTEN.items()):
        old, written, stays = (rows[people[n]].get(f"Detail {n}") for rows in (before, first, last))
        here = contacts[people[n]].get(f"custom_fields.d{n}", "")
        if old is None:
            raise RuntimeError(f"{case}: the old value did not reach the column")
        is_kept = written is not None and written in (old, normal)
        play.must(f"{case}: the cell holds the old value or the read one", is_kept, repr(written))
        play.must(f"{case}: the cell stays so", stays == written, repr(stays))
        is_normal = normal is not None and written == normal
        play.must(f"{case}: the value here is kept", here == value or (is_normal and here != ""), repr(here))
    play.must_be("the exit code of the run that could not write them", ran.code, 1)
    play.must_tell("the fields that failed", "Detail", "custom_fields")
    _must_be_quiet(play)


def _new_contacts(play: Play) -> None:
    people = _one_each(play, is_old=False)
    ran = play.sync("airtable")
    play.settle("airtable")
    contacts = play.contacts()
    for n, (case, (_, _, value, normal)) in enumerate(_WRITTEN.items()):
        here = contacts[people[n]].get(f"custom_fields.d{n}", "")
        play.must(f"{case}: the value here is kept", here == value or (normal is not None and here != ""), repr(here))
    play.must_be("the exit code of the run that could not write them", ran.code, 1)
    play.must("each is there at most once", len(play.stage.airtable.rows()) <= len(people))


def _must_be_quiet(play: Play) -> None:
    """Nothing goes to and fro."""
    rows, contacts = play.stage.airtable.rows(), play.contacts()
    play.settle("airtable", 1)
    play.must("a later run changes nothing", (rows, contacts) == (play.stage.airtable.rows(), play.contacts()))


def _blanks(play: Play) -> None:
    _typed(play, "company", "Firm", "singleLineText", "Nordlys")
    play.stage.airtable.normalise_column("Firm")
    play.quiet_sync("airtable")
    play.age()
    play.update(ANN, company="Nordlys   Media")
    writes = play.stage.airtable.calls("PATCH", "/v0/")
    play.quiet_sync("airtable")
    play.settle("airtable")
    play.must("the company here is kept in substance", play.contacts()[ANN]["company"].split() == ["Nordlys", "Media"])
    play.must_be("the cell", play.stage.airtable.rows()[ANN].get("Firm"), "Nordlys Media")
    sent = play.stage.airtable.calls("PATCH", "/v0/") - writes
    play.must("it is written once", sent <= 1, sent)
    _must_be_quiet(play)


_NO_VALUES: dict[str, Any] = {
    "error": {"error": "#ERROR!"},
    "not a number": {"specialValue": "NaN"},
    "infinity": {"specialValue": "Infinity"},
    "lookup of an error": [{"error": "#ERROR!"}],
    "an object nobody knows": {"state": "error", "errorType": "emptyDependency", "isStale": False, "value": None},
}


@story("A4", [*_NO_VALUES, "plain columns"])
def a4(play: Play, variant: str) -> None:
    """A cell is told as an object: a fault of the formula, no emptied value."""
    if variant == "plain columns":
        _agreed(play, 6)
        before = play.column("company")
        emails = [ANN, *(f"p{n}@people.test" for n in range(1, 6))]
        for email, told in zip(emails, _NO_VALUES.values(), strict=False):
            play.stage.airtable.edit_row(email, Company=told)
    else:
        _from_formula(play, "multipleLookupValues" if "lookup" in variant else "formula", _NO_VALUES[variant])
        before = play.column("company")
    play.stage.airtable.edit_row(ANN, Name="Ann Jones")
    play.sync("airtable")
    play.settle("airtable", 1)
    _must_keep(play, "company", before)
    play.must_be("the name edited there", play.contacts()[ANN]["name"], "Ann Jones")


def _from_formula(play: Play, kind: str, told: Any) -> None:
    """The company comes from a computed column, which so far gave one."""
    play.stage.airtable.add_column("Firm")
    play.stage.airtable.compute_column("Firm", kind, ["Nordlys"] if kind == "multipleLookupValues" else "Nordlys")
    play.bring(*({key: value for key, value in row.items() if key != "company"} for row in _people(6)))
    play.connect("airtable", field_mapping={"name": "Name", "email": "Email"})
    play.home.sql(
        "insert into integration_field_mappings "
        "(connection_id, workspace_field, external_field, sync_direction, enabled) "
        "select c.id, 'company', 'Firm', 'from_external', true from integration_connections c "
        "join workspaces w on w.id = c.workspace_id where w.slug = %s",
        play.slug,
    )
    play.quiet_sync("airtable")
    play.settle("airtable", 1)
    if play.contacts()[ANN]["company"] != "Nordlys":
        raise RuntimeError(f"the formula's value did not arrive: {play.contacts()[ANN]}")
    play.stage.airtable.compute_column("Firm", kind, told)


STORIES = (a2, a3, a4)
