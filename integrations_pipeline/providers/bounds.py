"""What one answer may cost: its size, its time, its depth. Nobody's answer is believed to be small, quick or flat.

`BoundedTransport` reads every answer whole within its `Bounds`, whatever httpx does with it afterwards, and what it
hands on parses its JSON within them. Belongs here: those bounds. Does not: what is done about an answer that exceeds
them (`http`, `oauth`), connections (`network`).
"""

import json
import math
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
from pydantic_core import from_json  # what pydantic parses with: it does not recurse, and ends at a depth

from integrations_pipeline.providers.network import DUE, Network

#: What unpacks at once, whatever it grows to.
PART_BYTES = 256 * 1024
#: Levels of JSON; the parser has the same limit. No documented answer has more than a dozen.
MOST_LEVELS = 200
#: The key of a request's own bounds among its extensions.
BOUNDS = "bounds"
#: What is asked for and can be unpacked in parts.
ACCEPTED = {"Accept-Encoding": "gzip"}
_MEBIBYTE = 1024 * 1024
#: A number so large that a float may not hold it, up to its end: ids of hexadecimal digits have such parts, too.
_LARGE_EXPONENT = re.compile(rb"[0-9][eE]\+?[0-9]{3,}(?![^\s,\]}])")

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`size_bytes`: of an answer's body, packed and unpacked alike. `pause_seconds`: between two signs of life.
    `whole_seconds`: from the first byte sent to the last one received, however the bytes come."""

    size_bytes: int = 32 * _MEBIBYTE
    pause_seconds: float = 30.0
    whole_seconds: float = 60.0

    @property
    def timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self.pause_seconds, connect=10.0, pool=60.0)


#: For an endpoint without its own.
USUAL = Bounds()


class ExceededError(httpx.TransportError):
    """An answer exceeds its bounds; `str(error)` names the host and the bound, and nothing of the answer."""


class UnreadableError(ValueError):
    """A body that is no JSON, or JSON that nobody should read; `str(error)` ends the words "a body that is …"."""


class Answer(httpx.Response):
    """An answer that was read whole, unpacked."""

    def json(self, **_: Any) -> Any:
        """As `httpx.Response.json`, within bounds: whatever is wrong is a `ValueError`."""
        return parse_json(self.content)


def parse_json(content: bytes, *, takes_any_number: bool = False) -> Any:
    """The value of a JSON text; `UnreadableError` for what is none, for more than `MOST_LEVELS`, for an integer of
    thousands of digits, and, unless `takes_any_number`, for numbers that are none (NaN, Infinity, 1e999)."""
    if takes_any_number or not _LARGE_EXPONENT.search(content):
        try:
            return from_json(content, allow_inf_nan=takes_any_number)
        except ValueError:
            pass  # halves of characters, where a text was cut off, are read by the other one
    try:
        value = json.loads(content, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise UnreadableError(f"nested deeper than {MOST_LEVELS} levels") from None
    except ValueError as error:
        raise error if isinstance(error, UnreadableError) else UnreadableError("no JSON") from None
    if not _is_flat(value):
        raise UnreadableError(f"nested deeper than {MOST_LEVELS} levels")
    return value


def _no_number(_: str) -> NoReturn:
    raise UnreadableError("no JSON: it holds a number that is none")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _is_flat(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [
            child
            for each in level
            if isinstance(each, (dict, list))
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


class BoundedTransport(httpx.BaseTransport):
    """Sends through `inner`, or the network, and reads each answer whole within the bounds that its request carries
    in `extensions[BOUNDS]`, else within `bounds`. Raises `ExceededError` besides what httpx raises."""

    def __init__(
        self, bounds: Bounds, *, inner: httpx.BaseTransport | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._bounds = bounds
        self._inner = inner or Network(clock)
        self._clock = clock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        bounds: Bounds = request.extensions.get(BOUNDS, self._bounds)
        due = self._clock() + bounds.whole_seconds
        request.extensions[DUE] = due
        try:
            response = self._inner.handle_request(request)
            try:
                body = b"".join(self._read(request.url.host, response, bounds, due))
            finally:
                response.close()
        except httpx.TimeoutException as error:
            if self._clock() < due:
                raise
            raise _late(request.url.host, bounds) from error
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _OF_TRANSFER]
        return Answer(response.status_code, headers=headers, content=body, extensions=response.extensions)

    def close(self) -> None:
        self._inner.close()

    def _read(self, host: str, response: httpx.Response, bounds: Bounds, due: float) -> Iterator[bytes]:
        if _told_length(response) > bounds.size_bytes:
            raise _too_large(host, bounds)
        size = 0
        for part in _unpacked(self._received(host, response, bounds, due), _packing(response)):
            size += len(part)
            if size > bounds.size_bytes:
                raise _too_large(host, bounds)
            yield part

    def _received(self, host: str, response: httpx.Response, bounds: Bounds, due: float) -> Iterator[bytes]:
        size = 0
        for part in _parts(response):
            size += len(part)
            if size > bounds.size_bytes:
                raise _too_large(host, bounds)
            if self._clock() >= due:
                raise _late(host, bounds)
            yield part


#: Headers that tell how the body came, which is over once it is read.
_OF_TRANSFER = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def _is_read(response: httpx.Response) -> bool:
    """Whether the transport has read and unpacked the answer itself."""
    return response.is_stream_consumed


def _parts(response: httpx.Response) -> Iterable[bytes]:
    if _is_read(response):
        return [response.content]
    # As it comes: httpx unpacks a part of the wire to whatever it grows to.
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - httpx has two kinds, and this is no async one
    return response.stream


def _packing(response: httpx.Response) -> str:
    return "" if _is_read(response) else response.headers.get("content-encoding", "").strip().lower()


def _told_length(response: httpx.Response) -> int:
    text = response.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _unpacked(parts: Iterable[bytes], packing: str) -> Iterator[bytes]:
    """The body in parts of `PART_BYTES` at most, whatever a part of the wire grows to."""
    if packing in ("", "identity"):
        yield from parts
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError("packed in a way that was not asked for")
    unpacker = zlib.decompressobj(wbits=47)  # either of the two headers
    is_empty = True
    try:
        for part in parts:
            is_empty = is_empty and not part
            rest = part
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, PART_BYTES)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise httpx.DecodingError("not packed as it says") from error
    if not (unpacker.eof or is_empty):
        raise httpx.DecodingError("cut off")


def _too_large(host: str, bounds: Bounds) -> ExceededError:
    return ExceededError(f"the answer of {host} is larger than {bounds.size_bytes / _MEBIBYTE:g} MiB")


def _late(host: str, bounds: Bounds) -> ExceededError:
    return ExceededError(f"the answer of {host} was not whole after {bounds.whole_seconds:g} s")
