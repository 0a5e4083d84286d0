"""What a record looks like, as one short text: equal to its link's if record and base were compared and agree.

Belongs here: making fingerprints. Does not: comparing a listing with the links (`sieve`), which needs numpy.
"""

import hashlib
import json
from collections.abc import Mapping

from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import links
from integrations_pipeline.sync.runtime import Run

#: Bytes of a fingerprint: no two records of the world share them.
_BYTES = 16
#: Between the texts that a fingerprint is made of; in none of them, or their Python form is taken.
_BETWEEN = "\x1e"


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
        told = [record.external_id, record.contact_key, *texts]
        if links.SEPARATOR in record.external_id:
            return None
        joined = _BETWEEN.join(told)
        if joined.count(_BETWEEN) != len(told) - 1:
            # The text of a list is another one for every other list, whatever characters are in it.
            joined = repr(told)
        keyed = self._keyed.copy()
        keyed.update(joined.encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()


def fingerprints_of(run: Run, records: Mapping[str, RemoteRecord]) -> dict[str, str | None]:
    """The same for what an incremental read told."""
    made = Fingerprints(run)
    return {key: made.of(record) for key, record in records.items()}
