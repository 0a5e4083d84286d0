"""The answer to a batch, taken apart by what it says of each input: never by position.

HubSpot answers a batch whose inputs all carry their own `objectWriteTraceId` one by one: results and errors name it.
Where it does not, results are told apart by id or address, and errors by id. Belongs here: that. Does not: what becomes
of a change (`writer`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Change
from integrations_pipeline.providers.hubspot import wire
from integrations_pipeline.providers.hubspot.client import Contact

TRACE = "objectWriteTraceId"


def trace_of(change: Change) -> str:
    """What an input carries, so that the answer can name it."""
    return str(change.id)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """`results` and `refusals` by whatever names them: a trace id, an id, an address."""

    results: Mapping[str, Contact]
    refusals: Mapping[str, PermanentError]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "BatchAnswer":
        results = {key: contact for contact in body["results"] for key in _names(contact)}
        told = [(each, each.get("context") or {}) for each in body.get("errors") or ()]
        refusals = {
            key: wire.refusal(each)
            for each, context in told
            for key in (*context.get(TRACE, ()), *context.get("ids", ()))
        }
        return cls(results, refusals)

    def result(self, change: Change, email: str = "") -> Contact | None:
        return next((self.results[key] for key in _keys(change, email) if key in self.results), None)

    def refusal(self, change: Change) -> PermanentError | None:
        return next((self.refusals[key] for key in _keys(change) if key in self.refusals), None)


def _names(contact: Contact) -> Iterator[str]:
    """A contact that names its input is known by that alone; ids and addresses may be another's by then."""
    if contact.get(TRACE):
        yield str(contact[TRACE])
        return
    yield str(contact["id"])
    if email := (contact["properties"].get("email") or "").lower():
        yield email


def _keys(change: Change, email: str = "") -> list[str]:
    return [key for key in (trace_of(change), change.external_id, email.lower()) if key]
