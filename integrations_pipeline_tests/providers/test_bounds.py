"""Answers without bounds: too large, packed too well, too slow, too deep, no numbers. Each ends in one line."""

import gzip
import itertools
import json
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from integrations_pipeline.errors import (
    CredentialsError,
    InDoubtError,
    IntegrationError,
    PermanentError,
    RetryableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.airtable import PROVIDER as AIRTABLE
from integrations_pipeline.providers.airtable.wire import read_error as airtable_error
from integrations_pipeline.providers.base import FixedToken, ProviderContext, ProviderSpec
from integrations_pipeline.providers.bounds import MOST_LEVELS, Bounds, UnreadableError, parse_json
from integrations_pipeline.providers.http import Endpoint, HttpClient, RetryPolicy
from integrations_pipeline.providers.mailchimp import PROVIDER as MAILCHIMP
from integrations_pipeline.providers.mailchimp.wire import read_error as mailchimp_error
from integrations_pipeline.providers.network import proxy_of
from integrations_pipeline.providers.shapes import Shape
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.patience import patient

MIB = 1024 * 1024
SMALL = Bounds(size_bytes=MIB, whole_seconds=60.0)
SECRET = "ann@example.org"
ONCE = RetryPolicy(budget_seconds=0.0, unreachable_seconds=0.0)


class Parts(httpx.SyncByteStream):
    """A body in parts, made as they are read; counts those that were."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self.read_count = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self.read_count += 1
            yield part

    def close(self) -> None:
        self.is_closed = True


@contextmanager
def client(
    transport: httpx.BaseTransport | None,
    *,
    base_url: str = "https://api.example.test",
    bounds: Bounds = SMALL,
    retry: RetryPolicy = ONCE,
    clock: Callable[[], float] = time.monotonic,
    read_error: Callable[[httpx.Response], Exception] = airtable_error,
) -> Iterator[HttpClient]:
    endpoint = Endpoint(
        base_url=base_url,
        tokens=FixedToken(value="token"),
        read_error=read_error,  # type: ignore[arg-type]  # of two providers
        retry=retry,
        bounds=bounds,
    )
    made = HttpClient(endpoint, pacer=FreePacer(), transport=transport, sleep=lambda _: None, clock=clock)
    try:
        yield made
    finally:
        made.close()


def answering(stream: httpx.SyncByteStream, status: int = 200, **headers: str) -> httpx.MockTransport:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.MockTransport(lambda _: httpx.Response(status, headers=told, stream=stream))


def fails(made: HttpClient, says: str, *, is_repeatable: bool = True) -> None:
    kind = WrongAnswerError if is_repeatable else InDoubtError
    with pytest.raises(kind) as caught:
        made.request("POST", "v0/app1", is_repeatable=is_repeatable)
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert SECRET not in str(caught.value)


def padded(size: int) -> Iterator[bytes]:
    """An object of this size, a little at a time."""
    yield b'{"name": "' + SECRET.encode() + b'", "padding": "'
    for _ in range(size // 10_000):
        yield b"x" * 10_000
    yield b'"}'


def bomb(size: int, part: int = 64 * 1024) -> bytes:
    packed = gzip.compress(b'{"a": 1}' + b" " * size, compresslevel=9)
    assert len(packed) < part + size // 500
    return packed


@pytest.mark.parametrize("is_repeatable", [True, False])
def test_a_large_answer_is_given_up_at_its_bound(is_repeatable: bool) -> None:
    stream = Parts(padded(100 * MIB))
    with client(answering(stream)) as made:
        fails(made, "the answer of api.example.test is larger than 1 MiB", is_repeatable=is_repeatable)
    assert stream.read_count < 2 * MIB / 10_000
    assert stream.is_closed


def test_an_answer_that_says_that_it_is_large_is_not_even_begun() -> None:
    stream = Parts(padded(100 * MIB))
    with client(answering(stream, content_length=str(100 * MIB))) as made:
        fails(made, "larger than 1 MiB")
    assert stream.read_count == 0


@pytest.mark.parametrize("said", ["", "1", "-5", "many", "9" * 400])
def test_what_an_answer_says_of_its_size_is_not_believed(said: str) -> None:
    with client(answering(Parts(padded(3 * MIB)), content_length=said)) as made:
        fails(made, "larger than 1 MiB")


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "GZIP"])
@pytest.mark.parametrize("in_one", [True, False])
def test_a_packed_answer_grows_no_further_than_its_bound(packing: str, in_one: bool) -> None:
    packed = bomb(200 * MIB)
    parts = [packed] if in_one else [packed[at : at + 1000] for at in range(0, len(packed), 1000)]
    with client(answering(Parts(parts), content_encoding=packing)) as made:
        tracemalloc.start()
        try:
            fails(made, "larger than 1 MiB")
            assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        finally:
            tracemalloc.stop()


def test_what_is_within_its_bounds_comes_through_packed_and_not() -> None:
    body = json.dumps({"text": "y" * 900_000}).encode()
    for content, packing in ((body, "identity"), (gzip.compress(body), "gzip")):
        with client(answering(Parts([content]), content_encoding=packing)) as made:
            assert made.request("GET", "v0") == {"text": "y" * 900_000}


def test_an_endpoint_may_have_bounds_of_its_own() -> None:
    whole = Shape(title="a letter", kind=dict[str, str], bounds=Bounds(size_bytes=4 * MIB, pause_seconds=99.0))
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, stream=Parts(padded(3 * MIB)))

    with client(httpx.MockTransport(answer)) as made:
        assert made.request("GET", "v0", shape=whole)["name"] == SECRET
    assert asked[0].extensions["timeout"]["read"] == 99.0


@pytest.mark.parametrize(
    ("packing", "content"),
    [
        ("gzip", b'{"a": 1}'),
        ("gzip", gzip.compress(b'{"a": 1}')[:-9]),
        ("br", b'{"a": 1}'),
        ("zstd", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        ("nonsense", b"{}"),
    ],
    ids=["not packed", "cut off", "br", "zstd", "twice", "nonsense"],
)
def test_an_answer_that_is_packed_otherwise_than_it_says_is_a_network_fault(packing: str, content: bytes) -> None:
    with (
        client(answering(Parts([content]), content_encoding=packing)) as made,
        pytest.raises(RetryableError, match=r"did not answer \(DecodingError\)"),
    ):
        made.request("GET", "v0")


def test_what_is_asked_for_is_what_can_be_unpacked() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={})

    with client(httpx.MockTransport(answer)) as made:
        made.request("GET", "v0")
    assert asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("is_repeatable", [True, False])
def test_an_answer_that_never_ends_is_over_in_time_however_its_bytes_come(is_repeatable: bool) -> None:
    now = itertools.count(0.0, 5.0)
    stream = Parts(itertools.repeat(b" "))
    with client(answering(stream), clock=lambda: next(now)) as made:
        fails(made, "the answer of api.example.test was not whole after 60 s", is_repeatable=is_repeatable)
    assert stream.read_count <= 12


HEADS = {
    "the head": [b"HTTP/1.1 200 OK\r\nX-Slow: ", *[b"y"] * 5_000],
    "the body": [b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", *[b" "] * 5_000],
    "parts": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 5_000],
    "many hints": [b"HTTP/1.1 100 Continue\r\n\r\n"] * 5_000,
}


@contextmanager
def trickling(parts: list[bytes]) -> Iterator[str]:
    """A server that sends its answer part by part, each once the one before has left, until it is hung up on."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.recv(65_536)
                try:
                    for part in parts:
                        connection.sendall(part)
                    while connection.recv(65_536):
                        pass
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(patient(5))


@pytest.mark.parametrize("where", HEADS)
def test_over_the_network_every_wait_ends_with_the_request(where: str) -> None:
    bounds = Bounds(size_bytes=MIB, pause_seconds=30.0, whole_seconds=0.3)
    with trickling(HEADS[where]) as url, client(None, base_url=url, bounds=bounds) as made:
        fails(made, "the answer of 127.0.0.1 was not whole after 0.3 s")


def test_a_server_that_only_takes_a_connection_is_given_up_in_time() -> None:
    bounds = Bounds(pause_seconds=0.1, whole_seconds=30.0)
    with (
        trickling([b""]) as url,
        client(None, base_url=url, bounds=bounds) as made,
        pytest.raises(RetryableError, match=r"127.0.0.1 did not answer \(ReadTimeout\)"),
    ):
        made.request("GET", "v0")


def test_over_the_network_an_answer_comes_through_and_its_connection_is_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    accepted: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        accepted.append(1)
        with connection:
            while connection.recv(65_536):
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener, client(None, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as made:
        assert [made.request("GET", "v0") for _ in range(3)] == [{}, {}, {}]
    thread.join(patient(5))
    assert accepted == [1]


@pytest.mark.parametrize("status", [200, 404, 422, 401, 403, 500])
@pytest.mark.parametrize("read_error", [airtable_error, mailchimp_error])
@pytest.mark.parametrize("depth", [MOST_LEVELS + 50, 900, 2_000, 100_000, 1_000_000])
def test_an_answer_nested_deeply_is_one_line_whatever_its_status(
    status: int, read_error: Callable[[httpx.Response], Exception], depth: int
) -> None:
    content = b'{"error":' + b"[" * depth + b"]" * depth + b"}"
    transport = answering(Parts([content]), status=status)
    with client(transport, bounds=Bounds(size_bytes=4 * MIB), read_error=read_error) as made:
        if status == 200:
            fails(made, "200 with a body that is nested deeper than 200 levels")
            return
        with pytest.raises(Exception, match=r"^[^\n]*$") as caught:
            made.request("GET", "v0")
        assert isinstance(caught.value, IntegrationError)


NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e400", "1E+9999", "1" * 5_000)


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_a_number_that_is_none_is_no_json(number: str) -> None:
    with client(httpx.MockTransport(lambda _: httpx.Response(200, text=f'{{"a": [{number}]}}'))) as made:
        fails(made, "200 with a body that is no JSON")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "{'a': 1}", "<html></html>", '{"a": 1}}', "nul", '"\\x"', "\ufeff", "[" * 500],
)
def test_what_is_no_json_is_told_so(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_json(text.encode())


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        (b'["1e999", 1e300, 12345678901234567890123, -0.5]', ["1e999", 1e300, 12345678901234567890123, -0.5]),
        (b"\xef\xbb\xbf{}", {}),
        (b"[" * MOST_LEVELS + b"]" * MOST_LEVELS, None),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b" null ", None),
    ],
    ids=["half a character", "numbers", "byte order mark", "deep enough", "twice", "null"],
)
def test_whatever_is_json_is_read(content: bytes, value: object) -> None:
    found = parse_json(content)
    assert value is None or found == value


def test_an_answer_that_is_wrong_is_asked_for_a_few_times_only() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text=f"<html>{SECRET}</html>")

    with client(httpx.MockTransport(answer), retry=RetryPolicy()) as made:
        fails(made, "a body that is no JSON")
        assert len(asked) == 4
        fails(made, "a body that is no JSON", is_repeatable=False)
        assert len(asked) == 5


def test_an_answer_that_is_wrong_for_a_moment_is_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers = iter([httpx.Response(200, text=SECRET), httpx.Response(200, json={"a": 1})])
    with client(httpx.MockTransport(lambda _: next(answers)), retry=RetryPolicy()) as made:
        assert made.request("GET", "v0") == {"a": 1}
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("spec", "seconds"), [(MAILCHIMP, 130.0), (AIRTABLE, 30.0)], ids=["mailchimp", "airtable"])
def test_each_provider_gets_the_time_that_it_gives_itself(spec: ProviderSpec, seconds: float) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(401)

    assert spec.contacts is not None
    provider = spec.contacts(
        ProviderContext(
            credentials={"dc": "us1"},
            settings={"list_id": "x", "base_id": "x", "table_id": "x"},
            mapping=(),
            addresses=spec.addresses,
            pacer=FreePacer(),
            tokens=FixedToken(value="token"),
            transport=httpx.MockTransport(answer),
        )
    )
    with pytest.raises(CredentialsError):
        provider.look()
    provider.close()
    assert asked[0].extensions["timeout"]["read"] == seconds
    assert asked[0].extensions["bounds"].whole_seconds > seconds


def test_a_type_of_error_is_told_only_if_it_is_a_word_of_the_api() -> None:
    for told in (SECRET, {"type": f"NO {SECRET}"}, {"type": "x" * 500}, ["A"], 5, {"error": {"a": SECRET}}):
        error = airtable_error(httpx.Response(422, json={"error": told}))
        assert str(error) == "Airtable refused the request (422)"
    error = airtable_error(httpx.Response(422, json={"error": {"type": "INVALID_VALUE_FOR_COLUMN"}}))
    assert isinstance(error, PermanentError)
    assert error.code == "INVALID_VALUE_FOR_COLUMN"


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://api.example.test", ""),
        ({"https_proxy": "http://proxy.test:3128"}, "https://api.example.test", "http://proxy.test:3128"),
        ({"https_proxy": "proxy.test:3128"}, "https://api.example.test", "http://proxy.test:3128"),
        ({"https_proxy": "http://proxy.test:3128"}, "http://127.0.0.1:5000", ""),
        ({"all_proxy": "http://proxy.test:3128", "no_proxy": "example.test"}, "https://api.example.test", ""),
        ({"all_proxy": "http://proxy.test:3128"}, "https://api.example.test", "http://proxy.test:3128"),
    ],
)
def test_a_proxy_is_used_as_the_environment_says(
    variables: dict[str, str], url: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(httpx.URL(url)) == proxy
