"""`contacts import` and `export`: files as people and programs write them, end to end."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from integrations_pipeline.cli.contact_files import guard, unguard
from integrations_pipeline.cli.file_headers import read_tags
from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment

ACME = ("--workspace", "acme")


@pytest.fixture
def acme(environment: Environment) -> Environment:
    environment.add_workspace("acme")
    return environment


def load(folder: Path, content: str | bytes, *options: str, name: str = "people.csv") -> Ran:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return run("contacts", "import", str(path), *ACME, "--json", *options)


def contacts(slug: str = "acme") -> dict[str, dict[str, Any]]:
    """What is there, by e-mail, empty fields left out."""
    exported = run("contacts", "export", "--workspace", slug, "--json").json
    return {row["email"]: {name: value for name, value in row.items() if value and name != "email"} for row in exported}


def csv_of(*rows: dict[str, str], **how: Any) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, list(rows[0]), **how)
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


MALFORMED = [
    "a@b.org.",
    "@b",
    "a@@b.org",
    "<a@b.org>",
    "x" * 65 + "@b.org",
    "a\x07@b.org",
    "a\0@b.org",
    "a b@c.org",
    "a@b.org, c@d.org",
    "a..b@c.org",
    "a@-b.org",
    "a@b",
    "Ann <a@b.org>",
    "mailto:a@b.org",
    "a@" + "b" * 300 + ".org",
    "a@b.org\u200b",
    "(c)a@b.org",
]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_one_malformed_address_is_rejected_by_line_and_the_rest_imported(
    acme: Environment, tmp_path: Path, kind: str
) -> None:
    emails = [*MALFORMED, *(["\ud800a@b.org", "a@b\udfff.org"] if kind == "jsonl" else [])]
    rows = [row for i, email in enumerate(emails) for row in ({"email": email}, {"email": f"good{i}@b.org"})]
    if kind == "csv":
        ran = load(tmp_path, csv_of(*rows))
    else:
        ran = load(tmp_path, "\n".join(map(json.dumps, rows)), name="people.jsonl")

    first = 2 if kind == "csv" else 1
    assert ran.code == 1
    assert [row["line"] for row in ran.json["rejected"]] == [2 * i + first for i in range(len(emails))]
    assert ran.json["created"] == len(emails)
    assert "unexpected" not in ran.err
    assert "@" not in ran.err


@pytest.mark.parametrize(
    "email", ["zoë@example.org", "a@bücher.example", "o'neil+x@example.co.uk", "x" * 64 + "@b.org"]
)
def test_addresses_that_are_unusual_but_valid_are_imported(acme: Environment, tmp_path: Path, email: str) -> None:
    assert load(tmp_path, csv_of({"email": email})).code == 0
    assert set(contacts()) == {email}


WORDS = {"true": True, "1": True, "YES": True, " Yes ": True, "false": False, "0": False, "No": False, "": False}
NO_WORDS = [
    "unsubscribed",
    "opted out",
    "maybe",
    "ja",
    "on",
    "y",
    "t",
    "n",
    "2",
    "-",
    "null",
    "in@2020-01-01",
    "unasked",
]


def test_only_the_documented_words_are_read_as_consent(acme: Environment, tmp_path: Path) -> None:
    said = [*WORDS, *NO_WORDS]
    ran = load(tmp_path, csv_of(*({"email": f"p{i}@b.org", "email_opt_out": word} for i, word in enumerate(said))))

    assert ran.code == 1
    assert [row["line"] for row in ran.json["rejected"]] == [i + 2 for i in range(len(WORDS), len(said))]
    assert all("email_opt_out" in row["problem"] for row in ran.json["rejected"])
    found = contacts()
    assert [found[f"p{i}@b.org"].get("email_opt_out", False) for i in range(len(WORDS))] == list(WORDS.values())


@pytest.mark.parametrize("word", [json.dumps(word) for word in NO_WORDS] + ["2", "[]", "{}", "0.5", '["true"]'])
def test_only_the_documented_words_are_read_as_consent_from_json_and_by_update(
    acme: Environment, tmp_path: Path, word: str
) -> None:
    lines = f'{{"email": "a@b.org", "email_opt_out": {word}}}\n{{"email": "b@b.org", "email_opt_out": true}}'
    ran = load(tmp_path, lines, name="people.jsonl")

    assert [row["line"] for row in ran.json["rejected"]] == [1]
    edited = run("contacts", "update", "b@b.org", *ACME, "--set", f"email_opt_out={word}")
    assert edited.code == 2
    assert "email_opt_out" in edited.err
    assert contacts() == {"b@b.org": {"email_opt_out": True}}


TEXT = "Email,Name,Company\nann@example.org,Zoë Müller,Café\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param(TEXT.encode(), "utf-8", id="UTF-8"),
        pytest.param(TEXT.encode("utf-8-sig"), "utf-8", id="UTF-8 with a mark"),
        pytest.param(TEXT.encode("utf-16"), "utf-16", id="UTF-16"),
        pytest.param(b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16", id="UTF-16, big end first"),
        pytest.param(TEXT.encode("utf-16-le"), "utf-16-le", id="UTF-16 without a mark"),
        pytest.param(TEXT.encode("utf-16-be"), "utf-16-be", id="UTF-16 without a mark, big end first"),
        pytest.param(TEXT.encode("cp1252"), "cp1252", id="Windows-1252"),
        pytest.param(TEXT.replace(",", ";").encode("cp1252"), "cp1252", id="semicolons"),
        pytest.param(TEXT.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), "utf-16", id="Unicode text"),
        pytest.param(b"sep=;\r\n" + TEXT.replace(",", ";").encode(), "utf-8", id="separator in the first line"),
        pytest.param(TEXT.replace("\n", "\r").encode(), "utf-8", id="old Macintosh"),
        pytest.param(TEXT.replace(",Café", ",Café,,").replace("Company", "Company,,").encode(), "utf-8", id="blanks"),
    ],
)
def test_files_are_read_as_spreadsheets_save_them(
    acme: Environment, tmp_path: Path, content: bytes, encoding: str
) -> None:
    ran = load(tmp_path, content)

    assert (ran.code, ran.json["encoding"]) == (0, encoding)
    assert contacts() == {"ann@example.org": {"name": "Zoë Müller", "company": "Café"}}


def test_lines_are_counted_from_the_files_first(acme: Environment, tmp_path: Path) -> None:
    ran = load(tmp_path, 'sep=;\nemail;name\na@b.org;"two\nlines"\n\nno;x\n')
    assert [row["line"] for row in ran.json["rejected"]] == [6]


def test_bytes_that_are_no_text_are_one_line(acme: Environment, tmp_path: Path) -> None:
    ran = load(tmp_path, b"email\n\x81\x8d@b.org\n")
    assert ran.code == 2
    assert "UTF-8" in ran.json["error"]


@pytest.mark.parametrize("text", ["", "\n", "ann@example.org\nbo@example.org\n", "Ann;ann@example.org\n", ",,\n"])
def test_a_file_without_a_header_is_one_line_that_repeats_nothing(acme: Environment, tmp_path: Path, text: str) -> None:
    ran = load(tmp_path, text)
    assert ran.code == 2
    assert "no header" in ran.json["error"]
    assert "@" not in ran.err


GOOGLE = {
    "First Name": "Ann",
    "Middle Name": "",
    "Last Name": "Smith",
    "Organization Name": "Nordlys",
    "Organization Title": "Editor",
    "Birthday": "1980-01-01",
    "Labels": "* myContacts ::: Press ::: VIP",
    "E-mail 1 - Label": "* Work",
    "E-mail 1 - Value": "ann@example.org ::: ann@example.com",
    "E-mail 2 - Value": "",
    "Phone 1 - Label": "Mobile",
    "Phone 1 - Value": "+44 1",
}
OUTLOOK = {
    "Title": "Ms",
    "First Name": "Ann",
    "Last Name": "Smith",
    "Company": "Nordlys",
    "Job Title": "Editor",
    "Business Phone": "+44 1",
    "Mobile Phone": "",
    "Categories": "Press;VIP",
    "E-mail Address": "ann@example.org",
    "E-mail Type": "SMTP",
}
HUBSPOT = {
    "Record ID": "51",
    "First Name": "Ann",
    "Last Name": "Smith",
    "Email": "ann@example.org",
    "Phone Number": "+44 1",
    "Company name": "Nordlys",
    "Job Title": "Editor",
    "Contact owner": "",
    "Unsubscribed from all email": "true",
}
MAILCHIMP = {
    "Email Address": "ann@example.org",
    "First Name": "Ann",
    "Last Name": "Smith",
    "Phone Number": "+44 1",
    "MEMBER_RATING": "2",
    "LAST_CHANGED": "2024-01-01 00:00:00",
    "UNSUB_TIME": "2024-01-01 00:00:00",
    "TAGS": '"Press, radio","VIP"',
}
ANN = {"name": "Ann Smith", "phone": "+44 1"}
EDITOR = {**ANN, "company": "Nordlys", "job_title": "Editor"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(GOOGLE, {**EDITOR, "tags": ["Press", "VIP"]}, id="Google Contacts"),
        pytest.param(OUTLOOK, {**EDITOR, "tags": ["Press", "VIP"]}, id="Outlook"),
        pytest.param(HUBSPOT, {**EDITOR, "email_opt_out": True}, id="HubSpot"),
        pytest.param(MAILCHIMP, {**ANN, "tags": ["Press, radio", "VIP"], "email_opt_out": True}, id="Mailchimp"),
    ],
)
def test_exports_of_other_programs_are_recognised(
    acme: Environment, tmp_path: Path, row: dict[str, str], expected: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    ran = load(tmp_path, csv_of(row))

    assert ran.code == 0
    assert contacts() == {"ann@example.org": expected}
    assert request.node.callspec.id in ran.err
    assert ran.json["left_out"]


def test_columns_that_nobody_knows_are_mapped_by_the_person(acme: Environment, tmp_path: Path) -> None:
    text = csv_of({"Adresse": "ann@example.org", "Vorname": "Ann", "Nachname": "Smith", "Stadt": "Ulm", "Rest": "x"})
    refused = load(tmp_path, text)
    assert refused.code == 2
    assert "'Adresse'" in refused.json["error"]
    assert "--map" in refused.json["error"]

    maps = ("adresse=email", "Vorname=name", "Nachname=name", "Stadt=custom_fields.city")
    ran = load(tmp_path, text, *(part for each in maps for part in ("--map", each)))

    assert ran.code == 0
    assert ran.json["left_out"] == ["Rest"]
    assert contacts() == {"ann@example.org": {"name": "Ann Smith", "custom_fields.city": "Ulm"}}


def test_a_mapping_goes_before_what_a_column_is_called_and_may_leave_it_out(acme: Environment, tmp_path: Path) -> None:
    text = csv_of({"email": "old@example.org", "Work": "ann@example.org", "name": "Ann", "phone": "1"})
    ran = load(tmp_path, text, "--map", "Work=email", "--map", "phone=")
    assert ran.code == 0
    assert contacts() == {"ann@example.org": {"name": "Ann"}}


def test_json_lines_are_mapped_too(acme: Environment, tmp_path: Path) -> None:
    line = json.dumps({"Email": "ann@example.org", "Ort": "Ulm", "Rest": 1, "TAGS": ["a"]})
    options = ("--map", "Ort=custom_fields.city", "--map", "Rest=")
    assert load(tmp_path, line, *options, name="people.jsonl").code == 0
    assert contacts() == {"ann@example.org": {"custom_fields.city": "Ulm", "tags": ["a"]}}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(["--map", "Email"], "HEADER=FIELD", id="no field"),
        pytest.param(["--map", "=email"], "HEADER=FIELD", id="no header"),
        pytest.param(["--map", "Email=colour"], "HEADER=FIELD", id="unknown field"),
        pytest.param(["--map", "Nowhere=name"], "'Nowhere'", id="unknown header"),
    ],
)
def test_a_wrong_mapping_is_one_line(acme: Environment, tmp_path: Path, options: list[str], says: str) -> None:
    ran = load(tmp_path, "Email,Name\na@b.org,A\n", *options)
    assert ran.code == 2
    assert says in ran.json["error"]
    assert contacts() == {}


def test_a_dry_run_shows_what_would_be_done_and_writes_nothing(acme: Environment, tmp_path: Path) -> None:
    load(tmp_path, "email,name\np0@b.org,Old\n")
    text = "Email,Name,Tags\n" + "".join(f"p{i}@b.org,P{i},a|b\n" for i in range(8)) + "no,x,\n"
    before = acme.rows("select xmin::text, version, * from workspace_contacts")

    told = load(tmp_path, text, "--dry-run")
    shown = run("contacts", "import", str(tmp_path / "people.csv"), *ACME, "--dry-run")

    assert told.code == shown.code == 1
    assert (told.json["created"], told.json["updated"], len(told.json["rejected"])) == (7, 1, 1)
    assert told.json["rows"][0] == {"email": "p0@b.org", "name": "P0", "tags": ["a", "b"]}
    assert "first 5 of 8" in shown.out
    assert "nothing was written" in shown.out
    assert acme.rows("select xmin::text, version, * from workspace_contacts") == before


CELLS = ["=1+1", "+44 20", "-5", "@x", "'=1", "''+2", "'plain", "=cmd|' /C calc'!A0", "-", "it's"]


@pytest.mark.parametrize("cell", [*CELLS, "\tx", "\rx", "'\tx", ""])
def test_a_guarded_cell_is_no_formula_and_comes_back_unchanged(cell: str) -> None:
    assert guard(cell)[:1] not in tuple("=+-@\t\r")
    assert unguard(guard(cell)) == cell


def test_an_export_runs_no_formula_and_is_imported_unchanged(acme: Environment, tmp_path: Path) -> None:
    lines = [
        {
            "email": f"+p{i}@b.org",
            "name": cell,
            "phone": cell,
            "tags": [cell.replace("|", "/")],
            "custom_fields": {"k": cell},
        }
        for i, cell in enumerate(CELLS)
    ]
    load(tmp_path, "\n".join(map(json.dumps, lines)), name="people.jsonl")
    before = contacts()
    assert len(before) == len(CELLS)
    exported = run("contacts", "export", *ACME).out
    cells = [cell for row in csv.reader(io.StringIO(exported)) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r") and cell]

    acme.add_workspace("other")
    path = tmp_path / "exported.csv"
    path.write_text(exported, encoding="utf-8")
    assert run("contacts", "import", str(path), "--workspace", "other").code == 0
    assert contacts("other") == before


def test_an_export_comes_back_unchanged_whatever_ends_lines_or_tags_in_it(acme: Environment, tmp_path: Path) -> None:
    acme.add_workspace("other")
    odd = {"name": "a\rb", "company": "a\nb", "job_title": "a\r\nb", "tags": ["a|b", "c\\", "\\|", "d\\e", "f"]}
    load(tmp_path, "\n".join(json.dumps({**odd, "email": f"{n}@example.org"}) for n in "ab"), name="odd.jsonl")
    exported = tmp_path / "exported.csv"
    run("contacts", "export", *ACME, "--output", str(exported))
    assert run("contacts", "import", str(exported), "--workspace", "other").code == 0
    assert contacts("other") == contacts() != {}


@pytest.mark.parametrize("cell", ["a|b", "a\\b|c", "C:\\x\\\\y", "a\\", "|a||"])
def test_backslashes_that_people_write_into_tags_stay_as_they_are(cell: str) -> None:
    assert read_tags(cell) == cell.split("|")


def test_what_is_left_out_or_put_together_is_told(acme: Environment, tmp_path: Path) -> None:
    ran = load(tmp_path, "email,,name\nann@example.org,lost,Ann\nANN@example.org,,Ann Smith\nbo@example.org,,\n")
    assert (ran.json["created"], ran.json["repeated"]) == (2, 1)
    assert "the header does not name it: column 2" in ran.err
    ran = run("contacts", "import", str(tmp_path / "people.csv"), *ACME)
    assert "1 more rows are of somebody in another row, whose later values count" in ran.err


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "email,Email\na@example.org,b@example.org\n", "column 'email' stands twice in the header"),
        ("a.jsonl", '{"name": "A", "name": "B"}\n', "a name stands twice in an object"),
    ],
)
def test_a_name_that_stands_twice_is_no_choice(
    acme: Environment, tmp_path: Path, name: str, content: str, says: str
) -> None:
    ran = load(tmp_path, content, name=name)
    assert says in ran.err
    assert contacts() == {}


def test_thousands_of_columns_and_contacts_without_an_address_are_no_trouble(acme: Environment, tmp_path: Path) -> None:
    row = {"name": "Nobody", **{f"custom_fields.k{i}": str(i) for i in range(3_000)}}
    assert load(tmp_path, csv_of(row)).json["created"] == 1
    assert load(tmp_path, csv_of(row)).json["created"] == 0
    assert run("contacts", "export", *ACME).out.count("\n") == 2


def test_a_row_that_the_database_refuses_is_named_by_line(acme: Environment, tmp_path: Path) -> None:
    """No row is silently missing from the counts."""
    with acme.wiring.database.admin() as connection:
        connection.exec_driver_sql("alter table workspace_contacts add constraint no_x check (name <> 'x')")
    ran = load(tmp_path, "email,name\na@b.org,A\nb@b.org,x\nc@b.org,C\n")
    assert ran.code == 1
    assert ran.json["created"] == 2
    assert [row["line"] for row in ran.json["rejected"]] == [3]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["export", *ACME, "--output", "/nonexistent/x.csv"], id="export to a missing folder"),
        pytest.param(["export", *ACME, "--output", "/"], id="export to a folder"),
        pytest.param(["import", "/", *ACME], id="import of a folder"),
        pytest.param(["import", "a\0.csv", *ACME], id="import of no name"),
        pytest.param(["list", *ACME, "--limit", "-1"], id="limit below zero"),
        pytest.param(["list", *ACME, "--limit", "99999999999999999999"], id="limit too large"),
        pytest.param(["update", "\udce4\0", *ACME, "--set", "name=x"], id="update of no text"),
        pytest.param(["delete", "\udce4\0", *ACME], id="delete of no text"),
        pytest.param(["update", "a@b.org", *ACME, "--set", "email=@b"], id="no address"),
        pytest.param(["update", "a@b.org", *ACME, "--set", "email=\udce4@b.org"], id="address that is no text"),
    ],
)
def test_an_odd_command_line_is_one_line(acme: Environment, arguments: list[str]) -> None:
    ran = run("contacts", *arguments)
    assert ran.code == 2
    assert "unexpected" not in ran.err
    assert len(ran.err.strip().splitlines()) == 1
