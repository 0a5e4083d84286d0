"""Batch operations: requests that are handed in together, and fetched as a packed file of answers.

Belongs here: their progress, the file, its links. Does not belong here: running one operation (`api`), many members
in one request (`bulk`).

Assumed: the sandbox runs the operations at once, in their order; only their progress takes `batch_seconds`.
"""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.mailchimp.model import hex_id, stamp
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject

#: Of one request, and of one account, from a reading of the documentation.
MOST_OPERATIONS = 1000
MOST_OPEN = 500
#: How long a link to the answers works, and how long there are answers at all.
LINK_TIME = timedelta(minutes=10)
KEPT_TIME = timedelta(days=7)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: The states before the last, over the time that a batch takes.
_STAGES = ("pending", "preprocessing", "started", "finalizing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    method: str
    path: str
    params: JsonObject
    body: str
    operation_id: str | None


@dataclass(slots=True)
class Batch:
    """`answers` are of the shape `{status_code, operation_id, response}`, the response being JSON in a text."""

    id: str
    account: str
    submitted_at: datetime
    seconds: float
    answers: list[JsonObject] = field(default_factory=list)

    @property
    def completed_at(self) -> datetime:
        return self.submitted_at + timedelta(seconds=self.seconds)

    def status(self, now: datetime) -> str:
        if now >= self.completed_at:
            return "finished"
        return _STAGES[int(len(_STAGES) * (now - self.submitted_at).total_seconds() / self.seconds)]


class Batches:
    """The batches of all accounts, and the links to their answers."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._batches: dict[str, Batch] = {}
        self._links: dict[str, tuple[str, datetime]] = {}

    def of(self, account: str) -> list[Batch]:
        return [each for each in self._batches.values() if each.account == account]

    def find(self, account: str, batch_id: str) -> Batch:
        batch = self._batches.get(batch_id)
        if batch is None or batch.account != account:
            raise errors.not_found()
        return batch

    def add(self, account: str, seconds: float, now: datetime) -> Batch:
        if sum(each.status(now) != "finished" for each in self.of(account)) >= MOST_OPEN:
            # Assumed: status and wording.
            raise errors.problem(400, "Invalid Resource", f"You may not have more than {MOST_OPEN} batches open.")
        batch = Batch(hex_id(self._ids.new("batch"), 10), account, now, seconds)
        self._batches[batch.id] = batch
        return batch

    def new_link(self, batch: Batch, now: datetime) -> str:
        """The end of the address of the answers, valid for a while; each look at a batch gives a new one."""
        token = hex_id(self._ids.new("link"), 32)
        self._links[token] = (batch.id, now + LINK_TIME)
        return token

    def archive(self, token: str, now: datetime) -> bytes | None:
        """The packed answers, or None if the link is unknown or over."""
        batch_id, ends_at = self._links.get(token, ("", now))
        return _pack(self._batches[batch_id], now) if now < ends_at else None


def read_operations(document: Any) -> list[Operation]:
    """Raises WireError for what cannot be run at all; what an operation is refused for is in its answer."""
    listed = document.get("operations") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise errors.invalid_resource(errors.not_provided("operations"))
    if len(listed) > MOST_OPERATIONS:
        # Assumed: the wording.
        raise errors.invalid_resource(("operations", f"No more than {MOST_OPERATIONS} operations can be submitted."))
    return [_read_operation(each) for each in listed]


def batch_json(batch: Batch, now: datetime, url: str, links: Sequence[JsonObject]) -> JsonObject:
    is_finished = batch.status(now) == "finished"
    return {
        "id": batch.id,
        "status": batch.status(now),
        "total_operations": len(batch.answers),
        "finished_operations": len(batch.answers) if is_finished else 0,
        "errored_operations": sum(each["status_code"] >= 400 for each in batch.answers) if is_finished else 0,
        "submitted_at": stamp(batch.submitted_at),
        "completed_at": stamp(batch.completed_at) if is_finished else "",
        "response_body_url": url,
        "_links": list(links),
    }


def _read_operation(document: Any) -> Operation:
    if not isinstance(document, dict) or not isinstance(document.get("path"), str):
        raise errors.invalid_resource(errors.not_provided("path"))
    if document.get("method") not in METHODS:
        raise errors.invalid_resource(errors.not_accepted("method", METHODS))
    body, params = document.get("body") or "", document.get("params") or {}
    if not isinstance(body, str):
        raise errors.invalid_resource(errors.not_of_type("body", "string", body))
    if not isinstance(params, dict):
        raise errors.invalid_resource(errors.not_of_type("params", "object", params))
    return Operation(
        method=document["method"],
        path=document["path"],
        params=params,
        body=body,
        operation_id=document.get("operation_id"),
    )


def _pack(batch: Batch, now: datetime) -> bytes:
    content = json.dumps(batch.answers).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"{batch.id}.json")
        entry.size, entry.mtime = len(content), int(now.timestamp())
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
