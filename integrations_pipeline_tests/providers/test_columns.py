"""Which column holds which field now: by id, then by name, and when a field stops."""

import pytest

from integrations_pipeline.model import Direction, MappedField
from integrations_pipeline.providers.columns import ColumnRules, KnownColumn, PresentColumn, look_at, under_known_name

RULES = ColumnRules(
    family=lambda kind: {"text": "text", "long": "text"}.get(kind, kind),
    problem=lambda mapped, columns: "cannot hold it" if columns[0].type == "button" else "",
    told=lambda name: f"column {name}",
    parts=lambda column: column.split("+"),
)
COMPANY = MappedField(name="company", column="Company")
KNOWN = KnownColumn(column="Company", direction="bidirectional", id="1", name="Company", type="text")


def column(key: str, name: str, kind: str = "text") -> PresentColumn:
    return PresentColumn(id=key, name=name, type=kind)


@pytest.mark.parametrize(
    ("present", "found"),
    [
        pytest.param([column("1", "Company")], "Company", id="as it was"),
        pytest.param([column("1", "Firma")], "Firma", id="renamed"),
        pytest.param([column("1", "Firma"), column("2", "Company")], "Firma", id="another one took its name"),
        pytest.param([column("2", "Company")], "Company", id="made anew"),
        pytest.param([column("1", "Company", "long")], "Company", id="another type of the same family"),
    ],
)
def test_a_column_is_followed_by_its_id_and_then_by_its_name(present: list[PresentColumn], found: str) -> None:
    look = look_at([COMPANY], {"company": KNOWN}, present, RULES)
    assert [mapped.column for mapped in look.mapping] == [found]
    assert look.renewed == ({"company"} if present[0].id == "2" else set())
    assert not look.silent
    assert look.is_news == (look.columns["company"] != KNOWN)


@pytest.mark.parametrize(
    ("present", "words"),
    [
        pytest.param([column("2", "Other")], "column Company does not exist", id="gone"),
        pytest.param([column("1", "Company", "number")], "was text and is number now", id="another family"),
        pytest.param([column("1", "Company", "button")], "cannot hold it", id="cannot hold it"),
    ],
)
def test_a_field_whose_column_does_not_hold_it_any_more_stops_and_its_column_is_remembered(
    present: list[PresentColumn], words: str
) -> None:
    look = look_at([COMPANY], {"company": KNOWN}, present, RULES)
    assert words in look.stopped["company"]
    assert not look.mapping
    assert look.columns == {"company": KNOWN}
    assert look.is_news


def test_what_never_was_there_is_a_problem_or_left_out_if_nobody_asked_for_it() -> None:
    asked = look_at([COMPANY], {}, [], RULES)
    assert (len(asked.problems), asked.silent) == (1, {})
    default = MappedField(name="company", column="Company", is_default=True)
    left_out = look_at([default], {}, [], RULES)
    assert (left_out.problems, set(left_out.silent), left_out.stopped) == ((), {"company"}, {})


@pytest.mark.parametrize(
    "mapped",
    [
        MappedField(name="company", column="Firma"),
        MappedField(name="company", column="Company", direction=Direction.FROM_EXTERNAL),
    ],
)
def test_a_person_who_maps_a_field_anew_has_decided(mapped: MappedField) -> None:
    present = [column("1", "Company", "number"), column("2", "Firma", "number")]
    look = look_at([mapped], {"company": KNOWN}, present, RULES)
    assert [each.column for each in look.mapping] == [mapped.column]
    assert not look.renewed


def test_a_joined_column_is_followed_part_by_part() -> None:
    name = MappedField(name="name", column="F+L")
    known = KnownColumn(column="F+L", direction="bidirectional", id="1+2", name="F+L", type="text+text")
    look = look_at([name], {"name": known}, [column("2", "Last"), column("1", "First")], RULES)
    assert [mapped.column for mapped in look.mapping] == ["First+Last"]
    assert "column L does not exist" in look_at([name], {"name": known}, [column("1", "F")], RULES).stopped["name"]


def test_two_fields_never_share_a_column() -> None:
    notes = MappedField(name="custom_fields.notes", column="Notes")
    look = look_at([notes, COMPANY], {"company": KNOWN}, [column("1", "Notes")], RULES)
    assert [mapped.name for mapped in look.mapping] == ["company"]
    assert "holds company already" in look.problems[0]


def test_columns_without_ids_are_found_by_name() -> None:
    known = KnownColumn(column="Company", direction="bidirectional", name="Company", type="text")
    look = look_at([COMPANY], {"company": known}, [column("", "Other"), column("", "Company")], RULES)
    assert [mapped.column for mapped in look.mapping] == ["Company"]
    assert not look.renewed


def test_until_a_look_the_name_of_the_last_run_is_presumed() -> None:
    renamed = KnownColumn(column="Company", direction="bidirectional", id="1", name="Firma", type="text")
    assert under_known_name(COMPANY, renamed).column == "Firma"
    assert under_known_name(MappedField(name="company", column="Else"), renamed).column == "Else"
    assert under_known_name(COMPANY, None) == COMPANY
