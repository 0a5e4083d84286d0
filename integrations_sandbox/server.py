"""The HTTP server that the sandboxed providers share, on loopback.

Belongs here: sockets, threads, reading requests and sending replies, the faults that any provider can have.
Does not belong here: what a provider answers, the control API's operations.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from integrations_sandbox.addresses import PATHS
from integrations_sandbox.airtable.emulator import AirtableEmulator
from integrations_sandbox.airtable.state import Airtable, AirtableOptions
from integrations_sandbox.control import Control
from integrations_sandbox.distortion import reshaped
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.gmail.emulator import GmailEmulator
from integrations_sandbox.gmail.options import GmailOptions
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.hubspot.emulator import HubSpotEmulator
from integrations_sandbox.hubspot.options import HubSpotOptions
from integrations_sandbox.hubspot.state import HubSpot
from integrations_sandbox.mailchimp.emulator import MailchimpEmulator
from integrations_sandbox.mailchimp.options import MailchimpOptions
from integrations_sandbox.mailchimp.state import Mailchimp
from integrations_sandbox.oauth.emulator import OAuthEmulator
from integrations_sandbox.oauth.options import OAuthOptions
from integrations_sandbox.oauth.state import OAuthServers
from integrations_sandbox.people.emulator import PeopleEmulator
from integrations_sandbox.people.options import PeopleOptions
from integrations_sandbox.people.state import People
from integrations_sandbox.stage import Clock, Emulator, Stage, system_time
from integrations_sandbox.wire import Reply, Request

HOST = "127.0.0.1"
THREAD_COUNT = 16
#: How often a held answer looks whether it is let go.
LOOK_SECONDS = 0.05
METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """`port` 0 takes a free one. `rate_limit_scale` multiplies allowed rates and divides penalties; None
    turns limits off. `clock` gives aware UTC times. `airtable` holds the rest of Airtable's options (its own
    `rate_limit_scale` is not used), `gmail` Gmail's in the same way, `mailchimp` those of Mailchimp (without limits,
    its connections are not counted), `hubspot` HubSpot's as Airtable's, `oauth` those of the authorization
    servers, `people` those of the People API. The same `seed` gives the same identifiers.
    """

    port: int = 0
    rate_limit_scale: float | None = 1.0
    clock: Callable[[], datetime] = system_time
    seed: int = 0
    airtable: AirtableOptions = field(default_factory=AirtableOptions)
    gmail: GmailOptions = field(default_factory=GmailOptions)
    mailchimp: MailchimpOptions = field(default_factory=MailchimpOptions)
    hubspot: HubSpotOptions = field(default_factory=HubSpotOptions)
    oauth: OAuthOptions = field(default_factory=OAuthOptions)
    people: PeopleOptions = field(default_factory=PeopleOptions)


class SandboxServer:
    """A sandbox in a thread of this process; use it as a context manager. It listens on 127.0.0.1 only."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.stage = Stage(Clock(self.options.clock), self.options.seed)
        scale = self.options.rate_limit_scale
        self.airtable = Airtable(self.stage, replace(self.options.airtable, rate_limit_scale=scale))
        self.gmail = Gmail(self.stage, replace(self.options.gmail, rate_limit_scale=scale))
        connections = None if scale is None else self.options.mailchimp.connection_limit
        self.mailchimp = Mailchimp(self.stage, replace(self.options.mailchimp, connection_limit=connections))
        self.hubspot = HubSpot(self.stage, replace(self.options.hubspot, rate_limit_scale=scale))
        self.oauth = OAuthServers(self.stage, self.options.oauth)
        self.people = People(self.stage, replace(self.options.people, rate_limit_scale=scale))
        emulators: list[Emulator] = [
            AirtableEmulator(self.airtable),
            GmailEmulator(self.gmail),
            MailchimpEmulator(self.mailchimp),
            HubSpotEmulator(self.hubspot),
            OAuthEmulator(self.oauth),
            PeopleEmulator(self.people),
        ]
        self._switchboard = Switchboard(self.stage, emulators)
        self._running: _Running | None = None

    def __enter__(self) -> "SandboxServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        if self._running is None:
            raise RuntimeError("the sandbox is not running; use it as a context manager or call start()")
        return f"http://{HOST}:{self._running.port}"

    @property
    def airtable_url(self) -> str:
        """What stands for https://api.airtable.com."""
        return self.url + PATHS["INTEGRATIONS_AIRTABLE_API_URL"]

    @property
    def airtable_oauth_url(self) -> str:
        """What stands for https://airtable.com/oauth2/v1."""
        return self.url + PATHS["INTEGRATIONS_AIRTABLE_OAUTH_URL"]

    @property
    def gmail_url(self) -> str:
        """What stands for https://gmail.googleapis.com."""
        return self.url + PATHS["INTEGRATIONS_GMAIL_API_URL"]

    @property
    def people_url(self) -> str:
        """What stands for https://people.googleapis.com."""
        return self.url + PATHS["INTEGRATIONS_PEOPLE_API_URL"]

    @property
    def mailchimp_url(self) -> str:
        """What stands for https://us1.api.mailchimp.com."""
        return self.url + PATHS["INTEGRATIONS_MAILCHIMP_API_URL"]

    @property
    def mailchimp_oauth_url(self) -> str:
        """What stands for https://login.mailchimp.com/oauth2."""
        return self.url + PATHS["INTEGRATIONS_MAILCHIMP_OAUTH_URL"]

    @property
    def hubspot_url(self) -> str:
        """What stands for https://api.hubapi.com."""
        return self.url + PATHS["INTEGRATIONS_HUBSPOT_API_URL"]

    @property
    def google_auth_url(self) -> str:
        """What stands for https://accounts.google.com/o/oauth2/v2/auth."""
        return self.url + PATHS["INTEGRATIONS_GOOGLE_AUTH_URL"]

    @property
    def google_token_url(self) -> str:
        """What stands for https://oauth2.googleapis.com/token."""
        return self.url + PATHS["INTEGRATIONS_GOOGLE_TOKEN_URL"]

    def start(self) -> None:
        """Returns when the server answers. Raises OSError if the port is taken."""
        if self._running is None:
            self._running = _Running(self._switchboard, self.options.port)

    def reset(self) -> None:
        """The state of a new server, on the same port."""
        self._switchboard.reset()

    def stop(self) -> None:
        """Closes the socket and waits for the thread; answers that are held back are abandoned."""
        if self._running is not None:
            self._running.stop()
            self._running = None


def serve(options: SandboxOptions, announce: Callable[[str], None] | None = None) -> None:
    """Runs a sandbox in the main thread until SIGINT or SIGTERM; `announce` gets its URL once it listens."""
    server = SandboxServer(options)
    listener = socket.create_server((HOST, options.port))
    if announce is not None:
        announce(f"http://{HOST}:{listener.getsockname()[1]}")
    with ThreadPoolExecutor(THREAD_COUNT) as threads:
        uvicorn.Server(_config(build_app(server._switchboard, threads))).run(sockets=[listener])


class Switchboard:
    """Leads each request to its provider or to the control API, and carries out the faults of the former."""

    def __init__(self, stage: Stage, emulators: Sequence[Emulator]) -> None:
        self._stage = stage
        self._emulators = {emulator.name: emulator for emulator in emulators}
        self._roots = {root: emulator for emulator in emulators for root in emulator.roots}
        self._control = Control(stage, emulators)

    def now(self) -> datetime:
        return self._stage.clock.now()

    def reset(self) -> None:
        with self._stage.lock:
            self._stage.reset()
            for emulator in self._emulators.values():
                emulator.reset()

    def underway(self, request: Request) -> AbstractContextManager[None]:
        return self._stage.underway.hold(request)

    def answer(self, request: Request) -> Reply:
        if not request.segments:
            return self._control.page()
        if request.segments[0] == "sandbox":
            return self._control.handle(request)
        with self._stage.lock:
            fault = self._stage.faults.take(request)
            reply = self._with_fault(request, fault)
            self._stage.log.add(request, reply, self._stage.clock.now())
        return reply

    def _with_fault(self, request: Request, fault: FaultRule | None) -> Reply:
        if fault is None:
            return self._provider(request, None)
        if fault.action == "drop_before":
            return Reply(is_dropped=True)
        headers = tuple(fault.headers.items())
        answered = Reply(status=fault.status, body=fault.body, html=fault.html, headers=headers)
        if fault.action == "status":
            return answered
        if fault.action == "reshape":
            return reshaped(self._provider(request, fault) if fault.applies else Reply(body={}), fault)
        reply = self._provider(request, fault)
        if fault.action == "status_after":
            return answered
        if fault.action == "drop_after":
            return replace(reply, is_dropped=True)
        if fault.action == "delay":
            return replace(reply, delay_seconds=fault.seconds, is_let_go=lambda: not self._stage.faults.has(fault))
        return reply

    def _provider(self, request: Request, fault: FaultRule | None) -> Reply:
        first, *rest = request.segments
        if first in self._emulators:
            return self._emulators[first].handle(request, rest, fault)
        if first in self._roots:
            return self._roots[first].handle(request, request.segments, fault)
        return Reply(status=404, body={"error": "NOT_FOUND"})


def build_app(switchboard: Switchboard, threads: Executor) -> Starlette:
    """`threads` run the handlers, which are synchronous; they are the caller's to shut down."""

    async def endpoint(http: HttpRequest) -> Response:
        request = read_request(http.scope, await http.body())
        loop = asyncio.get_running_loop()
        with switchboard.underway(request):
            reply = await loop.run_in_executor(threads, switchboard.answer, request)
            if reply.delay_seconds and not await _has_waited(reply.delay_seconds, reply.is_let_go):
                return DroppedConnection()
        response = to_response(reply)
        # The servers' own clock, which tests move: clients measure their cursors by it.
        response.headers["date"] = format_datetime(switchboard.now(), usegmt=True)
        return response

    return Starlette(routes=[HttpRoute("/{path:path}", endpoint, methods=METHODS)])


async def _has_waited(seconds: float, is_let_go: Callable[[], bool] = lambda: False) -> bool:
    """False if the server is stopped before the time is over."""
    now = asyncio.get_running_loop().time
    until = now() + seconds
    try:
        while (left := until - now()) > 0 and not is_let_go():
            await asyncio.sleep(min(left, LOOK_SECONDS))
    except asyncio.CancelledError:
        return False
    return True


def read_request(scope: Scope, body: bytes) -> Request:
    raw_path: bytes = scope["raw_path"]
    http = HttpRequest(scope)
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    return Request(
        method=scope["method"],
        path=scope["path"],
        segments=tuple(unquote(part) for part in raw_path.decode("ascii").split("/") if part),
        query=tuple(http.query_params.multi_items()),
        body=body,
        token=token.strip() if scheme.lower() == "bearer" and token else None,
        url_length=len(str(http.url)),
        authorization=http.headers.get("authorization", ""),
        content_type=http.headers.get("content-type", ""),
        host=http.headers.get("host", ""),
        headers=tuple(http.headers.items()),
    )


def to_response(reply: Reply) -> Response:
    if reply.is_dropped:
        return DroppedConnection()
    if reply.pause_seconds is not None:
        return PacedResponse(to_response(replace(reply, pause_seconds=None)), reply.pause_seconds, reply.part_size)
    if reply.html is not None:
        return HTMLResponse(reply.html, status_code=reply.status, headers=dict(reply.headers))
    if reply.raw is not None:
        return Response(reply.raw, status_code=reply.status, headers=dict(reply.headers))
    if reply.body is None:
        return Response(status_code=reply.status, headers=dict(reply.headers))
    content = json.dumps(reply.body, separators=(",", ":")).encode()
    return Response(content, reply.status, dict(reply.headers), "application/json")


class DroppedConnection(Response):
    """Sends nothing and closes the connection under the client's feet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class PacedResponse(Response):
    """Another response whose body goes out bit by bit, until it ends or the client is gone."""

    def __init__(self, whole: Response, pause_seconds: float, part_size: int) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers
        self._pause_seconds = pause_seconds
        self._part_size = part_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        content = bytes(self.body)
        for start in range(0, len(content), self._part_size):
            is_going_on = await _has_waited(self._pause_seconds)
            if not is_going_on or scope["state"]["transport"].is_closing():
                await DroppedConnection()(scope, receive, send)
                return
            part = content[start : start + self._part_size]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # uvicorn picks the class while it is imported
    """Hands each connection's transport to the application, which needs it to drop the connection."""

    def connection_made(self, transport: Any) -> None:
        self.app_state: dict[str, Any] = {"transport": transport}
        super().connection_made(transport)


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Longer than a client's wait for the end of a penalty, so that it finds its connection still open.
        timeout_keep_alive=75,
        date_header=False,
    )


class _Running:
    """One started server: its socket, its thread, its port."""

    def __init__(self, switchboard: Switchboard, port: int) -> None:
        listener = socket.create_server((HOST, port))
        self.port: int = listener.getsockname()[1]
        self._pool = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="sandbox")
        self._server = _NotifyingServer(_config(build_app(switchboard, self._pool)))
        arguments = {"sockets": [listener]}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, name="sandbox", daemon=True)
        self._thread.start()
        while not self._server.is_ready.wait(timeout=0.1):
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox's server ended while it was starting")

    def stop(self) -> None:
        # Without force_exit uvicorn waits for answers that a fault holds back.
        self._server.force_exit = self._server.should_exit = True
        self._thread.join()
        self._pool.shutdown()


class _NotifyingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()
