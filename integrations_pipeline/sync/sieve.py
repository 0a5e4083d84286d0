"""A listing of everything, reduced to what changed, page by page: memory stays flat whatever the size.

Each record's fields become a fingerprint, which its link has too if record and base were compared and agree. What is
equal is only marked as seen. Belongs here: fingerprints, what was seen, what is missing. Does not: reading (`reading`).
"""

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import links
from integrations_pipeline.sync.runtime import Run

#: Records that are compared with their links in one statement.
SIFTED_AT_ONCE = 5_000
#: Bytes of a hash: no two records of the world share them.
_BYTES = 16


class Fingerprints:
    """Of records as one configuration sees them: id, contact key, the mapped fields, what is compared with what."""

    def __init__(self, run: Run) -> None:
        self._names = run.names
        told = json.dumps([run.configuration, self._names], sort_keys=True)
        self._keyed = hashlib.blake2b(told.encode(), digest_size=_BYTES)

    def of(self, record: RemoteRecord) -> str | None:
        """None for a record that does not tell all its fields: that is no state to agree on."""
        fields = record.fields
        try:
            texts = [fields[name] for name in self._names]
        except KeyError:
            return None
        if links.SEPARATOR in record.external_id:
            return None
        keyed = self._keyed.copy()
        # The text of a list is another one for every other list, whatever characters are in it.
        keyed.update(repr([record.external_id, record.contact_key, *texts]).encode())
        return keyed.hexdigest()


class Sieve:
    """Follows one listing: which records of it are news, and which links it did not show."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._fingerprints = Fingerprints(run)
        #: Hashes of the ids, 8 bytes each. Two ids that share one hide a deletion until the next process looks.
        self._seen = array("q")
        self.unchanged = 0

    def sift(self, records: Iterable[RemoteRecord]) -> dict[str, str | None]:
        """The records that are not known to be as their link's base says, with their fingerprints."""
        made = {record.external_id: self._fingerprints.of(record) for record in records}
        self._seen.extend(map(hash, made))
        asked = {key: fingerprint for key, fingerprint in made.items() if fingerprint}
        with self._run.session.begin() as connection:
            news = set(links.differing(connection, self._run.connection.id, asked))
        self.unchanged += len(asked) - len(news)
        return {key: fingerprint for key, fingerprint in made.items() if not fingerprint or key in news}

    @property
    def has_seen_nobody(self) -> bool:
        return not self._seen

    def seen_of(self, ids: Iterable[str]) -> set[str]:
        """Those of these records that the listing showed."""
        listed = list(ids)
        return set(listed) - set(_unseen(listed, self._sorted()))

    def missing(self) -> Iterator[str]:
        """Linked records that the listing did not show."""
        seen = self._sorted()
        after = ""
        while True:
            with self._run.session.begin() as connection:
                known = links.linked_in_order(connection, self._run.connection.id, after, SIFTED_AT_ONCE)
            if not known:
                return
            yield from _unseen(known, seen)
            after = known[-1]

    def _sorted(self) -> "np.typing.NDArray[np.int64]":
        return np.unique(np.array(self._seen, dtype=np.int64))


def _unseen(ids: list[str], seen: "np.typing.NDArray[np.int64]") -> list[str]:
    hashes = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
    at = np.searchsorted(seen, hashes)
    is_seen = np.zeros(len(ids), dtype=bool)
    inside = at < len(seen)
    is_seen[inside] = seen[at[inside]] == hashes[inside]
    return [key for key, found in zip(ids, is_seen.tolist(), strict=True) if not found]


def fingerprints_of(run: Run, records: Mapping[str, RemoteRecord]) -> dict[str, str | None]:
    """The same for what an incremental read told."""
    made = Fingerprints(run)
    return {key: made.of(record) for key, record in records.items()}
