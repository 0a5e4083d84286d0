"""What a check of a HubSpot account tells, and what each refusal means: one clear line."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import (
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RetryableError,
    SharedCauseError,
    WrongAnswerError,
)
from integrations_pipeline.model import ContactValues, Direction, MappedField
from integrations_pipeline.providers.hubspot.provider import HubSpotSettings
from integrations_pipeline.providers.hubspot.wire import MissingScopeError, read_error
from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench
from integrations_sandbox import FaultRule
from integrations_sandbox.hubspot.state import CONSENT, READ, SCHEMA, WRITE

VALUES = ContactValues(contact_count=3, held={"custom_fields.size": {"12": 1, "many": 2}})


def problems(bench: HubSpotBench, **settings: str) -> tuple[Sequence[str], Sequence[str]]:
    provider = bench.provider(settings={"portal_id": str(bench.portal_id), **settings})
    report = provider.check(VALUES)
    provider.close()
    return report.problems, report.notes


def test_a_sound_account_has_no_problems_and_nothing_is_written(bench: HubSpotBench) -> None:
    assert problems(bench) == ((), ())
    (note,) = problems(bench, portal_id="")[1]
    assert note.startswith(f"the token is of the HubSpot account {bench.portal_id}: with portal_id")
    assert not bench.hubspot.contacts(bench.portal_id)


@pytest.mark.parametrize(
    ("scopes", "problem"),
    [
        ({WRITE, SCHEMA}, "the contacts: the token lacks a scope at HubSpot: give it crm.objects.contacts.read"),
        (
            {READ, SCHEMA},
            "whether the token may write: the token lacks a scope at HubSpot: give it crm.objects.contacts.write",
        ),
    ],
)
def test_a_token_without_a_scope_is_told_which(bench: HubSpotBench, scopes: set[str], problem: str) -> None:
    bench.token = bench.hubspot.create_token(bench.portal_id, scopes=scopes)
    assert problem in problems(bench)[0]


def test_without_the_right_to_see_properties_there_is_a_note(bench: HubSpotBench) -> None:
    bench.token = bench.hubspot.create_token(bench.portal_id, scopes={READ, WRITE, CONSENT})
    found, notes = problems(bench)
    assert not found
    assert notes == ("the token cannot read properties (crm.schemas.contacts.read): they are not checked",)


def test_a_revoked_token_and_a_closed_account_are_one_line_each(bench: HubSpotBench) -> None:
    bench.hubspot.close_portal(bench.portal_id)
    closed, _ = problems(bench)
    assert closed[0] == (
        "the contacts: HubSpot denies access: the account is closed or suspended, or the app is not installed in it "
        "any more"
    )
    bench.hubspot.revoke_token(bench.token)
    revoked, notes = problems(bench)
    assert revoked == (
        "HubSpot refuses the token: it is wrong, expired or revoked; add or authorise the connection again",
    )
    assert not notes


def test_another_account_than_the_one_that_is_named_is_a_problem(bench: HubSpotBench) -> None:
    (line,), _ = problems(bench, portal_id="7")
    assert line.startswith(f"the token is of the HubSpot account {bench.portal_id}, and portal_id in the connection's")


def test_values_and_properties_that_do_not_fit_are_told(bench: HubSpotBench) -> None:
    hubspot, portal = bench.hubspot, bench.portal_id
    hubspot.create_property(portal, "size", type="number", field_type="number")
    hubspot.create_property(portal, "score", type="number", field_type="number")
    hubspot.change_property(portal, "score", is_read_only=True)
    hubspot.create_property(portal, "tier", type="enumeration", field_type="select", options=["Gold"])
    hubspot.create_property(portal, "thing", type="json")
    bench.mapping += [
        MappedField(name="custom_fields.size", column="size"),
        MappedField(name="custom_fields.score", column="score"),
        MappedField(name="custom_fields.theirs", column="score", direction=Direction.FROM_EXTERNAL),
        MappedField(name="tags", column="tier"),
        MappedField(name="custom_fields.thing", column="thing"),
        MappedField(name="custom_fields.gone", column="gone"),
    ]
    found, notes = problems(bench)
    assert [line.partition(" of contacts ")[2] for line in found] == [
        "is kept by HubSpot itself and cannot be written: map custom_fields.score to another property or set its "
        "sync_direction to from_external",
        "holds one value only, which cannot hold tags",
        "has type json, which cannot hold custom_fields.thing",
        "does not exist (mapped from custom_fields.gone): make it there or change field_mapping",
    ]
    assert notes == ("2 of 3 contacts fail alone: property size holds numbers only",)


def test_a_question_that_fails_hides_none_of_the_others(bench: HubSpotBench) -> None:
    bench.hubspot.add_fault(FaultRule(action="status", status=404, path_regex="account-info", body={"status": "x"}))
    found, notes = problems(bench, portal_id="")
    assert not found
    assert [note.partition(":")[0] for note in notes] == ["could not be found out"]


def answer(status: int, body: Any = None) -> httpx.Response:
    return httpx.Response(status, content=b"" if body is None else json.dumps(body).encode())


def refused(category: str, message: str = "p1@example.org is wrong", **more: Any) -> dict[str, Any]:
    return {"status": "error", "category": category, "message": message, **more}


VALUES_IN_WORDS = 'Property values were not valid: [{"error": "INVALID_EMAIL", "name": "email", "message": "p1@b.c"}]'


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (answer(401, refused("EXPIRED_AUTHENTICATION")), CredentialsError, "refuses the token"),
        (answer(403, refused("MISSING_SCOPES")), MissingScopeError, "those that the page names"),
        (answer(403, refused("BANNED")), NeedsAttentionError, "closed or suspended"),
        (answer(403), NeedsAttentionError, "closed or suspended"),
        (answer(404, refused("OBJECT_NOT_FOUND")), PermanentError, "no such contact"),
        (answer(404), PermanentError, "refused the request (404)"),
        (answer(409, refused("CONFLICT")), PermanentError, "has this e-mail"),
        (answer(400, refused("VALIDATION_ERROR")), PermanentError, "(VALIDATION_ERROR)"),
        (answer(400, refused("p1@example.org")), PermanentError, "(without a reason)"),
        (answer(400, refused("VALIDATION_ERROR", VALUES_IN_WORDS)), PermanentError, "property email does not take"),
        (answer(400, refused("VALIDATION_ERROR", VALUES_IN_WORDS[:-1])), PermanentError, "(VALIDATION_ERROR)"),
        (
            answer(400, refused("VALIDATION_ERROR", errors=[{"code": "x@y", "context": {"propertyName": ["size"]}}])),
            PermanentError,
            "property size does not take the value (INVALID)",
        ),
        (
            answer(400, refused("X", errors=[{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["s"]}}])),
            PermanentError,
            "property s does not exist",
        ),
        (answer(429, refused("RATE_LIMITS", policyName="DAILY")), SharedCauseError, "daily limit"),
        (answer(429, refused("RATE_LIMITS", policyName="TEN_SECONDLY_ROLLING")), RateLimitedError, "rate limit"),
        (answer(429), RateLimitedError, "rate limit"),
        (answer(502), RetryableError, "502"),
        (answer(302), WrongAnswerError, "points elsewhere"),
    ],
)
def test_a_refusal_is_told_by_what_to_do_next_and_never_by_its_words(
    response: httpx.Response, kind: type[IntegrationError], words: str
) -> None:
    error = read_error(response)
    assert type(error) is kind
    assert words in str(error)
    assert "@" not in str(error)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [("You have reached your secondly limit.", 1.0), ("You have reached your ten_secondly_rolling limit.", 10.0)],
)
def test_a_limit_is_waited_for_as_long_as_its_window(message: str, seconds: float) -> None:
    error = read_error(answer(429, refused("RATE_LIMITS", message)))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("123", "123"), (123, "123")])
def test_an_account_is_named_by_digits_as_text_or_number(given: Any, kept: str) -> None:
    assert HubSpotSettings.model_validate({"portal_id": given}).portal_id == kept


@pytest.mark.parametrize("given", ["abc", "-1", "1.5", "٣", [], None])
def test_anything_else_is_no_account(given: Any) -> None:
    with pytest.raises(ValueError, match="portal_id"):
        HubSpotSettings.model_validate({"portal_id": given})


def test_properties_of_fixed_fields_are_nobodys_to_map(bench: HubSpotBench) -> None:
    provider = bench.provider()
    offered = {column.name for column in provider.look().present}
    provider.close()
    assert {"company", "lifecyclestage"} <= offered
    assert not offered & {"email", "hs_email_optout"}
