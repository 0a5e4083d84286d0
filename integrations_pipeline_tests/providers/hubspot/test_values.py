"""What a text is as a property of HubSpot's, by the property's type."""

import pytest

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import MappedField, join_set
from integrations_pipeline.providers.hubspot.properties import _FAMILIES, Property
from integrations_pipeline.providers.hubspot.values import to_properties, value_of

STAGES = {"label": "Big fish", "value": "big_fish"}


def sent(text: str, kind: str, name: str = "company", **further: object) -> dict[str, str]:
    definition = Property.from_json({"name": "stage", "type": kind, "options": [STAGES], **further})
    return to_properties({name: text}, [MappedField(name=name, column="stage")], {"stage": definition}, {})


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", " as it is ", " as it is "),
        ("number", " 12.5 ", "12.5"),
        ("date", "2026-01-31", "2026-01-31"),
        ("datetime", "2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ("bool", "Yes", "true"),
        ("bool", "0", "false"),
        ("enumeration", "Big Fish", "big_fish"),
        ("enumeration", "big_fish", "big_fish"),
        ("enumeration", "", ""),
    ],
)
def test_a_text_is_sent_as_the_type_of_its_property_takes_it(kind: str, text: str, expected: str) -> None:
    assert sent(text, kind) == {"stage": expected}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("number", "many"),
        ("number", "1_000"),
        ("number", "inf"),
        ("date", "soon"),
        ("date", "2026-01-31T10:00:00"),
        ("datetime", "soon"),
        ("datetime", "0001-01-01T00:00:00+05:00"),
        ("datetime", "9999-12-31T23:59:59-05:00"),
        ("bool", "maybe"),
        ("enumeration", "Small fish"),
    ],
)
def test_a_text_that_the_property_cannot_hold_is_refused_by_the_propertys_name(kind: str, text: str) -> None:
    with pytest.raises(PermanentError, match="property stage"):
        sent(text, kind)


def test_a_tag_with_the_separator_in_it_is_refused_by_the_propertys_name() -> None:
    with pytest.raises(PermanentError, match="property stage holds no tag"):
        sent(join_set(["press;radio"]), "string", name="tags")


def test_several_options_are_each_sent_by_their_value() -> None:
    assert sent("big fish; Big Fish", "enumeration", fieldType="checkbox") == {"stage": "big_fish;big_fish"}


def test_fields_after_one_that_is_not_written_are_written() -> None:
    mapping = [MappedField(name="phone", column="phone"), MappedField(name="company", column="company")]
    assert to_properties({"company": "Firm"}, mapping, {}, {}) == {"company": "Firm"}


def test_a_value_of_two_properties_is_not_told_unless_both_are() -> None:
    name = MappedField(name="name", column="firstname+lastname")
    assert value_of({"firstname": "Ann", "lastname": None}, name) == "Ann"
    assert value_of({"firstname": "Ann", "lastname": "Li"}, name) == "Ann Li"
    assert value_of({"firstname": "Ann"}, name) is None


@pytest.mark.parametrize(("old", "new"), [("date", "datetime"), ("string", "phone_number"), ("number", "number")])
def test_a_property_whose_type_became_another_of_its_family_holds_what_it_held(old: str, new: str) -> None:
    assert _FAMILIES.get(old, old) == _FAMILIES.get(new, new)
    assert _FAMILIES.get(old, old) != _FAMILIES.get("bool", "bool")
