"""The request and the reply that every sandboxed provider works with.

Belongs here: values that cross between the HTTP server and a provider, and the small router.
Does not belong here: anything that one provider does differently, sockets, state.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]


class WireError(Exception):
    """A refusal that the provider puts on the wire: a status and the body that goes with it."""

    def __init__(self, status: int, body: JsonObject) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, read to its end.

    `segments` are the parts of the path, decoded one by one, so that a table name with an encoded slash
    stays in one piece; a trailing slash leaves no empty part. `path` is the whole path, decoded.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    token: str | None = None
    url_length: int = 0
    #: The header `Authorization` as it came; `token` is what follows `Bearer` in it.
    authorization: str = ""
    content_type: str = ""
    #: The header `Host`: the address under which this server was asked.
    host: str = ""
    #: All header fields, their names in lower case.
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """The first header field of that name, in any case; an empty string if there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    def value(self, name: str) -> str | None:
        found = self.values(name)
        return found[-1] if found else None

    def json(self) -> Any:
        """The body as JSON; no body reads as an empty object. Raises ValueError for anything else."""
        return json.loads(self.body) if self.body.strip() else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back. `is_dropped` closes the connection without a byte. `html` or `raw` (bytes, and their
    content type among `headers`) replaces the JSON body. It is held back for `delay_seconds`, or until `is_let_go`.
    With `pause_seconds` the body goes out in parts of `part_size` bytes, with that pause before each."""

    status: int = 200
    body: Any = None
    html: str | None = None
    raw: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    is_dropped: bool = False
    delay_seconds: float = 0.0
    is_let_go: Callable[[], bool] = lambda: False
    pause_seconds: float | None = None
    part_size: int = 1


Handler = Callable[..., Reply]
#: A method, a path template, its handler, and a line for the page: one operation of the control API.
ControlRow = tuple[str, str, Handler, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path template such as `v0/{}/{}`; each `{}` becomes an argument of the handler."""

    method: str
    template: str
    handler: Handler

    def match(self, request: Request, segments: Sequence[str]) -> tuple[str, ...] | None:
        parts = self.template.split("/")
        if self.method != request.method or len(parts) != len(segments):
            return None
        pairs = list(zip(parts, segments, strict=True))
        if any(part not in ("{}", segment) for part, segment in pairs):
            return None
        return tuple(segment for part, segment in pairs if part == "{}")


def find_route(routes: Sequence[Route], request: Request, segments: Sequence[str]) -> Callable[[], Reply] | None:
    """The first route that fits, bound to its arguments; order in `routes` decides between two."""
    for route in routes:
        arguments = route.match(request, segments)
        if arguments is not None:
            handler = route.handler
            return lambda: handler(request, *arguments)
    return None
