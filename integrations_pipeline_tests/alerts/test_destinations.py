"""Destinations through apprise, over real HTTP: what arrives, what a failure is called, and that no secret shows."""

import io
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from integrations_pipeline.alerts.addresses import digest, mistakes, split
from integrations_pipeline.alerts.destinations import SEND_SECONDS, build_destinations, outcome_of
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.alerts.receiver import Receiver
from integrations_pipeline_tests.patience import patient

NAME = "INTEGRATIONS_ALERT_URLS"


def test_a_message_arrives_as_it_is(receiver: Receiver) -> None:
    [destination] = build_destinations(NAME, [receiver.address]).destinations
    body = "Look: `integrations status`\n\\n :smile: <b>&amp; 100 % {x}"

    assert destination.send("acme airtable: in error", body, "failure").is_sent
    [message] = receiver.messages
    assert (message["title"], message["message"], message["type"]) == ("acme airtable: in error", body, "failure")


@pytest.mark.parametrize(
    ("mode", "says", "is_doubtful"),
    [
        pytest.param("500", "it answered 500 Internal Server Error", False, id="500"),
        pytest.param("404", "it answered 404 Not Found", False, id="404"),
        pytest.param("302", "it answered 302 Found", False, id="a redirect, not followed"),
        pytest.param("reset", "the connection broke", True, id="reset"),
    ],
)
def test_a_refusal_has_a_reason(receiver: Receiver, mode: str, says: str, is_doubtful: bool) -> None:
    receiver.mode = mode
    [destination] = build_destinations(NAME, [receiver.address]).destinations
    outcome = destination.send("t", "b", "info")

    assert says in outcome.reason
    assert outcome.is_doubtful is is_doubtful
    assert receiver.messages == []


def test_nobody_there_is_certainly_not_arrived() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        [destination] = build_destinations(NAME, [f"json://127.0.0.1:{unused.getsockname()[1]}"]).destinations
        outcome = destination.send("t", "b", "info")
    assert (outcome.reason, outcome.is_doubtful) == ("it cannot be reached", False)


def test_silence_ends_soon_whatever_the_address_asks_for_and_may_have_arrived(receiver: Receiver) -> None:
    receiver.mode = "hang"
    [destination] = build_destinations(NAME, [f"{receiver.address}&rto=3600&cto=3600"]).destinations
    began = time.monotonic()
    outcome = destination.send("t", "b", "info")

    assert time.monotonic() - began < patient(SEND_SECONDS)
    assert (outcome.reason, outcome.is_doubtful) == ("it did not answer in time", True)


def test_a_destination_that_calls_itself_optional_is_not_taken_at_its_word(receiver: Receiver) -> None:
    receiver.mode = "500"
    [destination] = build_destinations(NAME, [f"{receiver.address}&optional=yes"]).destinations
    assert not destination.send("t", "b", "info").is_sent


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a program's log shows that shows everything; `caplog` would also listen where nobody is told."""
    text, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_secret_is_in_a_label_a_key_a_reason_or_a_log(receiver: Receiver, logged: io.StringIO) -> None:
    receiver.mode = "500"
    [destination] = build_destinations(NAME, [receiver.address]).destinations
    outcome = destination.send("t", "b", "info")

    assert destination.label == f"json://127.0.0.1:{receiver.port}"
    assert "hidden" not in f"{destination.label} {destination.key} {outcome} {logged.getvalue()}"


@pytest.mark.parametrize(
    ("address", "label"),
    [
        pytest.param("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack://…", id="a token for a host"),
        pytest.param(
            "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "https://…", id="native"
        ),
        pytest.param("pagerduty://A1BRTD4JDTIiajkd@T1JJ3T3L2A1BRTD4", "pagerduty://…", id="PagerDuty"),
        pytest.param("mailtos://user:secret@mail.example.org:465?to=ann@example.org", "mailtos://mail.example.org:465"),
        pytest.param("jsons://hooks.example.org/secret", "jsons://hooks.example.org", id="webhook"),
    ],
)
def test_a_label_has_the_scheme_and_only_what_can_be_nothing_but_a_host(address: str, label: str) -> None:
    [destination] = build_destinations(NAME, [address]).destinations
    assert destination.label == label


def test_an_address_that_apprise_does_not_understand_is_named_by_its_number_and_scheme() -> None:
    built = build_destinations(NAME, ["json://host", "slak://secret-token/x", "json://"])
    with pytest.raises(ConfigurationError) as caught:
        built.require()

    assert [each.label for each in built.destinations] == ["json://host"]
    lines = str(caught.value).splitlines()
    assert lines == [
        f"{NAME}: destination 2 (slak://…) is not understood by apprise",
        f"{NAME}: destination 3 (json://…) is not understood by apprise",
    ]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param(" \n,\n ", (), id="as good as nothing"),
        pytest.param("json://a, jsons://b", ("json://a", "jsons://b"), id="commas"),
        pytest.param("json://a\njsons://b,\r\n\nslack://c\n", ("json://a", "jsons://b", "slack://c"), id="lines"),
        pytest.param("mailto://u:p@h?to=a@b.org,c@d.org,json://a", ("mailto://u:p@h?to=a@b.org,c@d.org", "json://a"),
                     id="commas of its own"),
        pytest.param("json://a,json://a", ("json://a",), id="twice the same"),
    ],
)  # fmt: skip
def test_addresses_are_told_apart(text: str, addresses: tuple[str, ...]) -> None:
    assert split(text) == addresses


@pytest.mark.parametrize("address", ["hidden", "://hidden", "slack:hidden", "json://hidden hidden", "json:// hidden"])
def test_what_is_no_address_is_one_line_that_repeats_nothing(address: str) -> None:
    [line] = mistakes(NAME, [address])
    assert line.startswith(f"{NAME}: destination 1 is no address")
    assert "hidden" not in line


def test_a_destination_is_known_by_a_hash_of_its_own() -> None:
    assert digest("json://a") == digest("json://a") != digest("json://b")
    assert "hidden" not in digest("json://hidden")


def test_what_apprise_says_of_a_timeout_is_doubtful() -> None:
    assert outcome_of(["TIMEOUT"], []).is_doubtful
    assert outcome_of(["FAILURE"], []).is_doubtful
    assert outcome_of(["FAILURE", "SUCCESS"], ["error=500."]).is_sent
