"""Formulas select the records that Airtable would select, and nothing else is accepted."""

from datetime import UTC, datetime, timedelta

import pytest
from pyairtable import formulas
from pyairtable.formulas import AND, EQ, GT, NOT, OR, Field, match

from integrations_pipeline_tests.sandbox.arrangement import START, Arrangement, error_of

RECORD = {"Name": 'It\'s "A\\da"', "Email": "Ada@Example.com", "Tags": ["x", "y"], "Company": "5"}


@pytest.fixture
def contacts(sandbox: Arrangement) -> Arrangement:
    sandbox.create(RECORD, {"Name": "Other"})
    return sandbox


@pytest.mark.parametrize(
    "formula",
    [
        match({"Name": RECORD["Name"]}),
        AND(EQ(Field("Company"), "5"), NOT(EQ(Field("Email"), ""))),
        OR(EQ(Field("Company"), "6"), EQ(Field("Company"), "5")),
        GT(Field("Score"), 60),
        formulas.LOWER(Field("Email")).eq("ada@example.com"),
        formulas.SEARCH("Ada", Field("Email")),
        formulas.IS_AFTER(formulas.DATETIME_PARSE("2027-01-01"), formulas.NOW()) & EQ(Field("Company"), "5"),
        formulas.XOR(EQ(Field("Company"), "5"), formulas.FALSE()),
    ],
    ids=str,
)
def test_what_pyairtable_writes_is_understood(contacts: Arrangement, formula: formulas.Formula) -> None:
    assert [record["fields"]["Name"] for record in contacts.table.all(formula=formula)] == [RECORD["Name"]]


@pytest.mark.parametrize(
    "formula",
    [
        "{Email} = 'Ada@Example.com'",
        "Email = 'Ada@Example.com'",
        "Email != BLANK()",
        "NOT(Email = '')",
        "Email",
        'lower(Email) = "ada@example.com"',
        "UPPER(TRIM('  ' & Email & ' ')) = 'ADA@EXAMPLE.COM'",
        "LEN(Email) = 15",
        "LEN(Email) >= 15",
        "LEN(Email) > 14.5",
        "LEN(Email) - 20 = -5",
        "(LEN(Email) + 1) / 4 * 2 >= 8",
        "Score = 70",
        "FIND('@', Email) = 4",
        "AND(SEARCH('@', Email), Email)",
        "{Tags} = 'x, y'",
        "FIND('y', Tags) > 0",
        "IF(Email, TRUE(), FALSE())",
        "IF(Email, 'yes') = 'yes'",
        "AND(IS_SAME(CREATED_TIME(), '2026-11-22', 'day'), Company)",
        "AND(IS_BEFORE(DATEADD(NOW(), -1, 'hours'), CREATED_TIME()), Company)",
        "AND(IS_AFTER(NOW(), TODAY()), Company = '5')",
        "LAST_MODIFIED_TIME(Company) = CREATED_TIME()",
        "IS_AFTER(LAST_MODIFIED_TIME({Company}, Phone), '2026-11-22T11:59:59Z')",
    ],
)
def test_a_formula_selects_the_one_record_it_describes(contacts: Arrangement, formula: str) -> None:
    assert [record["fields"]["Name"] for record in contacts.table.all(formula=formula)] == [RECORD["Name"]]


@pytest.mark.parametrize(
    "formula",
    [
        "{Nobody} = 1",
        "Email =",
        "'open",
        "(Email",
        "Email)",
        "NONSENSE(Email)",
        "LOWER()",
        "RECORD_ID(1)",
        "LAST_MODIFIED_TIME('Name')",
        "LAST_MODIFIED_TIME(Score)",
        "LAST_MODIFIED_TIME(Nobody)",
        "AND(1, 2",
        "1 , 2",
        "=",
        "(" * 300 + "1" + ")" * 300,
        "£",
        "-" * 2000 + "1",
        " & ".join(["1"] * 2000),
    ],
)
def test_anything_else_is_refused_even_on_an_empty_table(sandbox: Arrangement, formula: str) -> None:
    response = sandbox.http.get(sandbox.path, params={"filterByFormula": formula})
    assert error_of(response) == (422, "INVALID_FILTER_BY_FORMULA")


def test_a_record_can_be_found_by_its_id(sandbox: Arrangement) -> None:
    first, _ = sandbox.create({"Name": "a"}, {"Name": "b"})
    assert [record["id"] for record in sandbox.table.all(formula=f"RECORD_ID() = '{first}'")] == [first]


def test_modification_times_are_kept_per_field(sandbox: Arrangement) -> None:
    edited, _ = sandbox.create({"Name": "a", "Phone": "1"}, {"Name": "b", "Phone": "1"})
    sandbox.advance(60)
    sandbox.airtable.update_record(sandbox.base_id, "Contacts", edited, Phone="2")
    since = "'2026-11-22T12:00:30.000Z'"

    def found(expression: str) -> list[str]:
        records = sandbox.table.all(formula=f"IS_AFTER({expression}, {since})")
        return [record["id"] for record in records]

    assert found("LAST_MODIFIED_TIME()") == [edited]
    assert found("LAST_MODIFIED_TIME(Phone, Name)") == [edited]
    assert found("LAST_MODIFIED_TIME(Name)") == []
    assert found("LAST_MODIFIED_TIME(Email)") == []


def test_writing_what_is_there_already_is_no_modification(sandbox: Arrangement) -> None:
    (record_id,) = sandbox.create({"Name": "a"})
    sandbox.advance(60)
    sandbox.table.update(record_id, {"Name": "a", "Phone": None})
    assert sandbox.table.all(formula="IS_AFTER(LAST_MODIFIED_TIME(), CREATED_TIME())") == []


def test_times_are_compared_by_the_second(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "a"})
    within, after = (START + timedelta(milliseconds=each) for each in (-200, 800))
    assert START.microsecond == 250_000
    for moment, count in ((within, 1), (after, 0)):
        text = moment.astimezone(UTC).isoformat()
        assert len(sandbox.table.all(formula=f"CREATED_TIME() = DATETIME_PARSE('{text}')")) == count
    assert len(sandbox.table.all(formula=f"IS_AFTER(CREATED_TIME(), '{within.isoformat()}')")) == 0


def test_a_modification_is_not_after_a_time_within_its_own_second(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "a"})
    seen = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    formula = formulas.IS_AFTER(formulas.LAST_MODIFIED_TIME(), seen)
    assert sandbox.table.all(formula=formula) == []


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("LEN(Name)", 1),
        ("LEN(Name) / 2", 0.5),
        ("0 / 0", {"specialValue": "NaN"}),
        ("1 / 0", {"specialValue": "Infinity"}),
        ("0 - 1 / 0", {"specialValue": "-Infinity"}),
        ("Name & '!'", "a!"),
        ("Name = 'a'", 1),
        ("CREATED_TIME()", "2026-11-22T12:00:00.000Z"),
        ("Broken(", {"error": "#ERROR!"}),
        ("Loop", {"error": "#ERROR!"}),
        ("Phone", None),
    ],
)
def test_formula_fields_are_calculated_when_read(sandbox: Arrangement, formula: str, value: object) -> None:
    field = {"name": "Loop", "type": "formula", "options": {"formula": formula}}
    sandbox.airtable.create_field(sandbox.base_id, "Contacts", field)
    sandbox.create({"Name": "a"})
    assert sandbox.table.all()[0]["fields"].get("Loop") == value


@pytest.mark.parametrize(
    "formula",
    [
        "Born < '2000-01-01'",
        "AND(Born, NOT(Born > DATETIME_PARSE('1990-05-06')))",
        "Born = '1990-05-06'",
        "Born & '' = '1990-05-06T00:00:00.000Z'",
        "NOT(Born = 'no date') * LEN(Born)",
        "DATEADD(Born, 2, 'days') = '1990-05-08'",
        "AND(Born, DATEADD(Born, 1, 'aeons') = BLANK())",
        "IS_SAME(Born, '1990-12-31', 'year')",
        "IS_SAME(Born, '1990-05-06')",
        "IF(IS_SAME(Born, '1990-05-07', 'nonsense'), 0, Born)",
        "Ok",
        "Ok = TRUE()",
        "Ok & '' = '1'",
        "Count > 2",
        "Count * 2 = 6",
        "Count & '' = '3'",
        "LEN(Name) & '' = '1'",
        "AND(Count, Count < '4')",
        "AND(Name < 'b', Name > 'A')",
        "LEN(Name & Phone) - Name != 0",
    ],
)
def test_dates_numbers_and_checkboxes_have_their_own_comparisons(sandbox: Arrangement, formula: str) -> None:
    kinds = {"Born": "date", "Ok": "checkbox", "Count": "number"}
    for name, kind in kinds.items():
        sandbox.airtable.create_field(sandbox.base_id, "Contacts", {"name": name, "type": kind})
    sandbox.create({"Name": "a", "Born": "1990-05-06", "Ok": True, "Count": 3})
    sandbox.create({"Name": "", "Company": "x"})
    found = sandbox.table.all(formula=formula)
    assert [record["fields"].get("Name") for record in found if "Name" in record["fields"]] == ["a"]
    assert len(found) == 1 or formula.startswith("LEN")


def test_a_formula_field_can_be_used_in_a_filter_and_an_order(sandbox: Arrangement) -> None:
    sandbox.create({"Name": "a", "Email": "e"}, {"Name": "b"}, {"Name": "c", "Phone": "1"})
    found = sandbox.table.all(formula="Score < 50", sort=["-Score"])
    assert [record["fields"]["Name"] for record in found] == ["c", "b"]
