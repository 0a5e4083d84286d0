"""What `integrations plan` would write: who, which field from what to what, why; and what is left out.

Belongs here: words and tables of a preview, and its JSON. Does not: making it (`sync.run`), the command (`cli.sync`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from integrations_pipeline.cli.explain_words import shown
from integrations_pipeline.cli.output import print_table, say
from integrations_pipeline.layout import short_id
from integrations_pipeline.model import Change, ChangeKind, Side

if TYPE_CHECKING:
    from integrations_pipeline.sync.report import SyncReport

#: Preview rows shown to a person; `--json` and the journal have all.
SHOWN_CHANGES = 50
_COLUMNS = ("write to", "what", "contact", "fields", "why")


def named_ids(report: "SyncReport") -> set[str]:
    """Ids of the contacts that a preview names."""
    plan = report.plan
    every = (*plan.changes, *plan.held, *plan.conflicts, *plan.skipped)
    return {change.contact_id for change in every if change.contact_id}


def show_changes(report: "SyncReport", emails: Mapping[str, str]) -> None:
    """The headline, what would be written, what waits for a decision, and why others are left out. `emails`: by contact
    id."""
    plan = report.plan
    say(f"Plan {short_id(report.plan_id)} · {report.workspace} · {report.provider}: {_headline(report)}")
    _show("To be written", plan.changes, report.provider, emails)
    _show("Not written before somebody decides", (*plan.held, *plan.conflicts), report.provider, emails)
    _show_skipped(report)


def _headline(report: "SyncReport") -> str:
    plan = report.plan
    counts = {
        "held": len(plan.held),
        "undecided": len(plan.conflicts),
        "skipped": len(plan.skipped),
        "being edited": report.settling,
    }
    to_write = f"{len(plan.changes)} to write" if plan.changes else "nothing to write"
    return ", ".join([to_write, *(f"{count} {name}" for name, count in counts.items() if count)])


def _show_skipped(report: "SyncReport") -> None:
    """Why records were left out, by reason."""
    for reason, count in Counter(change.reason for change in report.plan.skipped).most_common():
        say(f"skipped {count}: {reason}")


def _show(title: str, changes: Sequence[Change], provider: str, emails: Mapping[str, str]) -> None:
    if changes:
        print_table(title, _COLUMNS, [_cells(change, provider, emails) for change in changes[:SHOWN_CHANGES]])
    if len(changes) > SHOWN_CHANGES:
        say(f"and {len(changes) - SHOWN_CHANGES} more; --json shows all")


def _cells(change: Change, provider: str, emails: Mapping[str, str]) -> list[Any]:
    place = "here" if change.side is Side.LOCAL else provider
    who = email_of(change, emails) or (f"record {change.external_id}" if change.external_id else change.contact_id)
    return [place, change.kind.value, who, "; ".join(_fields(change)), change.reason]


def email_of(change: Change, emails: Mapping[str, str]) -> str | None:
    """The contact's e-mail as it is here, else as the change has it."""
    known = emails.get(change.contact_id or "")
    return known or change.after.get("email") or change.before.get("email") or change.address or None


def _fields(change: Change) -> Iterable[str]:
    """`name: Ann → Ann Lee`; of a conflict that is open `name: here Ann, there Anna`."""
    if change.conflict and change.conflict.winner is None:
        for name, values in change.conflict.fields.items():
            here, there = (shown(name, values.get(side, "")) for side in ("local", "remote"))
            yield f"{name}: here {here}, there {there}"
        return
    is_new = change.kind is ChangeKind.CREATE
    for name, value in change.after.items():
        before = "" if is_new else f"{shown(name, change.before.get(name, ''))} → "
        yield f"{name}: {before}{shown(name, value)}"


def plan_lists(report: "SyncReport", emails: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The lists of `plan --json`."""
    plan = report.plan
    lists = {
        "changes": plan.changes,
        "held_changes": plan.held,
        "open_conflicts": plan.conflicts,
        "skipped": plan.skipped,
    }
    return {name: [_document(change, emails) for change in found] for name, found in lists.items()}


def _document(change: Change, emails: Mapping[str, str]) -> dict[str, Any]:
    return {
        "side": change.side.value,
        "kind": change.kind.value,
        "contact_id": change.contact_id,
        "external_id": change.external_id,
        "email": email_of(change, emails),
        "before": dict(change.before),
        "after": dict(change.after),
        "conflict": change.conflict.to_dict() if change.conflict else None,
        "reason": change.reason,
    }
