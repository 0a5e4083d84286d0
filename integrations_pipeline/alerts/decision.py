"""What is to be told: how each connection is now, against what was last told of it. Pure.

Belongs here: the rules. Does not: wording (`words`), reading and writing (`watch`).

    kind          said                        not judged, so that what was told stays
    connection    error, disconnected         switched off, paused
    stale         stale                       every status but active
    holds         held, with how many         switched off, paused
    conflicts     open, with how many         switched off, paused
    fields        the fields that stopped     switched off, paused
    certificate   failed                      switched off, paused; without a certificate

Told is whatever differs from what was last told, "" being "as it should be": a change between two looks that was
taken back is not told, and one that came in two steps is told once. Of holds and conflicts there is a further word
when they became twice as many. What one look finds of more than `MOST_ALIKE` connections is told in one line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from integrations_pipeline.alerts.words import FIELD_BREAK, Change, name_of, summary_words, words
from integrations_pipeline.store.alerts import Kind, NewAlert, Told, Watched

#: More of one kind in one look are told in one line.
MOST_ALIKE = 10
#: A conflict that is open for longer is told.
CONFLICT_AGE = timedelta(days=1)

_NOTHING = Told()


def decide(
    fleet: Sequence[Watched], told: Mapping[tuple[UUID, str], Told], most_alike: int = MOST_ALIKE
) -> list[NewAlert]:
    """The alerts to write, in the order of the fleet; lines for many after those that they tell."""
    alerts = [alert for each in fleet for alert in changes_of(each, told)]
    return summed(alerts, {each.connection_id: name_of(each) for each in fleet}, most_alike)


def changes_of(watched: Watched, told: Mapping[tuple[UUID, str], Told]) -> list[NewAlert]:
    """What is to be told of one connection."""
    alerts = []
    for kind, judge in _JUDGES.items():
        last = told.get((watched.connection_id, kind), _NOTHING)
        found = judge(watched)
        if found is not None and is_news(found, last):
            alerts.append(
                NewAlert(
                    kind=kind,
                    said=found.said,
                    amount=found.amount,
                    text=words(watched, Change(kind=kind, found=found, last=last)),
                    workspace_id=watched.workspace_id,
                    connection_id=watched.connection_id,
                )
            )
    return alerts


def is_news(found: Told, last: Told) -> bool:
    """Another state, or the same one with twice as much."""
    return found.said != last.said or bool(found.said and found.amount >= 2 * last.amount > 0)


def summed(alerts: Sequence[NewAlert], names: Mapping[UUID, str], most_alike: int = MOST_ALIKE) -> list[NewAlert]:
    """The same alerts; those of which there are too many alike are left to one line for all of them."""
    alike: dict[tuple[Kind, str], list[NewAlert]] = {}
    for alert in alerts:
        alike.setdefault(_likeness(alert), []).append(alert)
    many = {key: group for key, group in alike.items() if len(group) > most_alike}
    lines = [
        NewAlert(kind=kind, said=said, amount=len(group), text=summary_words(kind, said, _named(group, names)))
        for (kind, said), group in many.items()
    ]
    return [*(replace(alert, is_summed=_likeness(alert) in many) for alert in alerts), *lines]


def _named(group: Iterable[NewAlert], names: Mapping[UUID, str]) -> list[str]:
    return [names[alert.connection_id] for alert in group if alert.connection_id]


def _likeness(alert: NewAlert) -> tuple[Kind, str]:
    """Which fields stopped does not matter to a line for many."""
    return alert.kind, "stopped" if alert.said and alert.kind is Kind.FIELDS else alert.said


def _is_watched(watched: Watched) -> bool:
    return watched.sync_enabled and watched.status != "paused"


def _connection(watched: Watched) -> Told | None:
    if not _is_watched(watched):
        return None
    return Told(said="" if watched.status == "active" else watched.status)


def _stale(watched: Watched) -> Told | None:
    if not _is_watched(watched) or watched.status != "active":
        return None
    is_stale = watched.silent_for > 2 * timedelta(minutes=watched.frequency_minutes)
    return Told(said="stale" if is_stale else "")


def _holds(watched: Watched) -> Told | None:
    return _counted(watched, "held", watched.held)


def _conflicts(watched: Watched) -> Told | None:
    return _counted(watched, "open", watched.conflicts)


def _counted(watched: Watched, said: str, amount: int) -> Told | None:
    return Told(said=said if amount else "", amount=amount) if _is_watched(watched) else None


def _fields(watched: Watched) -> Told | None:
    return Told(said=FIELD_BREAK.join(watched.stopped_fields)) if _is_watched(watched) else None


def _certificate(watched: Watched) -> Told | None:
    if not _is_watched(watched) or watched.is_certified is None:
        return None
    return Told(said="" if watched.is_certified else "failed")


_JUDGES: Mapping[Kind, Callable[[Watched], Told | None]] = {
    Kind.CONNECTION: _connection,
    Kind.STALE: _stale,
    Kind.HOLDS: _holds,
    Kind.CONFLICTS: _conflicts,
    Kind.FIELDS: _fields,
    Kind.CERTIFICATE: _certificate,
}
