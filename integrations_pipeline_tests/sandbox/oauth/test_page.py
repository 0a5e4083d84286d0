"""The consent page, read and answered as a browser without scripts would."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

import httpx
import pytest

from integrations_pipeline_tests.sandbox.oauth.dance import (
    PATHS,
    PROVIDERS,
    READ,
    SCOPES,
    SEND,
    STATE,
    Dance,
    callback_of,
)


@dataclass
class Page(HTMLParser):
    """A page with one form, as its controls stand before anybody touched them."""

    address: str
    action: str = ""
    method: str = ""
    hidden: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)
    radios: list[tuple[str, str]] = field(default_factory=list)
    chosen: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    buttons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        pair = (given.get("name", ""), given.get("value", ""))
        match tag, given.get("type"):
            case "form", _:
                self.action, self.method = given["action"], given["method"]
            case "button", _:
                self.buttons[pair[1]] = pair[0]
            case "input", "hidden":
                self.hidden.append(pair)
            case "input", "checkbox":
                self.boxes.append(pair)
            case "input", "radio":
                self.radios.append(pair)
                self.chosen += [pair] if "checked" in given else []
            case "input", _:
                self.texts.append(pair[0])
            case "script", _:
                raise AssertionError("the page needs no scripts")
            case _:
                pass


def opened(dance: Dance, provider: str, **changes: str) -> Page:
    dance.oauth.set_options(provider, auto_consent="ask")
    response = dance.authorize(provider, **changes)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = Page(address=str(response.url))
    page.feed(response.text)
    return page


def submit(
    dance: Dance,
    page: Page,
    button: str,
    *,
    without: str = "",
    account: str | None = None,
    text: str = "",
) -> httpx.Response:
    """Press a button, with a box unticked, another account chosen or an account typed in."""
    radios = page.chosen if account is None else [pair for pair in page.radios if pair[1] == account]
    boxes = [pair for pair in page.boxes if pair[1] != without]
    fields = [*page.hidden, *boxes, *radios, *((name, text) for name in page.texts), (page.buttons[button], button)]
    assert page.method == "post"
    body = urlencode(fields)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return dance.http.post(urljoin(page.address, page.action), content=body, headers=headers)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_allowing_leads_back_with_a_code_that_works(dance: Dance, provider: str) -> None:
    found = callback_of(submit(dance, opened(dance, provider), "allow"))
    assert found["state"] == STATE
    assert dance.exchange(provider, found["code"]).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
def test_denying_leads_back_without_one(dance: Dance, provider: str) -> None:
    found = callback_of(submit(dance, opened(dance, provider), "deny"))
    assert (found["error"], found["state"]) == ("access_denied", STATE)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_asking_is_what_a_server_does_unless_told_otherwise(dance: Dance, provider: str) -> None:
    dance.server.reset()
    assert dance.authorize(provider).status_code == 200
    assert dance.oauth.options.of(provider).auto_consent == "ask"


def test_at_google_each_scope_can_be_left_out(dance: Dance) -> None:
    page = opened(dance, "google")
    assert [value for _, value in page.boxes] == [READ, SEND]
    code = callback_of(submit(dance, page, "allow", without=SEND))["code"]
    assert dance.exchange("google", code).json()["scope"] == READ


def test_leaving_everything_out_is_a_denial(dance: Dance) -> None:
    found = callback_of(submit(dance, opened(dance, "google", scope=READ), "allow", without=READ))
    assert found["error"] == "access_denied"


def test_a_scope_that_was_not_asked_for_cannot_be_ticked(dance: Dance) -> None:
    page = opened(dance, "google", scope=READ)
    page.boxes.append((page.boxes[0][0], SEND))
    code = callback_of(submit(dance, page, "allow"))["code"]
    assert dance.exchange("google", code).json()["scope"] == READ


def test_at_airtable_and_mailchimp_consent_is_to_all_or_nothing(dance: Dance) -> None:
    assert opened(dance, "mailchimp").boxes == []
    page = opened(dance, "airtable")
    assert page.boxes == []
    code = callback_of(submit(dance, page, "allow"))["code"]
    assert dance.exchange("airtable", code).json()["scope"] == SCOPES["airtable"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_person_chooses_one_of_the_accounts_or_types_another(dance: Dance, provider: str) -> None:
    dance.oauth.set_options(provider, accounts=("first", "second"))
    page = opened(dance, provider)
    assert [value for _, value in page.radios] == ["first", "second"]
    for choice, expected in (({}, "first"), ({"account": "second"}, "second"), ({"text": " third "}, "third")):
        code = callback_of(submit(dance, page, "allow", **choice))["code"]
        token = dance.exchange(provider, code).json()["access_token"]
        grant = dance.server.stage.grants.find(provider, token, dance.server.stage.clock.now())
        assert grant is not None
        assert grant.account == expected


def test_google_offers_the_account_of_the_login_hint_first(dance: Dance) -> None:
    dance.oauth.set_options("google", accounts=("a@gmail.example", "b@gmail.example"))
    page = opened(dance, "google", login_hint="b@gmail.example")
    assert [value for _, value in page.radios] == ["b@gmail.example", "a@gmail.example"]
    assert [value for _, value in page.chosen] == ["b@gmail.example"]


def test_the_answer_is_checked_like_the_question(dance: Dance) -> None:
    page = opened(dance, "google")
    page.hidden = [(name, "https://evil.example/" if name == "redirect_uri" else value) for name, value in page.hidden]
    assert submit(dance, page, "allow").status_code == 400


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_in_the_address_counts_for_nothing(dance: Dance, provider: str) -> None:
    dance.oauth.set_options(provider, auto_consent="ask")
    parameters = dance.request(provider) | {"sandbox_decision": "allow", "sandbox_account": "somebody"}
    assert dance.http.get(PATHS[provider][0], params=parameters).status_code == 200


def test_an_address_cannot_tick_what_the_person_leaves_out(dance: Dance) -> None:
    page = opened(dance, "google", sandbox_scope=READ)
    code = callback_of(submit(dance, page, "allow", without=READ))["code"]
    assert dance.exchange("google", code).json()["scope"] == SEND


def test_the_page_at_the_root_names_the_addresses_and_the_clients(dance: Dance) -> None:
    page = dance.http.get("/").text
    for provider in PROVIDERS:
        assert dance.request(provider)["client_id"] in page
        assert PATHS[provider][0] in page
