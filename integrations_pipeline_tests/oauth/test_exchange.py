"""From the question to the first tokens, without command line or browser: one exchange at each kind of server."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations_pipeline.errors import ConfigurationError, DisconnectedError, IntegrationError, RetryableError
from integrations_pipeline.providers.oauth import Consent, OAuthClient, OAuthExchange, Tokens
from integrations_pipeline_tests.oauth.arrangement import GMAIL, GOOGLE, Place
from integrations_sandbox import OAuthClient as RegisteredClient

REDIRECT = "http://127.0.0.1:8719/callback"
MAILCHIMP_METADATA = "/oauth/mailchimp/oauth2/metadata"


@pytest.fixture(autouse=True)
def consenting(place: Place) -> None:
    place.sandbox.oauth.set_options(auto_consent="allow")


def _ask(place: Place, exchange: OAuthExchange) -> tuple[Consent, str]:
    """The question, and where the browser of a person who consents ends up."""
    consent = exchange.ask(REDIRECT)
    return consent, place.answer_to(consent.address)


def test_the_question_has_all_that_google_needs_for_mail(place: Place) -> None:
    consent = place.exchange().ask(REDIRECT)

    asked = {name: values[0] for name, values in parse_qs(urlsplit(consent.address).query).items()}
    assert asked["access_type"] == "offline"
    assert asked["prompt"] == "consent"
    assert asked["include_granted_scopes"] == "true"
    assert asked["scope"].split() == list(GOOGLE.scopes)
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == REDIRECT
    assert asked["state"] == consent.state
    assert len(consent.state) >= 30
    assert consent.verifier not in consent.address


@pytest.mark.parametrize("provider", ["google", "airtable", "mailchimp", "hubspot"])
def test_a_person_who_consents_gives_tokens_that_work(place: Place, provider: str) -> None:
    exchange = place.exchange(place.spec(provider))
    consent, answer = _ask(place, exchange)

    tokens, beside = exchange.accept(consent, answer)

    assert place.works(provider, tokens.access_token)
    stored = tokens.credentials(beside, place.time.now())
    assert beside == ({"dc": "us1"} if provider == "mailchimp" else {})
    assert ("token_expires_at" in stored, "refresh_token" in stored) == (provider != "mailchimp",) * 2
    if provider != "mailchimp":
        assert place.works(provider, exchange.refresh(tokens.refresh_token).access_token)


def test_google_gives_a_refresh_token_again_each_time_it_is_asked_for_consent(place: Place) -> None:
    found = []
    for _ in range(3):
        exchange = place.exchange()
        consent, answer = _ask(place, exchange)
        found.append(exchange.accept(consent, answer)[0].refresh_token)

    assert len(set(found)) == 3
    assert all(place.exchange().refresh(token).access_token for token in found)


def test_a_scope_that_the_person_left_out_is_named(place: Place) -> None:
    left_out = f"{GMAIL}send"
    place.sandbox.oauth.set_options("google", auto_consent="partial", left_out_scopes=(left_out,))
    exchange = place.exchange()
    consent, answer = _ask(place, exchange)

    with pytest.raises(ConfigurationError, match=rf"did not grant all that is needed: {left_out}; run the command"):
        exchange.accept(consent, answer)


def test_a_scope_that_was_left_out_and_is_granted_later_is_enough(place: Place) -> None:
    place.sandbox.oauth.set_options("google", auto_consent="partial", left_out_scopes=(f"{GMAIL}send",))
    with pytest.raises(ConfigurationError):
        _accepted(place)
    place.sandbox.oauth.set_options("google", auto_consent="allow")

    assert _accepted(place).scopes == frozenset(GOOGLE.scopes)


def test_more_than_was_asked_for_is_no_mistake(place: Place) -> None:
    place.sandbox.oauth.set_options("google", auto_consent="allow")
    wider = replace(GOOGLE, scopes=(*GOOGLE.scopes, f"{GMAIL}modify"))
    exchange = place.exchange(wider)
    exchange.accept(*_ask(place, exchange))

    assert set(GOOGLE.scopes) < (_accepted(place).scopes or set())


def _accepted(place: Place) -> Tokens:
    exchange = place.exchange()
    return exchange.accept(*_ask(place, exchange))[0]


def test_without_a_refresh_token_nothing_is_begun(place: Place) -> None:
    careless = replace(GOOGLE, parameters={"access_type": "offline"})
    exchange = place.exchange(careless)
    exchange.accept(*_ask(place, exchange))

    with pytest.raises(ConfigurationError, match="Google gave no refresh token: remove the application's access"):
        exchange.accept(*_ask(place, exchange))


def _with(**changes: str) -> Callable[[str], str]:
    """The answer with parameters replaced, or left out where they are ""."""

    def changed(answer: str) -> str:
        parts = urlsplit(answer)
        found = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
        return parts._replace(query=str(httpx.QueryParams({k: v for k, v in found.items() if v}))).geturl()

    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(_with(state="another"), "belongs to another question", id="another state"),
        pytest.param(_with(state=""), "belongs to another question", id="no state"),
        pytest.param(_with(state="ü"), "belongs to another question", id="odd state"),
        pytest.param(lambda answer: answer + "&state=another", "belongs to another question", id="two states"),
        pytest.param(_with(code=""), r"gave no access \(missing_code\)", id="no code"),
        pytest.param(lambda answer: answer + "&code=another", r"gave no access \(missing_code\)", id="two codes"),
        pytest.param(_with(code="", error="access_denied"), r"gave no access \(access_denied\)", id="denied"),
        pytest.param(_with(error="access_denied"), r"gave no access \(access_denied\)", id="denied with a code"),
        pytest.param(_with(code="", error="<b>x@y.example"), r"gave no access \(unknown error\)", id="odd error"),
        pytest.param(_with(code="wrong"), "does not take the code", id="wrong code"),
        pytest.param(lambda _: "4/0AbCdEf", "the whole address is needed", id="only a code"),
        pytest.param(lambda _: "http://[::1", "the whole address is needed", id="half an address"),
    ],
)
@pytest.mark.parametrize("provider", ["google", "airtable"])
def test_an_answer_that_is_not_the_answer_gives_nothing(
    place: Place, provider: str, change: Callable[[str], str], says: str
) -> None:
    exchange = place.exchange(place.spec(provider))
    consent, answer = _ask(place, exchange)

    with pytest.raises(ConfigurationError, match=says) as caught:
        exchange.accept(consent, change(answer))

    assert "run the command again" in str(caught.value)
    assert "example" not in str(caught.value)


def test_a_token_in_the_fragment_of_a_pasted_address_is_not_taken(place: Place) -> None:
    exchange = place.exchange()
    consent, answer = _ask(place, exchange)

    tokens, _ = exchange.accept(consent, f"{answer}#access_token=planted&state={consent.state}&token_type=bearer")

    assert tokens.access_token != "planted"
    assert place.works("google", tokens.access_token)


def test_an_answer_is_good_once_and_not_for_ever(place: Place) -> None:
    exchange = place.exchange()
    consent, answer = _ask(place, exchange)
    exchange.accept(consent, answer)
    with pytest.raises(ConfigurationError, match="does not take the code"):
        exchange.accept(consent, answer)

    consent, answer = _ask(place, exchange)
    place.pass_time(minutes=11)
    with pytest.raises(ConfigurationError, match="does not take the code"):
        exchange.accept(consent, answer)


@pytest.mark.parametrize("provider", ["google", "airtable"])
@pytest.mark.parametrize(
    ("action", "rule"),
    [
        pytest.param("drop_before", {}, id="dropped before"),
        pytest.param("drop_after", {}, id="dropped after"),
        pytest.param("status", {"status": 503}, id="503"),
        pytest.param("status", {"status": 429}, id="429"),
        pytest.param("status", {"status": 200}, id="200 without a body"),
    ],
)
def test_a_code_is_never_sent_twice(place: Place, provider: str, action: str, rule: dict[str, int]) -> None:
    exchange = place.exchange(place.spec(provider))
    consent, answer = _ask(place, exchange)
    place.fault(provider, action, **rule)

    with pytest.raises(RetryableError, match=r"token endpoint .*: run the command again$"):
        exchange.accept(consent, answer)

    assert len([entry for entry in place.requests("/oauth") if entry.method == "POST"]) == 1


def test_a_client_without_a_secret_is_a_public_one(place: Place) -> None:
    public = RegisteredClient(provider="airtable", id="public-client", redirect_uris=(REDIRECT,))
    place.sandbox.oauth.register_client(public)
    exchange = place.exchange(place.spec("airtable"), client=OAuthClient(id="public-client"))

    tokens, _ = exchange.accept(*_ask(place, exchange))

    assert place.works("airtable", exchange.refresh(tokens.refresh_token).access_token)


def test_the_verifier_must_be_that_of_the_question(place: Place) -> None:
    exchange = place.exchange()
    consent, answer = _ask(place, exchange)

    with pytest.raises(ConfigurationError, match="does not take the code"):
        exchange.accept(replace(consent, verifier=exchange.ask(REDIRECT).verifier), answer)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"action": "status", "status": 500}, id="500"),
        pytest.param({"action": "status", "status": 200, "body": {}}, id="no data centre"),
        pytest.param({"action": "status", "status": 200}, id="no body"),
        pytest.param({"action": "drop_before"}, id="dropped"),
    ],
)
def test_mailchimp_that_does_not_tell_the_data_centre_gives_nothing(place: Place, rule: dict[str, object]) -> None:
    exchange = place.exchange(place.spec("mailchimp"))
    consent, answer = _ask(place, exchange)
    place.fault_at(MAILCHIMP_METADATA, **rule)

    with pytest.raises(RetryableError, match="data centre: run the command again"):
        exchange.accept(consent, answer)


def test_a_missing_client_is_told_before_anybody_is_asked(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="GOOGLE_CLIENT_ID is not set: register an OAuth client at Google"):
        place.exchange(client=OAuthClient(id="")).ask(REDIRECT)


def test_nothing_that_is_secret_is_shown(place: Place) -> None:
    exchange = place.exchange()
    consent, answer = _ask(place, exchange)
    tokens, _ = exchange.accept(consent, answer)
    code = parse_qs(urlsplit(answer).query)["code"][0]
    secrets = (consent.state, consent.verifier, tokens.access_token, tokens.refresh_token, "GOCSPX", code)
    errors: list[IntegrationError] = []
    for change in (_with(state="another"), _with(error="access_denied"), _with()):
        with pytest.raises(ConfigurationError) as refused:
            exchange.accept(consent, change(answer))
        errors.append(refused.value)
    place.sandbox.oauth.revoke("google", tokens.refresh_token)
    with pytest.raises(DisconnectedError) as lost:
        exchange.refresh(tokens.refresh_token)
    shown = [repr(consent), repr(tokens), repr(exchange), repr(OAuthClient(id="i", secret="GOCSPX"))]

    for text in (*shown, *map(str, [*errors, lost.value])):
        assert [secret for secret in secrets if secret in text] == []
