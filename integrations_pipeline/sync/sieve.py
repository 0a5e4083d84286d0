"""A listing of everything, reduced to what changed, page by page: memory stays flat whatever the size.

Each record's fields become a fingerprint, which its link has too if record and base were compared and agree. What is
equal is only marked as seen. Belongs here: what was seen, what is missing. Does not: making fingerprints,
reading (`reading`).
"""

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import links
from integrations_pipeline.sync.fingerprints import Fingerprints
from integrations_pipeline.sync.runtime import Run

Hashes = NDArray[np.int64]

#: Links that are read in one statement.
LINKS_AT_ONCE = 5_000
#: Digits of a fingerprint that are compared.
_HEAD = 16


class Sieve:
    """Follows one listing: which records of it are news, and which links it did not show.

    A fingerprint covers the record's id, so one that any link has is that of this record's own link. What the links
    have is read once, 8 bytes of each: a changed record would have to share them with one of so many.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._fingerprints = Fingerprints(run)
        self._known: Hashes | None = None
        #: Which of those the listing showed, by their place; and hashes of its ids, 8 bytes each. Two ids that share
        #: one hide a deletion until the next process looks.
        self._is_met = np.zeros(0, dtype=bool)
        self._seen = array("q")
        self.unchanged = 0

    def sift(self, records: Iterable[RemoteRecord]) -> dict[str, str | None]:
        """The records that are not known to be as their link's base says, with their fingerprints."""
        made = {record.external_id: self._fingerprints.of(record) for record in records}
        self._seen.extend(map(hash, made))
        told = {key: fingerprint for key, fingerprint in made.items() if fingerprint}
        known, hashes = self._links(), _heads(found[:_HEAD] for found in told.values())
        at = np.searchsorted(known, hashes)
        is_known = np.zeros(len(hashes), dtype=bool)
        inside = at < len(known)
        is_known[inside] = known[at[inside]] == hashes[inside]
        self._is_met[at[is_known]] = True
        news = {key for key, found in zip(told, is_known.tolist(), strict=True) if not found}
        self.unchanged += len(told) - len(news)
        return {key: fingerprint for key, fingerprint in made.items() if not fingerprint or key in news}

    def _links(self) -> Hashes:
        if self._known is None:
            with self._run.session.begin() as connection:
                told = links.known_fingerprints(connection, self._run.connection.id)
            self._known = np.sort(_heads([told]))
            self._is_met = np.zeros(len(self._known), dtype=bool)
        return self._known

    @property
    def has_seen_nobody(self) -> bool:
        return not self._seen

    def seen_of(self, ids: Iterable[str]) -> set[str]:
        """Those of these records that the listing showed."""
        listed = list(ids)
        return set(listed) - set(_unseen(listed, self._sorted()))

    def missing(self) -> Iterator[str]:
        """Linked records that the listing did not show. Where every link's fingerprint was met, none is looked for."""
        with self._run.session.begin() as connection:
            linked = links.count_links(connection, self._run.connection.id)
        if linked == int(self._is_met.sum()):
            return
        seen = self._sorted()
        after = ""
        while True:
            with self._run.session.begin() as connection:
                known = links.linked_in_order(connection, self._run.connection.id, after, LINKS_AT_ONCE)
            if not known:
                return
            yield from _unseen(known, seen)
            after = known[-1]

    def _sorted(self) -> Hashes:
        return np.unique(np.array(self._seen, dtype=np.int64))


def _heads(texts: Iterable[str]) -> Hashes:
    """The beginnings of fingerprints, in hexadecimal, as numbers."""
    return np.frombuffer(bytes.fromhex("".join(texts)), dtype=np.int64)


def _unseen(ids: list[str], seen: Hashes) -> list[str]:
    hashes = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
    at = np.searchsorted(seen, hashes)
    is_seen = np.zeros(len(ids), dtype=bool)
    inside = at < len(seen)
    is_seen[inside] = seen[at[inside]] == hashes[inside]
    return [key for key, found in zip(ids, is_seen.tolist(), strict=True) if not found]
