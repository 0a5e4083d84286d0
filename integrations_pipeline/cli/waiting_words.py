"""What waits, as people and programs read it: words, JSON documents, and the command that decides each.

Belongs here: what the commands `inbox`, `holds`, `conflicts` and `failures` share. Does not: any of them.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from integrations_pipeline.cli.explain_words import shown
from integrations_pipeline.layout import short_id
from integrations_pipeline.model import Side, split_set
from integrations_pipeline.store.rows import SET_FIELDS
from integrations_pipeline.store.waiting import CONFLICTS, FAILURES, HOLDS, PITCH, SET_ASIDE, Waiting

#: What else can be said in place of the command shown, by kind.
INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(HOLDS, "held_*: `holds reject` in place of `approve` keeps what is there; --because says why"),
    **dict.fromkeys(CONFLICTS, "conflict: --keep remote takes the other value, --set FIELD=VALUE any other"),
    **dict.fromkeys(FAILURES, "failed, refused: mend the contact or the column, then retry"),
    PITCH: "pitch: --not-sent if the mailbox does not have it, then it is sent again; `pitches cancel` gives one up",
    "ambiguous": "ambiguous: give each its own e-mail, or merge them; the next run takes them up",
    "skipped": "skipped: mend what the reason says; the next run takes them up",
    "stopped_field": "stopped_field: put the column back, or `connections accept` it as it is",
}
_SIDES = ("local", "remote", "base")
_NOBODY = ("stopped_field", "held_place")


def sides_of(item: Waiting) -> dict[str, Any]:
    """The value of its field here, there and as both sides last agreed, each None where it is not about a field."""
    name = item.field_name
    if name is None or item.kind == "stopped_field":
        return dict.fromkeys(_SIDES)
    if item.kind in CONFLICTS:
        return {side: _value(name, item.fields.get(side)) for side in _SIDES}
    before, after, base = ((item.fields.get(part) or {}).get(name) for part in ("before", "after", "base"))
    here, there = (before, after) if item.side == Side.LOCAL else (after, before)
    return {side: _value(name, value) for side, value in zip(_SIDES, (here, there, base), strict=True)}


def _value(name: str, value: Any) -> Any:
    return split_set(value) if name in SET_FIELDS and isinstance(value, str) else value


def document_of(item: Waiting, mailbox: str) -> dict[str, Any]:
    """The item as `inbox --json` has it. `mailbox`: the provider that sends pitches."""
    provider = item.provider or mailbox
    return {
        "id": str(item.id),
        "workspace": item.workspace,
        "provider": provider,
        "connection": provider,
        "kind": item.kind,
        "contact_id": item.contact_id,
        "email": item.email,
        "field": item.field_name,
        **sides_of(item),
        "reason": item.reason,
        "since": item.since,
        "command": command_of(item),
    }


def decided_document(item: Waiting) -> dict[str, Any]:
    """The same with what a decision needs: which side would be written, and what somebody has decided already."""
    return {
        **document_of(item, ""),
        "side": item.side,
        "change": item.change,
        "external_id": item.external_id,
        "run": item.run_id,
        "before": item.fields.get("before") or {},
        "after": item.fields.get("after") or {},
        "decision": item.decision,
        "decided_by": item.decided_by,
        "decided_at": item.decided_at,
    }


def command_of(item: Waiting, *, is_short: bool = False) -> str:
    """The command that decides it, complete; the other answers are in `INSTEAD`. `is_short`: with the id cut, for
    people."""
    of = f"--workspace {item.workspace}"
    key = short_id(item.id) if is_short else str(item.id)
    if item.kind in HOLDS:
        return f"integrations holds approve {key} {of}"
    if item.kind in CONFLICTS:
        return f"integrations conflicts resolve {key} --keep local {of}"
    if item.kind in FAILURES:
        return f"integrations failures retry {key} {of}"
    if item.kind == PITCH:
        again = f"retry {key} --repeat" if "--repeat" in (item.reason or "") else f"retry {key}"
        verb = f"resolve {key} --sent" if item.status == "unknown" else again
        return f"integrations pitches {verb} {of}"
    return _look_at(item, of, is_short=is_short)


def _look_at(item: Waiting, of: str, *, is_short: bool) -> str:
    """For what an edit answers: the command that shows where."""
    if item.kind not in SET_ASIDE or item.kind == "stopped_field":
        return f"integrations connections check {item.provider} {of}"
    if item.contact_id:
        return f"integrations explain {short_id(item.contact_id) if is_short else item.contact_id} {of}"
    if item.email:
        quoted = shlex.quote(item.email)
        return (
            f"integrations explain {of} -- {quoted}"
            if quoted.startswith("-")
            else f"integrations explain {quoted} {of}"
        )
    return f"integrations plan {of} --provider {item.provider}"


def who(item: Waiting) -> str:
    """Whom it is about."""
    if item.kind in _NOBODY:
        return "everybody"
    return item.email or (f"record {item.external_id}" if item.external_id else "") or f"contact {item.contact_id}"


def what(item: Waiting) -> str:
    """What waits, in words."""
    place = "here" if item.side == Side.LOCAL else f"in {item.provider}"
    name = item.field_name or ""
    local, remote, base = (shown(name, _text(value)) for value in sides_of(item).values())
    now, then = (local, remote) if item.side == Side.LOCAL else (remote, local)
    words = {
        "held_delete": f"would be deleted {place}",
        "held_clear": f"{name} would be emptied {place}, where it is {now}",
        "held_email": f"the e-mail would become {then} {place}, where it is {now}",
        "held_create": f"would be made {place}",
        "held_place": "the place at the provider is another one",
        "conflict": f"{name}: here {local}, in {item.provider} {remote}, before {base}",
        "ambiguous": "is set aside: it is not certain who it is",
        "skipped": "is left out",
        "failed": f"could not be written {place}; every run tries again",
        "refused": f"was refused {place}; tried again when it changes",
        "stopped_field": f"{name} is left alone on both sides",
        PITCH: f"the pitch is {item.status}",
    }
    return words.get(item.kind, item.kind)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
