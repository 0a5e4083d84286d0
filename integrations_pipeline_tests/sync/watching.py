"""A provider that lets the test act between the steps of a run.

Belongs here: the steps, and what happens at them. Does not: worlds (`arrangement`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations_pipeline.model import Change, ContactValues, Outcome
from integrations_pipeline.providers.base import CheckReport, Cursor, Page, Provider, RemoteRecord
from integrations_pipeline.providers.columns import SchemaLook

Hook = Callable[[], object]


@dataclass(slots=True)
class Hooks:
    """What happens at the provider or in the workspace between two steps of a run, each once."""

    after_read: Hook | None = None
    before_recheck: Hook | None = None
    before_write: Hook | None = None
    after_write: Hook | None = None

    def fire(self, name: str) -> None:
        hook: Hook | None = getattr(self, name)
        setattr(self, name, None)
        if hook is not None:
            hook()


class WatchedProvider:
    """A provider that lets the test act between the steps of a run."""

    def __init__(self, inner: Provider, hooks: Hooks) -> None:
        self._inner = inner
        self._hooks = hooks

    @property
    def call_count(self) -> int:
        return self._inner.call_count

    def check(self, values: ContactValues) -> CheckReport:
        return self._inner.check(values)

    def look(self) -> SchemaLook:
        return self._inner.look()

    @property
    def looked(self) -> SchemaLook | None:
        return self._inner.looked

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:
        return self._inner.recently_edited(records, seconds)

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        return self._inner.is_place_of(settings)

    def read_all(self) -> Iterator[Page]:
        yield from self._inner.read_all()
        self._hooks.fire("after_read")

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        yield from self._inner.read_changes(cursor)
        self._hooks.fire("after_read")

    def read_records(self, external_ids: Sequence[str]) -> Page:
        return self._inner.read_records(external_ids)

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:
        return self._inner.find_created(changes, since)

    def recheck(self, external_ids: Sequence[str]) -> Page:
        self._hooks.fire("before_recheck")
        return self._inner.recheck(external_ids)

    def prepare_write(self) -> None:
        self._inner.prepare_write()

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        self._hooks.fire("before_write")
        outcomes = self._inner.write(batch)
        self._hooks.fire("after_write")
        return outcomes

    def close(self) -> None:
        self._inner.close()
