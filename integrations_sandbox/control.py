# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""The control API under `/sandbox`: act as a person in the app, make things go wrong, see what arrived.

Belongs here: what all providers share, and finding the operation. Does not belong here: the providers' own
operations (each emulator's `control`), their APIs.

Control requests need no token, are not limited, not hit by faults and not logged.
"""

from collections.abc import Sequence

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.page import render
from integrations_sandbox.stage import Emulator, Stage, iso
from integrations_sandbox.wire import ControlRow, Reply, Request, Route, WireError, find_route


class Control:
    """Answers requests whose path begins with `/sandbox`, and `/`."""

    def __init__(self, stage: Stage, emulators: Sequence[Emulator]) -> None:
        self._stage = stage
        self._emulators = tuple(emulators)
        self._table = [*self._shared(), *(row for emulator in emulators for row in emulator.control())]
        self._routes = tuple(
            Route(method=method, template=template, handler=handler) for method, template, handler, _ in self._table
        )

    def handle(self, request: Request) -> Reply:
        answer = find_route(self._routes, request, request.segments)
        if answer is None:
            return _refused(404, "NOT_FOUND", "the control API has no such path or method; see /")
        try:
            with self._stage.lock:
                return answer()
        except WireError as error:
            return Reply(status=error.status, body=error.body)
        except (ValueError, TypeError, KeyError) as error:
            return _refused(400, "BAD_REQUEST", f"{type(error).__name__}: {error}")

    def page(self) -> Reply:
        lines = [f"{method:<6} /{_shown(path):<58} {text}" for method, path, _, text in self._table]
        return Reply(html=render([emulator.guide for emulator in self._emulators], lines))

    def _shared(self) -> list[ControlRow]:
        return [
            ("GET", "sandbox/health", self.health, "is it up"),
            ("POST", "sandbox/reset", self.reset, "forget everything"),
            ("POST", "sandbox/clock", self.advance, '{"advance_seconds": 60}'),
            ("GET", "sandbox/requests", self.requests, "what arrived; ?after=N"),
            ("DELETE", "sandbox/requests", self.clear_requests, "empty that log"),
            ("GET", "sandbox/faults", self.faults, "the fault rules in force"),
            ("POST", "sandbox/faults", self.add_faults, '{"action": "status", "status": 503, "times": 2}'),
            ("DELETE", "sandbox/faults", self.clear_faults, "remove them; ?action=… those of one action"),
        ]

    def health(self, request: Request) -> Reply:
        names = [emulator.name for emulator in self._emulators]
        return Reply(body={"status": "ok", "time": iso(self._stage.clock.now()), "providers": names})

    def reset(self, request: Request) -> Reply:
        self._stage.reset()
        for emulator in self._emulators:
            emulator.reset()
        return Reply(body={})

    def advance(self, request: Request) -> Reply:
        self._stage.clock.advance(float(request.json()["advance_seconds"]))
        return self.health(request)

    def requests(self, request: Request) -> Reply:
        entries = self._stage.log.entries(int(request.value("after") or 0))
        return Reply(body={"requests": [entry.to_json() for entry in entries]})

    def clear_requests(self, request: Request) -> Reply:
        self._stage.log.clear()
        return Reply(body={})

    def faults(self, request: Request) -> Reply:
        return Reply(body={"faults": self._stage.faults.to_json()})

    def add_faults(self, request: Request) -> Reply:
        """One rule, or `{"faults": [rule, …]}`; nothing is added unless all are right."""
        document = request.json()
        rules = [FaultRule.from_json(each) for each in document.get("faults", [document])]
        for rule in rules:
            self._stage.faults.add(rule)
        return self.faults(request)

    def clear_faults(self, request: Request) -> Reply:
        self._stage.faults.clear(request.value("action"))
        return Reply(body={})


def _refused(status: int, kind: str, message: str) -> Reply:
    return Reply(status=status, body={"error": {"type": kind, "message": message}})


def _shown(template: str) -> str:
    """A path template with names in place of its `{}`: base, table, and what comes third."""
    template = template.replace("tokens/{}", "tokens/TOKEN").replace("lists/{}", "lists/LIST")
    template = template.replace("members/{}", "members/EMAIL").replace("merge-fields/{}", "merge-fields/TAG")
    template = template.replace("keys/{}", "keys/KEY").replace("accounts/{}", "accounts/ACCOUNT")
    template = template.replace("mailboxes/{}", "mailboxes/ADDRESS").replace("messages/{}", "messages/MESSAGE")
    template = template.replace("deliveries/{}", "deliveries/DELIVERY")
    template = template.replace("fields/{}", "fields/FIELD")
    for name in ("BASE", "TABLE", "ID"):
        template = template.replace("{}", name, 1)
    return template
