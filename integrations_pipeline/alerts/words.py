"""The words of alerts: the first line is the title, the next what it means and the command to run. Pure.

Belongs here: texts. Does not: whether something is told (`decision`). They go to chats and mailboxes: workspace,
provider, names of fields and counts, never the data, and no message of a provider or of another application.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from integrations_pipeline.layout import amount, span
from integrations_pipeline.store.alerts import Kind, Told, Watched

#: Between the fields of a state, and what no name of a field holds.
FIELD_BREAK = "\n"
#: Fields and connections that a text names.
NAMED = 5
LONGEST_NAME = 60
#: Anything else could be markup, a mention or an address to a destination.
_UNSAFE = re.compile(r"[^\w .\-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is told of one connection: its state now, and what was last told."""

    kind: Kind
    found: Told
    last: Told

    @property
    def is_over(self) -> bool:
        return not self.found.said


def name_of(watched: Watched) -> str:
    return f"{plain(watched.workspace_slug)} {plain(watched.integration_type)}"


def plain(name: str) -> str:
    """A name without what a chat would obey."""
    safe = _UNSAFE.sub("?", name)
    return safe if len(safe) <= LONGEST_NAME else f"{safe[:LONGEST_NAME]}…"


def words(watched: Watched, change: Change) -> str:
    """The alert's text, of two lines."""
    title, meaning = _WORDS[change.kind](watched, change)
    return f"{name_of(watched)}: {title}\n{meaning}"


def summary_words(kind: Kind, said: str, names: Sequence[str]) -> str:
    """One line for many connections, with the first of them."""
    title = _SUMMARIES[kind, said]
    return f"{len(names):,} connections: {title}\n{_first(names)}. Look: `integrations status --problems`"


def _first(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _look(watched: Watched) -> str:
    return f"Look: `integrations status --workspace {plain(watched.workspace_slug)}`"


def _connection(watched: Watched, change: Change) -> tuple[str, str]:
    was = _STATUSES.get(change.last.said, change.last.said)
    if change.is_over:
        return f"active again (was {was})", _look(watched)
    if change.found.said == "disconnected":
        slug, provider = plain(watched.workspace_slug), plain(watched.integration_type)
        return "disconnected", (
            "The provider took the authorisation back, nothing is synced. "
            f"Do: `integrations connections authorize {provider} --workspace {slug}`"
        )
    runs = amount(watched.error_count, "failed run")
    return f"in error after {runs}", f"Nothing is synced but for one try a day. {_look(watched)}"


def _stale(watched: Watched, change: Change) -> tuple[str, str]:
    if change.is_over:
        return "synced again", _look(watched)
    age = span(int(watched.silent_for.total_seconds()))
    every = span(watched.frequency_minutes * 60)
    return f"not synced for {age}", f"It should be every {every}. {_look(watched)}"


def _holds(watched: Watched, change: Change) -> tuple[str, str]:
    look = f"Look: `integrations holds list --workspace {plain(watched.workspace_slug)}`"
    if change.is_over:
        return "nothing is held any more", look
    return _many(change, "change", "held"), f"A person decides: until then they are not carried out. {look}"


def _conflicts(watched: Watched, change: Change) -> tuple[str, str]:
    look = f"Look: `integrations conflicts list --workspace {plain(watched.workspace_slug)}`"
    if change.is_over:
        return "no conflict is open for more than a day", look
    return _many(change, "conflict", "open for more than a day"), f"Neither side gets the other's value. {look}"


def _many(change: Change, noun: str, what: str) -> str:
    grown = f" ({change.last.amount:,} when last told)" if change.last.said else ""
    return f"{amount(change.found.amount, noun)} {what}{grown}"


def _fields(watched: Watched, change: Change) -> tuple[str, str]:
    found, last = (set(told.said.split(FIELD_BREAK)) - {""} for told in (change.found, change.last))
    parts = {"stopped": found - last, "came back": last - found, "still stopped": found & last}
    title = "; ".join(f"fields {what}: {_field_names(names)}" for what, names in parts.items() if names)
    look = _look(watched)
    if change.is_over:
        return title, look
    return title, f"Their columns are gone or hold something else; nothing else stops. {look}"


def _field_names(names: set[str]) -> str:
    return _first([plain(name) for name in sorted(names)])


def _certificate(watched: Watched, change: Change) -> tuple[str, str]:
    slug, provider = plain(watched.workspace_slug), plain(watched.integration_type)
    look = f"Look: `integrations verify --workspace {slug} --provider {provider}`"
    if change.is_over:
        return "the certificate holds again", look
    return "the certificate failed", f"Both sides differ where they should be equal. {look}"


_STATUSES = {"error": "in error"}
_WORDS: Mapping[Kind, Callable[[Watched, Change], tuple[str, str]]] = {
    Kind.CONNECTION: _connection,
    Kind.STALE: _stale,
    Kind.HOLDS: _holds,
    Kind.CONFLICTS: _conflicts,
    Kind.FIELDS: _fields,
    Kind.CERTIFICATE: _certificate,
}
_SUMMARIES = {
    (Kind.CONNECTION, "error"): "in error",
    (Kind.CONNECTION, "disconnected"): "disconnected",
    (Kind.CONNECTION, ""): "active again",
    (Kind.STALE, "stale"): "not synced within twice their frequency",
    (Kind.STALE, ""): "synced again",
    (Kind.HOLDS, "held"): "changes are held",
    (Kind.HOLDS, ""): "nothing is held any more",
    (Kind.CONFLICTS, "open"): "conflicts are open for more than a day",
    (Kind.CONFLICTS, ""): "no conflict is open for more than a day",
    (Kind.FIELDS, "stopped"): "fields stopped",
    (Kind.FIELDS, ""): "fields came back",
    (Kind.CERTIFICATE, "failed"): "the certificate failed",
    (Kind.CERTIFICATE, ""): "the certificate holds again",
}
