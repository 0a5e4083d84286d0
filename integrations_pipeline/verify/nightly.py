"""Certificates for a part of the fleet every night: each connection every so many nights, whoever differed again.

Belongs here: whose turn it is, and that one connection's trouble stays its own. Does not: the certificate (`certify`),
when this is called (`orchestration`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from integrations_pipeline.errors import IntegrationError, RetryableError, UnavailableError
from integrations_pipeline.store import verification
from integrations_pipeline.store.faults import words_of
from integrations_pipeline.store.verification import Verifiable
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.verify.certify import certify, is_verifiable
from integrations_pipeline.verify.compare import Certificate

_log = logging.getLogger(__name__)

#: After so many failures in a row that pass by themselves, a provider is left alone until the next night.
PATIENCE = 3

Result = Literal["agreeing", "differing", "failed", "postponed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What became of one connection; `reason` is "" for one whose sides agree."""

    workspace: str
    provider: str
    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightReport:
    """What became of all of them, in the order in which they were looked at."""

    connections: Sequence[Verified] = ()

    def to_dict(self) -> dict[str, Any]:
        """Counts by result, and who needs a look."""
        counts = Counter(each.result for each in self.connections)
        troubled = [each for each in self.connections if each.result in ("differing", "failed")]
        return {
            **{result: counts[result] for result in ("agreeing", "differing", "failed", "postponed")},
            "troubles": [f"{each.provider} of {each.workspace}: {each.reason}" for each in troubled],
        }


def is_turn(connection_id: UUID, on: date, nights: int) -> bool:
    """Whether it is this connection's night: one in `nights`, always the same one; never where that is 0."""
    if nights <= 0:
        return False
    share = int.from_bytes(sha256(b"verify" + connection_id.bytes).digest()[:8])
    return (share + on.toordinal()) % nights == 0


def verify_slice(
    runtime: Runtime, nights: int, on: date, of: Callable[[Runtime, str, str], Certificate] = certify
) -> NightReport:
    """Certify this night's connections, and those whose last certificate found differences. Raises only
    `UnavailableError`, when there is no database to ask; what happens to a single one is in report and log."""
    with runtime.database.admin() as connection:
        listed = verification.verifiable_connections(connection)
    known = [
        each
        for each in listed
        if each.integration_type in runtime.specs and is_verifiable(runtime.spec(each.integration_type))
    ]
    turn = [each for each in known if is_turn(each.connection_id, on, nights) or (nights and each.is_doubted)]
    failures: Counter[str] = Counter()
    found = []
    for each in turn:
        verified = _verified(runtime, each, failures, of)
        if verified.reason:
            _log.warning("%s of %s: %s: %s", verified.provider, verified.workspace, verified.result, verified.reason)
        found.append(verified)
    return NightReport(connections=tuple(found))


def _verified(
    runtime: Runtime, each: Verifiable, failures: Counter[str], of: Callable[[Runtime, str, str], Certificate]
) -> Verified:
    """One connection. `failures` counts those in a row, by provider, that pass by themselves."""
    provider = each.integration_type
    if failures[provider] >= PATIENCE:
        return _told(each, "postponed", f"{provider} failed {PATIENCE} times in a row")
    try:
        certificate = of(runtime, each.workspace_slug, provider)
    except UnavailableError:
        raise
    except IntegrationError as error:
        failures[provider] += isinstance(error, RetryableError)
        return _told(each, "failed", str(error))
    except Exception as error:  # noqa: BLE001 - a defect met in one connection must not stop the others
        # Not its message: that may hold somebody's data.
        return _told(each, "failed", words_of(error))
    failures[provider] = 0
    if certificate.differing:
        return _told(each, "differing", f"{certificate.differing_count} of {certificate.compared} differ")
    return _told(each, "agreeing")


def _told(each: Verifiable, result: Result, reason: str = "") -> Verified:
    return Verified(workspace=each.workspace_slug, provider=each.integration_type, result=result, reason=reason)
