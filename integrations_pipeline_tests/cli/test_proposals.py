"""Which field each column of the other side is proposed for, and why a column gets none."""

import pytest

from integrations_pipeline.cli.proposals import Found, Proposals, propose
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import ColumnRules, PresentColumn, look_at

RULES = ColumnRules(
    family=str,
    problem=lambda mapped, columns: "a button holds nothing" if columns[0].type == "button" else "",
    told=str,
    parts=lambda column: column.split("+"),
    made_for={"email": "email", "tel": "phone"},
)
DEFAULT = {"name": "First+Last", "company": "Company"}


def proposed(*columns: tuple[str, str], mapped: dict[str, str] | None = None, **fixed: str) -> Proposals:
    present = [PresentColumn(id=f"id{i}", name=name, type=kind) for i, (name, kind) in enumerate(columns)]
    given = [MappedField(name=name, column=column) for name, column in (mapped or {}).items()]
    return propose(look_at((), {}, present, RULES), mapped=given, fixed=fixed, default=DEFAULT)


def fields(found: Proposals) -> dict[str, tuple[str, Found]]:
    return {each.column: (each.field, each.found) for each in found.columns}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param([("Company", "text")], {"Company": ("company", Found.DEFAULT)}, id="the provider's default"),
        pytest.param(
            [("First", "text"), ("Last", "text")],
            {"First": ("name", Found.DEFAULT), "Last": ("name", Found.DEFAULT)},
            id="a default of two columns",
        ),
        pytest.param([("JOB_title", "text")], {"JOB_title": ("job_title", Found.NAME)}, id="our own name, respelt"),
        pytest.param([("Organisation", "text")], {"Organisation": ("company", Found.NAME)}, id="another name for it"),
        pytest.param(
            [("Contact here", "email")], {"Contact here": ("email", Found.TYPE)}, id="the only one of its type"
        ),
        pytest.param(
            [("Work", "email"), ("Home", "email")],
            {"Work": ("custom_fields.work", Found.CUSTOM), "Home": ("custom_fields.home", Found.CUSTOM)},
            id="two of one type: nobody guesses",
        ),
        pytest.param(
            [("Lead  Score (%)", "number")],
            {"Lead  Score (%)": ("custom_fields.lead_score", Found.CUSTOM)},
            id="a custom field",
        ),
        pytest.param([("First", "text")], {"First": ("custom_fields.first", Found.CUSTOM)}, id="half of a default"),
    ],
)
def test_a_column_is_given_to_a_field(columns: list[tuple[str, str]], expected: dict[str, tuple[str, Found]]) -> None:
    assert fields(proposed(*columns)) == expected


def test_the_likeliest_name_goes_first_wherever_it_stands() -> None:
    found = fields(proposed(("Work Email", "text"), ("E-Mail", "text"), ("email", "text")))
    assert found["email"] == ("email", Found.NAME)
    assert found["E-Mail"] == ("custom_fields.e_mail", Found.CUSTOM)


def test_what_a_person_mapped_stays_and_what_the_provider_keeps_itself_is_no_setting() -> None:
    mapped = {"company": "Name", "phone": "id1"}
    found = proposed(("Name", "text"), ("Tel", "tel"), ("Company", "text"), mapped=mapped, email="email_address")
    assert fields(found) == {
        "email_address": ("email", Found.FIXED),
        "Name": ("company", Found.MAPPED),
        "Tel": ("phone", Found.MAPPED),
        "Company": ("custom_fields.company", Found.CUSTOM),
    }
    assert found.field_mapping == {**mapped, "custom_fields.company": "Company"}
    assert found.missing == ("name", "job_title", "tags", "email_opt_out")


def test_a_column_that_holds_nothing_says_why() -> None:
    found = proposed(("Email", "button"), ("***", "text"), ("A b", "text"), ("a-B", "text"))
    assert {each.column: each.reason for each in found.columns if each.reason} == {
        "Email": "a button holds nothing",
        "***": "its name has no letter or digit",
        "a-B": "custom_fields.a_b is kept in A b",
    }
    assert found.field_mapping == {"custom_fields.a_b": "A b"}
