"""The batch endpoints: up to 100 inputs, all or nothing unless each of them carries its own trace id.

Belongs here: taking inputs apart, and the answer with its results and errors. Does not: single writes (`writing`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations_sandbox.hubspot import errors
from integrations_sandbox.hubspot.errors import Refusal
from integrations_sandbox.hubspot.model import Contact, Portal, document
from integrations_sandbox.hubspot.options import HubSpotOptions
from integrations_sandbox.hubspot.reading import USUAL
from integrations_sandbox.hubspot.writing import Writer
from integrations_sandbox.stage import iso
from integrations_sandbox.wire import JsonObject, Reply

MOST = 100
TRACE = "objectWriteTraceId"
Input = Mapping[str, Any]


@dataclass(slots=True)
class _Answer:
    results: list[JsonObject] = field(default_factory=list)
    errors: list[JsonObject] = field(default_factory=list)

    def reply(self, now: datetime, status: int) -> Reply:
        body: JsonObject = {
            "status": "COMPLETE",
            "results": self.results,
            "startedAt": iso(now),
            "completedAt": iso(now),
        }
        if self.errors:
            body |= {"numErrors": len(self.errors), "errors": self.errors}
        return Reply(status=207 if self.errors else status, body=body)


class Batches:
    """The batches of one request, on one portal."""

    def __init__(self, portal: Portal, options: HubSpotOptions, now: datetime) -> None:
        self._portal = portal
        self._options = options
        self._now = now
        self._writer = Writer(portal, options, now)

    def read(self, body: Mapping[str, Any]) -> Reply:
        """By id, of which those that were merged lead to what they became; or by address, additional ones too."""
        by, names = body.get("idProperty"), list(body.get("properties") or USUAL)
        if by not in (None, "email"):
            raise errors.invalid("idProperty must be a property with unique values")
        keys = [str(each.get("id", "")) for each in _inputs(body)]
        found: dict[str, Contact] = {}
        missing: list[str] = []
        for key in keys:
            contact = self._portal.by_email(key) if by else self._portal.find(key)
            if contact is None or not contact.is_there:
                missing.append(key)
            else:
                found[contact.id] = contact
        answer = _Answer(results=[document(self._portal, each, names) for each in found.values()])
        if missing and self._options.tells_missing:
            answer.errors.append(errors.multi_status(_missing(), ids=missing))
        return answer.reply(self._now, 200)

    def create(self, body: Mapping[str, Any]) -> Reply:
        def one(each: Input) -> tuple[Contact, JsonObject]:
            return self._writer.create(_properties(each)), {}

        return self._written(_inputs(body), one, 201)

    def update(self, body: Mapping[str, Any]) -> Reply:
        inputs = _inputs(body)
        if any(each.get("idProperty") for each in inputs):
            raise errors.invalid("Unable to perform update/upsert by non-unique 0-1 property")
        there = []
        answer = _Answer()
        for each in inputs:
            contact = self._portal.find(str(each.get("id", "")))
            if contact is None or not contact.is_there:
                # Told apart in any case, as seen on the wire.
                told = errors.multi_status(_missing(), trace_id=each.get(TRACE), ids=[str(each.get("id"))])
                answer.errors.append(told)
            else:
                there.append(each)

        def one(each: Input) -> tuple[Contact, JsonObject]:
            contact = self._portal.find(str(each["id"]))
            if contact is None:
                raise _missing()
            return self._writer.update(contact, _properties(each)), {}

        return self._written(there, one, 200, answer)

    def upsert(self, body: Mapping[str, Any]) -> Reply:
        """By address: the contact that has it, as an additional one too, or a new one."""
        inputs = _inputs(body)
        if any(each.get("idProperty") != "email" for each in inputs):
            raise errors.invalid("Unable to perform update/upsert by non-unique 0-1 property")

        def one(each: Input) -> tuple[Contact, JsonObject]:
            given = _properties(each)
            contact = self._portal.by_email(str(each["id"]))
            if contact is not None:
                return self._writer.update(contact, given), {"new": False}
            return self._writer.create({"email": each["id"], **given}), {"new": True}

        return self._written(inputs, one, 200)

    def archive(self, body: Mapping[str, Any]) -> Reply:
        """Ids that do not exist are archived just as well."""
        for each in _inputs(body):
            contact = self._portal.find(str(each.get("id", "")))
            if contact is not None and contact.is_there:
                self._writer.archive(contact)
        return Reply(status=204)

    def _written(
        self,
        inputs: Sequence[Input],
        one: Callable[[Input], tuple[Contact, JsonObject]],
        status: int,
        answer: _Answer | None = None,
    ) -> Reply:
        told = answer or _Answer()
        traces = [each.get(TRACE) for each in inputs]
        is_single = self._options.multi_status and all(traces) and len(set(traces)) == len(traces)
        for each in inputs:
            try:
                contact, more = one(each)
            except Refusal as refusal:
                if not is_single:
                    self._writer.undo()
                    raise
                told.errors.append(errors.multi_status(refusal, trace_id=str(each[TRACE])))
                continue
            shown = document(self._portal, contact, list(_properties(each)))
            traced = {TRACE: each[TRACE]} if each.get(TRACE) else {}
            told.results.append(shown | more | traced)
        return told.reply(self._now, status)


def _missing() -> Refusal:
    return errors.not_found(
        "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
    )


def _inputs(body: Mapping[str, Any]) -> list[Input]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise errors.invalid("inputs must be a list of objects")
    if len(inputs) > MOST:
        raise errors.invalid(f"The maximum number of inputs supported in a batch request is {MOST}")
    ids = Counter(str(each["id"]).lower() for each in inputs if "id" in each)
    if any(count > 1 for count in ids.values()):
        raise errors.invalid("Duplicate IDs found in batch input")
    return inputs


def _properties(each: Input) -> dict[str, Any]:
    given = each.get("properties") or {}
    if not isinstance(given, dict):
        raise errors.invalid("properties must be an object")
    return given
