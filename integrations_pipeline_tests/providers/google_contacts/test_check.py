"""What a check of a connection finds, and what each refusal of Google means."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import (
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RegistrationError,
    RetryableError,
)
from integrations_pipeline.model import ContactValues, MappedField
from integrations_pipeline.providers.google_contacts import wire
from integrations_pipeline.providers.google_contacts.limits import API_URL
from integrations_pipeline.providers.google_contacts.provider import ContactsProvider
from integrations_pipeline.testing import provider_context
from integrations_pipeline_tests.providers.google_contacts.test_conformance import MAPPING, OWNER
from integrations_sandbox import People, SandboxOptions, SandboxServer

READONLY = "https://www.googleapis.com/auth/contacts.readonly"
MAIL = "https://www.googleapis.com/auth/gmail.readonly"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def people(server: SandboxServer) -> People:
    server.reset()
    return server.people


def checked(server: SandboxServer, token: str, mapping: Any = MAPPING, count: int = 0) -> tuple[list[str], list[str]]:
    context = provider_context(
        token=token, mapping=mapping, addresses={API_URL: server.people_url}, patience_seconds=0.0, sleep=lambda _: None
    )
    provider = ContactsProvider(context)
    report = provider.check(ContactValues(contact_count=count))
    provider.close()
    return list(report.problems), list(report.notes)


def test_a_good_grant_has_neither_problems_nor_notes(server: SandboxServer, people: People) -> None:
    assert checked(server, people.token(OWNER)) == ([], [])
    assert people.people(OWNER) == []


@pytest.mark.parametrize(
    ("scopes", "asked"),
    [
        pytest.param([READONLY], ["whether contacts may be written"], id="to read only"),
        pytest.param([MAIL], ["contacts", "labels", "whether contacts may be written"], id="for mail only"),
    ],
)
def test_a_grant_that_lacks_something_is_told_question_by_question(
    server: SandboxServer, people: People, scopes: list[str], asked: list[str]
) -> None:
    problems, notes = checked(server, people.token(OWNER, scopes))
    assert notes == []
    assert len(problems) == len(asked)
    for problem, what in zip(problems, asked, strict=True):
        assert what in problem
        assert "connections authorize google_contacts" in problem


def test_a_revoked_token_ends_the_check_with_one_line(server: SandboxServer, people: People) -> None:
    token = people.token(OWNER)
    people.revoke_token(token)
    problems, _ = checked(server, token)
    assert problems == ["Google refuses the token: authorise the connection again"]


def test_an_account_that_is_nearly_full_is_told(server: SandboxServer, people: People) -> None:
    problems, notes = checked(server, people.token(OWNER), count=25_001)
    assert problems == []
    assert "25000 at most" in notes[0]


def test_a_field_that_contacts_do_not_have_is_a_problem(server: SandboxServer, people: People) -> None:
    mapping = [*MAPPING, MappedField(name="custom_fields.x", column="shoeSize")]
    problems, _ = checked(server, people.token(OWNER), mapping)
    assert "Google's contact field 'shoeSize' does not exist" in problems[0]


def body(status: str = "", reason: str = "", **more: Any) -> Mapping[str, Any]:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return {"error": {"message": "secret@example.org", "status": status, "details": details, **more}}


OLDER = {"error": {"errors": [{"reason": "failedPrecondition"}], "message": "x"}}


@pytest.mark.parametrize(
    ("status", "answer", "kind", "code"),
    [
        pytest.param(401, body("UNAUTHENTICATED"), CredentialsError, "", id="401"),
        pytest.param(403, body("PERMISSION_DENIED"), NeedsAttentionError, "", id="403"),
        pytest.param(403, body(reason="RATE_LIMIT_EXCEEDED"), RateLimitedError, "", id="403 for a rate"),
        pytest.param(
            403, {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}, RateLimitedError, "", id="403, older"
        ),
        pytest.param(403, body(reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"), NeedsAttentionError, "", id="403 scopes"),
        pytest.param(403, body(reason="SERVICE_DISABLED"), RegistrationError, "", id="403, the API is off"),
        pytest.param(429, body("RESOURCE_EXHAUSTED"), RateLimitedError, "", id="429"),
        pytest.param(
            429, {"error": {"message": "MY_CONTACTS_OVERFLOW_COUNT"}}, NeedsAttentionError, "", id="429, it is full"
        ),
        pytest.param(400, body("FAILED_PRECONDITION"), PermanentError, wire.STALE, id="a stale etag"),
        pytest.param(400, OLDER, PermanentError, wire.STALE, id="a stale etag, older"),
        pytest.param(400, body("INVALID_ARGUMENT", "EXPIRED_SYNC_TOKEN"), PermanentError, wire.EXPIRED, id="expired"),
        pytest.param(410, body("GONE", "EXPIRED_SYNC_TOKEN"), PermanentError, wire.EXPIRED, id="expired, 410"),
        pytest.param(404, body("NOT_FOUND"), PermanentError, wire.GONE, id="404"),
        pytest.param(404, {}, RetryableError, "", id="404 of a proxy"),
        pytest.param(500, body("INTERNAL"), RetryableError, "", id="500"),
        pytest.param(302, {}, RetryableError, "", id="a redirect"),
        pytest.param(400, {"error": "odd"}, RetryableError, "", id="no form of Google's"),
    ],
)
def test_each_refusal_says_what_to_do_next(status: int, answer: Any, kind: type[IntegrationError], code: str) -> None:
    error = wire.read_error(httpx.Response(status, json=answer, request=httpx.Request("GET", "https://x.example/")))
    assert isinstance(error, kind)
    assert getattr(error, "code", "") == code
    assert "secret" not in str(error)
    assert len(str(error).splitlines()) == 1
