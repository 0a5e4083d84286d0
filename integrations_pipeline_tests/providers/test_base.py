"""What may stand in the address of a request."""

import pytest
from pydantic import TypeAdapter, ValidationError

from integrations_pipeline.providers.base import PathId


@pytest.mark.parametrize("value", ["tblA1", "list_id", "a-b"])
def test_ids_of_letters_digits_and_dashes_are_ids(value: str) -> None:
    assert TypeAdapter(PathId).validate_python(value) == value


@pytest.mark.parametrize("value", ["", "a/b", "a.b", "a b", "é", "_"])
def test_what_could_lead_to_another_address_is_no_id(value: str) -> None:
    with pytest.raises(ValidationError, match="is no id"):
        TypeAdapter(PathId).validate_python(value)
