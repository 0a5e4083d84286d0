"""What keeps a pitch from being sent, as far as the workspace itself can tell.

Belongs here: the rules for one pitch and the one that it answers, and their words. Does not: opt-outs and bounces
(asked by `store.pitches`, anew before every step), what the provider refuses.
"""

from dataclasses import dataclass

from integrations_pipeline.mail.addresses import valid_recipient
from integrations_pipeline.mail.compose import Parent
from integrations_pipeline.store import pitches
from integrations_pipeline.store.pitches import ParentRow, PitchRow
from integrations_pipeline.sync.runtime import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a pitch is not sent, and what becomes of it. `waits`: it stays as it is, for the next run."""

    reason: str
    status: str = "failed"
    waits: bool = False


_TWICE = (
    "the same text is going, or went, to this person by pitch {twin}: "
    "`integrations pitches retry {pitch} --repeat` sends it all the same"
)
_NOT_SENT = ("failed", "cancelled", "bounced", "draft")


def look_for_obstacle(run: Run, pitch: PitchRow) -> tuple[Obstacle | None, Parent | None]:
    """What is in a pitch's way, if anything is, and what it answers, if it answers something."""
    if pitch.unwilling:
        return Obstacle(reason=pitch.unwilling, status="cancelled"), None
    if valid_recipient(pitch.to_email) is None:
        return Obstacle(reason="to_email is no valid e-mail address"), None
    if pitch.twin is not None:
        return Obstacle(reason=_TWICE.format(twin=pitch.twin, pitch=pitch.id)), None
    if pitch.in_reply_to_pitch_id is None:
        return (None if pitch.subject.strip() else Obstacle(reason="the subject is empty")), None
    with run.session.begin() as connection:
        row = pitches.read_parent(connection, pitch.id)
    if row is None:
        return Obstacle(reason="the pitch that it answers is none of this workspace"), None
    obstacle = _of_parent(row)
    if obstacle is not None or row.rfc822_message_id is None:
        return obstacle, None
    return None, Parent(message_id=row.rfc822_message_id, references=row.references, subject=row.subject)


def _of_parent(row: ParentRow) -> Obstacle | None:
    if row.is_circle:
        return Obstacle(reason="in the end it answers itself")
    if row.status in _NOT_SENT:
        return Obstacle(reason="the pitch that it answers was not sent")
    if row.rfc822_message_id:
        return None
    if row.status == "unknown":
        reason = "nobody knows yet whether the pitch that it answers was sent"
        return Obstacle(reason=reason, status="queued", waits=True)
    is_coming = row.status in ("queued", "sending") or (row.rfc822_message_id is None and row.gmail_message_id)
    if is_coming:
        return Obstacle(reason="the pitch that it answers is on its way", status="queued", waits=True)
    return Obstacle(reason="the message that it answers is not in the mailbox any more")
