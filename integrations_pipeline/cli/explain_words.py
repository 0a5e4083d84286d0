"""What `integrations explain` says: one person in sentences.

Belongs here: words, and their order on the screen. Does not: finding out (`telling.person`), JSON (`explain`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from integrations_pipeline.cli.output import print_table, say, say_items
from integrations_pipeline.layout import seen_from, short_id
from integrations_pipeline.model import CONSENT_IN_AT, CONSENT_UNASKED, CONSENT_WORDS, Side, split_set

if TYPE_CHECKING:
    from integrations_pipeline.store.history import JournalRow, WaitingRow
    from integrations_pipeline.telling.person import ConflictTold, ContactTold, PersonTold, PlaceTold
    from integrations_pipeline.telling.values import FieldThere, FieldTold, Written

#: A longer value ends with “…”; `--json` has it whole.
LONGEST_VALUE = 200
_OPT_OUT = "email_opt_out"
#: What waits, by the agenda's kind.
_KINDS = {
    "retry": "is read again by the next run",
    "held_delete": "a delete is held",
    "held_clear": "an emptied value is held",
    "held_email": "a changed e-mail is held",
    "held_create": "a new record is held",
    "held_place": "everything is held",
    "conflict": "both sides changed it, a person decides",
    "ambiguous": "set aside, because it is not certain who it is",
    "skipped": "left out",
    "failed": "failed, and is tried again",
    "refused": "refused, and tried again when it changes",
    "stopped_field": "stopped",
}
_MADE = {
    ("create", "remote"): "made there",
    ("create", "local"): "made here from it",
    ("link", "local"): "found on both sides",
}
_WHAT = {
    ("create", "local"): "made here",
    ("create", "remote"): "made there",
    ("update", "local"): "changed here",
    ("update", "remote"): "changed there",
    ("delete", "local"): "deleted here",
    ("delete", "remote"): "deleted there",
    ("link", "local"): "linked",
    ("unlink", "local"): "unlinked",
}
_REPLIES = {"reply": "answered", "auto_reply": "a machine answered", "out_of_office": "out of office"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Whom it is about, and what every sentence needs: providers' titles and the time."""

    told: "PersonTold"
    titles: Mapping[str, str]
    now: datetime
    workspace: str

    def title(self, connection_id: str) -> str:
        """A connection as people call it; with its id where the workspace has several of that provider."""
        place = self.told.places.get(connection_id)
        if place is None:
            return "a connection that was removed"
        name = self.titles.get(place.integration_type, place.integration_type)
        same = [each for each in self.told.places.values() if each.integration_type == place.integration_type]
        return name if len(same) == 1 else f"{name} ({short_id(connection_id)})"

    def ago(self, at: datetime) -> str:
        return seen_from(at, self.now)


def show_person(speaker: Speaker, changes: Mapping[str, Sequence["JournalRow"]]) -> None:
    """Everything, contact by contact; `changes` are the journal rows to be shown of each, the newest first."""
    for found in speaker.told.contacts:
        _show_contact(speaker, found, changes[found.contact_id])
    _section(
        "Records that are nobody's here",
        [
            f"{speaker.title(stray.connection_id)}: record {stray.external_id} has this e-mail and is no contact here, "
            f"{speaker.ago(stray.since)}: {stray.reason or 'no reason on record'}"
            for stray in speaker.told.strays
        ],
    )
    _section("Consent of the address", _consent_lines(speaker))
    _section("E-mails", _mail_lines(speaker))


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        say(title)
        say_items(*lines)


def _show_contact(speaker: Speaker, found: "ContactTold", changes: Sequence["JournalRow"]) -> None:
    say(head_line(speaker, found))
    blank = [field.name for field in found.fields if field.is_blank and field.name != _OPT_OUT]
    told = [field for field in found.fields if field.name not in blank]
    lines = [field_line(speaker, field) for field in told]
    _section(
        "Fields, at providers as both sides last agreed", lines + ([f"empty: {', '.join(blank)}"] if blank else [])
    )
    _section("Where", [place_line(speaker, place) for place in found.places])
    _section("Waits", [waiting_line(speaker, row) for row in found.waiting])
    _section("Conflicts", [conflict_line(speaker, each) for each in found.conflicts])
    if changes:
        columns = ("when", "run", "provider", "what", "state", "fields", "why")
        print_table("What runs did", columns, [_change_cells(speaker, row) for row in changes])


def head_line(speaker: Speaker, found: "ContactTold") -> str:
    who = f"contact {short_id(found.contact_id)} of {speaker.workspace}"
    row = found.contact
    if row is None:
        return f"{who}: its row is gone, this is what the journal has"
    named = ", ".join(shown(name, row.fields[name]) for name in ("name", "email") if row.fields[name]) or "nameless"
    changed = f", last changed {speaker.ago(row.updated_at)}" if row.version > 1 else ""
    gone = f", deleted {speaker.ago(row.deleted_at)}" if row.deleted_at else changed
    return f"{named}: {who}, made {speaker.ago(row.created_at)}{gone}"


def field_line(speaker: Speaker, field: "FieldTold") -> str:
    """`name: Ann Lee here and in Notebook; came from Notebook 2 h ago by run 1a2b3c4d, before: Ann`."""
    in_step = [each for each in field.there if each.is_same and field.value is not None]
    others = [each for each in field.there if each not in in_step]
    parts = [", ".join([_here(speaker, field, in_step), *(_apart(speaker, field.name, each) for each in others)])]
    parts += [_written(speaker, field.name, field.written[-1])] if field.written else []
    for each in in_step:
        # Of the side that the value came from nothing was sent.
        if each.sent_at and not (field.written and field.written[-1].connection_id == each.connection_id):
            parts.append(f"sent to {speaker.title(each.connection_id)} {_sent(speaker, each)}")
    parts += [f"{speaker.title(each.connection_id)}: {each.wait}" for each in others if each.wait]
    return f"{field.name}: {'; '.join(parts)}"


def _here(speaker: Speaker, field: "FieldTold", in_step: Sequence["FieldThere"]) -> str:
    if field.value is None:
        return "gone here"
    places = f" and in {_and([speaker.title(each.connection_id) for each in in_step])}" if in_step else ""
    return f"{shown(field.name, field.value)} here{places}" + ("" if field.there else " only")


def _apart(speaker: Speaker, name: str, each: "FieldThere") -> str:
    sent = f" (sent {_sent(speaker, each)})" if each.sent_at else ""
    return f"{shown(name, each.agreed)} in {speaker.title(each.connection_id)}{sent}"


def _sent(speaker: Speaker, each: "FieldThere") -> str:
    return (speaker.ago(each.sent_at) if each.sent_at else "") + _by(each.sent_by)


def _written(speaker: Speaker, name: str, last: "Written") -> str:
    at = speaker.ago(last.at)
    if last.side is Side.REMOTE:
        how = f"came from {speaker.title(last.connection_id or '')} {at}{_by(last.run_id)}"
    elif last.before is None:
        how = f"written here {at}" if last.is_exact else f"written here, at the latest {at}"
    else:
        how = f"edited here, at the latest {at}"
    return how if last.before is None else f"{how}, before: {shown(name, last.before)}"


def _by(run_id: str | None) -> str:
    return f" by run {short_id(run_id)}" if run_id else ""


def shown(name: str, text: str) -> str:
    """A value for people."""
    if name == _OPT_OUT:
        return _consent(text)
    value = ", ".join(split_set(text)) if name == "tags" else " ".join(text.split())
    value = value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"
    return value or "(empty)"


def _consent(text: str) -> str:
    if text == CONSENT_UNASKED:
        return "nobody was asked"
    if text.startswith(CONSENT_IN_AT):
        return f"opted in on {text.removeprefix(CONSENT_IN_AT)[:10]}"
    return "opted out" if text.strip().lower() in CONSENT_WORDS else "not opted out"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def place_line(speaker: Speaker, place: "PlaceTold") -> str:
    parts = []
    if place.external_id:
        linked = f"record {place.external_id}" + (f", linked {speaker.ago(place.since)}" if place.since else "")
        parts.append(linked)
    else:
        parts.append("nobody there")
    if row := place.made_by:
        parts.append(f"{_MADE.get((row.kind, row.side), row.kind)}{_by(row.run_id)}")
    if row := place.ended_by:
        why = f" ({row.reason})" if row.reason else ""
        parts.append(f"{_what(row)} {speaker.ago(row.updated_at)}{_by(row.run_id)}{why}")
    if row := place.last_word:
        parts.append(
            f"{row.state} {speaker.ago(row.updated_at)}{_by(row.run_id)}: {row.reason or 'no reason on record'}"
        )
    return f"{speaker.title(place.connection_id)}: {'; '.join([*parts, *place.reasons])}"


def _what(row: "JournalRow") -> str:
    return _WHAT.get((row.kind, row.side), row.kind)


def waiting_line(speaker: Speaker, row: "WaitingRow") -> str:
    what = _KINDS.get(row.kind, row.kind)
    if row.kind == "retry" and row.reason == "settling":
        what, reason = "is being edited, and left alone until that ends", None
    else:
        reason = row.reason
    side = {"local": " here", "remote": f" in {speaker.title(row.connection_id)}"}.get(row.side or "", "")
    about = f"{row.field_name}: " if row.field_name else ""
    parts = [f"{about}{what}{side if row.kind.startswith('held_') else ''}, since {speaker.ago(row.created_at)}"]
    parts += [values] if (values := _waiting_values(row)) else []
    parts += [reason] if reason else []
    if row.decision and row.decided_at:
        by = f" by {row.decided_by}" if row.decided_by else ""
        parts.append(f"{row.decision}{by} {speaker.ago(row.decided_at)}, the next run carries it out")
    return f"{short_id(row.id)} {speaker.title(row.connection_id)}: {'; '.join(parts)}"


def _waiting_values(row: "WaitingRow") -> str:
    if row.kind == "conflict":
        return ", ".join(f"{_raw(row.fields.get(name))} {word}" for name, word in _SIDES.items())
    before, after = row.fields.get("before") or {}, row.fields.get("after") or {}
    return ", ".join(f"{name}: {_raw(before.get(name))} → {_raw(after.get(name))}" for name in after)


_SIDES = {"local": "here", "remote": "there", "base": "before"}


def _raw(value: object) -> str:
    """A value as the agenda holds it."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
    return shown("", text)


def conflict_line(speaker: Speaker, each: "ConflictTold") -> str:
    values = ", ".join(f"{shown('', getattr(each, name))} {word}" for name, word in _SIDES.items())
    where = f"{each.field_name} with {speaker.title(each.connection_id)}: {values}"
    if each.is_open:
        return f"{where}; open since {speaker.ago(each.since)}, a person decides"
    kept = {"local": "the value from here was kept", "remote": f"that of {speaker.title(each.connection_id)} was kept"}
    how = kept.get(each.winner or "", "a value of a person's own was set")
    return f"{where}; {how} {speaker.ago(each.since)}{_by(each.run_id)} ({each.policy})"


def _change_cells(speaker: Speaker, row: "JournalRow") -> list[object]:
    changed = [
        f"{name}: {shown(name, row.before[name])} → {shown(name, value)}"
        if name in row.before
        else f"{name}: {shown(name, value)}"
        for name, value in row.after.items()
    ]
    return [
        row.updated_at,
        row.run_id,
        speaker.title(row.connection_id),
        _what(row),
        row.state,
        "; ".join(changed),
        row.reason,
    ]


def _consent_lines(speaker: Speaker) -> list[str]:
    """The contacts' own flags over time, the address's suppressions, and what operators did to them."""
    lines = []
    for found in speaker.told.contacts:
        field = next((each for each in found.fields if each.name == _OPT_OUT), None)
        for each in field.written if field else ():
            how = _written(speaker, _OPT_OUT, each)
            lines.append(f"contact {short_id(found.contact_id)}: {shown(_OPT_OUT, each.value)}; {how}")
    for row in speaker.told.suppressions:
        source = f", told by {row['source']}" if row["source"] else ""
        lines.append(f"{row['email']}: suppressed ({row['reason']}) {speaker.ago(row['created_at'])}{source}")
    for row in speaker.told.decisions:
        done = "removed" if row["action"] == "suppression_removed" else "added"
        because = f": {row['because']}" if row["because"] else ""
        reasons = ", ".join(row["reasons"] or ())
        at = speaker.ago(row["created_at"])
        lines.append(f"suppression ({reasons}) {done} by an operator {at}, on record for {row['address']}{because}")
    return lines


def _mail_lines(speaker: Speaker) -> list[str]:
    lines = []
    for pitch in speaker.told.pitches:
        at = pitch["sent_at"] or pitch["scheduled_at"] or pitch["created_at"]
        parts = [f"{pitch['status']} {speaker.ago(at)}", *([pitch["error_message"]] if pitch["error_message"] else [])]
        parts += [
            f"{_REPLIES.get(reply['kind'], reply['kind'])} {speaker.ago(reply['received_at'])}"
            for reply in speaker.told.replies
            if reply["pitch_id"] == pitch["id"]
        ]
        subject = shown("", pitch["subject"])
        lines.append(f"{short_id(pitch['id'])} “{subject}” to {pitch['to_email']}: {'; '.join(parts)}")
    return lines
