# ruff: noqa: ARG001, ARG005 - every change takes the same arguments, so that one table can hold them all
"""Answers that are wrong: of another shape, with values missing or changed. What a rule asks for, on values in hand.

Belongs here: what any provider's answers can suffer. Does not belong here: which rule hits which request (`faults`),
where a provider keeps its values (each one's own `distortion`).

==========  ===========================================================================================================
shape       the answer
==========  ===========================================================================================================
object      `{}`
list        `[]`
null        `null`
wrapped     the true answer in a list
deep        a list in a list and so on, `size` deep (20,000), under the first key of the true answer
numbers     the true answer, with a number for each text
empty       no body at all
html        a web page, as of a proxy in between
huge        the true answer and `size` bytes more of it (20 million)
gzip_bomb   the true answer and `size` blanks (100 million), which shrink to a thousandth on the wire
slow        the true answer in parts of `size` bytes (1)
==========  ===========================================================================================================

The status is that of the true answer, or 200 in place of 204.
"""

import json
import zlib
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from integrations_sandbox.faults import FaultRule, How, Shape
from integrations_sandbox.wire import JsonObject, Reply

PAGE = "<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
_JSON = ("content-type", "application/json")
_CHUNK = b" " * 1_000_000
_SIZES: dict[Shape, int] = {"deep": 20_000, "huge": 20_000_000, "gzip_bomb": 100_000_000, "slow": 1}
#: More than any client should take for an answer, and still made in a second or two.
_MOST = 1_000_000_000


def reshaped(reply: Reply, rule: FaultRule) -> Reply:
    size = min(rule.size or _SIZES.get(rule.shape, 0), _MOST)
    # A 204 cannot have a body, and so would hide the shape.
    return _RESHAPE[rule.shape](replace(reply, status=200) if reply.status == 204 else reply, size, rule)


def blanked(values: JsonObject, names: Collection[str]) -> JsonObject:
    """Without the values of these names, or without any."""
    return {name: value for name, value in values.items() if names and name not in names}


def altered(values: JsonObject, rule: FaultRule, names: Collection[str], empty: Any = None) -> JsonObject:
    """With the values of these names (none: all) changed as the rule says. `empty` stands for one that is left out;
    without it, and where the old value is kept, the name is left out."""
    changed = {}
    for name, value in values.items():
        if names and name not in names:
            changed[name] = value
        elif rule.how in _ALTER:
            changed[name] = _ALTER[rule.how](value, rule.length)
        elif rule.how == "leave_out" and empty is not None:
            changed[name] = empty
    return changed


def _with_body(body: Any) -> Callable[[Reply, int, FaultRule], Reply]:
    return lambda reply, size, rule: replace(reply, body=body, raw=json.dumps(body).encode(), headers=(_JSON,))


def _wrapped(reply: Reply, size: int, rule: FaultRule) -> Reply:
    return replace(reply, body=[reply.body])


def _deep(reply: Reply, size: int, rule: FaultRule) -> Reply:
    content = b"[" * size + b"]" * size
    if isinstance(reply.body, dict) and reply.body:
        content = b"{" + json.dumps(next(iter(reply.body))).encode() + b":" + content + b"}"
    return replace(reply, raw=content, headers=(_JSON,))


def _numbers(reply: Reply, size: int, rule: FaultRule) -> Reply:
    return replace(reply, body=_numbered(reply.body))


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbered(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbered(each) for each in value]
    return len(value) if isinstance(value, str) else value


def _empty(reply: Reply, size: int, rule: FaultRule) -> Reply:
    return replace(reply, raw=b"", headers=(_JSON,))


def _html(reply: Reply, size: int, rule: FaultRule) -> Reply:
    return replace(reply, html=rule.html or PAGE, headers=())


def _huge(reply: Reply, size: int, rule: FaultRule) -> Reply:
    body = reply.body if isinstance(reply.body, dict) else {"answer": reply.body}
    return replace(reply, body=body | {"padding": "x" * size})


def _bomb(reply: Reply, size: int, rule: FaultRule) -> Reply:
    packer = zlib.compressobj(level=9, wbits=31)
    packed = [packer.compress(json.dumps(reply.body).encode())]
    packed += [packer.compress(_CHUNK) for _ in range(size // len(_CHUNK))]
    return replace(reply, raw=b"".join([*packed, packer.flush()]), headers=(_JSON, ("content-encoding", "gzip")))


def _slow(reply: Reply, size: int, rule: FaultRule) -> Reply:
    return replace(reply, pause_seconds=rule.seconds, part_size=size)


_RESHAPE: dict[Shape, Callable[[Reply, int, FaultRule], Reply]] = {
    "object": _with_body({}),
    "list": _with_body([]),
    "null": _with_body(None),
    "wrapped": _wrapped,
    "deep": _deep,
    "numbers": _numbers,
    "empty": _empty,
    "html": _html,
    "huge": _huge,
    "gzip_bomb": _bomb,
    "slow": _slow,
    "as_it_is": lambda reply, size, rule: reply,
}


def _each_text(change: Callable[[str, int], str]) -> Callable[[Any, int], Any]:
    def changed(value: Any, length: int) -> Any:
        if isinstance(value, list):
            return [changed(each, length) for each in value]
        return change(value, length) if isinstance(value, str) else value

    return changed


def _rounded(value: Any, length: int) -> Any:
    """Numbers, also as texts, to the whole."""
    try:
        number = round(float(value))
    except (TypeError, ValueError, OverflowError):
        return value
    return str(number) if isinstance(value, str) else number


_ALTER: dict[How, Callable[[Any, int], Any]] = {
    "trim": _each_text(lambda text, length: text.strip()),
    "cut": _each_text(lambda text, length: text[:length]),
    "upper": _each_text(lambda text, length: text.upper()),
    "round": _rounded,
}
