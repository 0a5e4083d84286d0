"""What a pitch must be before it is queued, whoever hands it in: a file, a program. Pure.

Belongs here: that judgement. Does not: queueing (`store.pitches`), what must be true when it is sent (`sync.mailing`).
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

#: Between these lie the times that a pitch can have (migration 0007).
EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
PITCH_FIELDS = ("to_email", "subject", "body", "scheduled_at", "in_reply_to_pitch_id")


def pitch_problem(fields: dict[str, Any]) -> str:
    """What keeps a row from being a pitch, or ""; normalises its time in place."""
    from integrations_pipeline.mail.addresses import valid_recipient  # noqa: PLC0415 - lists of pitches do without

    unknown = [name for name in fields if name not in PITCH_FIELDS]
    if unknown:
        return f"unknown field {unknown[0]!r}"
    if valid_recipient(fields.get("to_email", "")) is None:
        return "to_email is no valid e-mail address"
    if not fields.get("subject", "").strip() and not fields.get("in_reply_to_pitch_id"):
        return "the subject is empty"
    try:
        when = fields.get("scheduled_at")
        if when:
            found = datetime.fromisoformat(when)
            fields["scheduled_at"] = _in_calendar(found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
        if fields.get("in_reply_to_pitch_id"):
            UUID(fields["in_reply_to_pitch_id"])
    except (ValueError, OverflowError):
        return "scheduled_at is no ISO time, as 2026-01-31T09:00:00+01:00, or in_reply_to_pitch_id is no id"
    return ""


def _in_calendar(moment: datetime) -> datetime:
    """The moment in UTC; ValueError for one that the table does not take."""
    found = moment.astimezone(UTC)
    if not EARLIEST <= found < LATEST:
        raise ValueError("outside of the calendar")
    return found
