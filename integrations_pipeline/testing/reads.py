"""Whole reads of a provider, folded as the sync folds them. Belongs here: reading. Does not: what must be true."""

from collections.abc import Sequence

from integrations_pipeline.providers.base import Cursor, Page, Provider, RemoteRecord


class Read:
    """A read folded as the sync folds it: later pages win."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = pages
        self.records: dict[str, RemoteRecord] = {}
        self.tombstones: set[str] = set()
        for page in pages:
            for record in page.records:
                self.records[record.external_id] = record
                self.tombstones.discard(record.external_id)
            for external_id in page.tombstones:
                self.records.pop(external_id, None)
                self.tombstones.add(external_id)

    @property
    def cursor(self) -> Cursor:
        return self.pages[-1].cursor

    @property
    def is_complete(self) -> bool:
        return any(page.is_complete for page in self.pages)

    @property
    def ids(self) -> set[str]:
        return set(self.records)


def read_all(provider: Provider) -> Read:
    return Read(list(provider.read_all()))


def read_changes(provider: Provider, cursor: Cursor) -> Read:
    return Read(list(provider.read_changes(cursor)))
