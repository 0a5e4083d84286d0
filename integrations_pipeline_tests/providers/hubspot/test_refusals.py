"""A refusal of HubSpot's is told by its kind and the property, in whichever of its forms it comes."""

import json
from typing import Any

import pytest

from integrations_pipeline.providers.hubspot import wire


def in_words(*values: Any) -> dict[str, Any]:
    return {"category": "VALIDATION_ERROR", "message": wire._VALUES + json.dumps(values)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (in_words({"error": "INVALID_OPTION", "name": "stage"}), "INVALID_OPTION"),
        (in_words({"error": "said by ann@example.org", "name": "stage"}), "INVALID"),
        (in_words({"error": "INVALID_OPTION", "name": "ann@example.org"}), "VALIDATION_ERROR"),
        ({"errors": [{"code": "INVALID_LONG", "context": {"propertyName": ["age"]}}]}, "INVALID_LONG"),
        (
            {"errors": [{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["age"]}}]},
            "PROPERTY_DOESNT_EXIST",
        ),
        ({"category": "VALIDATION_ERROR", "message": wire._VALUES + "{"}, "VALIDATION_ERROR"),
        ({"category": "of ann@example.org"}, "without a reason"),
        ({}, "without a reason"),
    ],
)
def test_a_refusal_is_told_by_a_word_of_hubspots_and_never_by_a_value(body: dict[str, Any], code: str) -> None:
    refusal = wire.refusal(body)
    assert refusal.code == code
    assert "ann@example.org" not in str(refusal)
