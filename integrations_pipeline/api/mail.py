"""Pitches that a caller hands in, as Python has them, read strictly; as `values` reads contacts.

Belongs here: that reading. Does not: what makes a pitch (`mail.queueing`), queueing (`store.pitch_rows`).
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from integrations_pipeline.api.values import RowError, id_or_none, kind_of, require_own
from integrations_pipeline.mail.queueing import PITCH_FIELDS
from integrations_pipeline.model import clean_text
from integrations_pipeline.store.pitch_rows import WAITING, PitchEdit

#: Of a row of `pitches`, what is not the caller's to write.
GIVEN_ALONG = frozenset(
    {"sent_at", "replied_at", "error_message", "created_at", "updated_at", "is_repeat", "identity_key"}
)
_IDS = ("id", "workspace_id", "contact_id", "status")


def read_pitch(row: Mapping[str, Any], place: int, workspace_id: UUID) -> PitchEdit:
    """What one row tells; `RowError` for what cannot be meant."""
    require_own(row, workspace_id)
    pitch_id = id_or_none(row.get("id"), "id")
    status = row.get("status")
    if pitch_id is None and status not in (None, *WAITING):
        raise RowError("its status says that it is no new pitch: leave status out, or give the id of a draft")
    unknown = [name for name in row if name not in (*PITCH_FIELDS, *_IDS, *GIVEN_ALONG)]
    if unknown:
        raise RowError(f"unknown field {clean_text(str(unknown[0]))!r}: use {', '.join(PITCH_FIELDS)}, contact_id")
    fields = {name: _text(row[name], name) for name in PITCH_FIELDS if name in row}
    return PitchEdit(
        place=place, pitch_id=pitch_id, contact_id=id_or_none(row.get("contact_id"), "contact_id"), fields=fields
    )


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if name == "scheduled_at" and isinstance(value, date):
        # Without a zone it is this machine's time, as for Python; a date is its beginning in UTC, as in a file.
        return value.astimezone().isoformat() if isinstance(value, datetime) else value.isoformat()
    if name == "in_reply_to_pitch_id" and isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"{name} is {kind_of(value)}: give a text")
    return clean_text(str.__str__(value))
