"""The handlers of drafts and of sending.

Belongs here: users.drafts.* and users.messages.send. Does not belong here: the checks and header fields of a mail that
leaves (`outgoing`), deliveries (`world`).
"""

from integrations_sandbox.gmail import errors, outgoing, threads
from integrations_sandbox.gmail.calls import Call, Handlers, listed, page_of
from integrations_sandbox.gmail.message_calls import find_messages
from integrations_sandbox.gmail.model import Content, Draft
from integrations_sandbox.gmail.raw import RawMail
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.wire import JsonObject, Reply


class DraftCalls:
    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail

    def handlers(self) -> Handlers:
        return {
            "messages.send": self.send_message,
            "drafts.list": self.list_drafts,
            "drafts.get": self.get,
            "drafts.create": self.create,
            "drafts.update": self.update,
            "drafts.send": self.send,
            "drafts.delete": self.delete,
        }

    def send_message(self, call: Call) -> Reply:
        raw = call.raw(call.document, "message.raw")
        return self._send(call, raw, thread_id=_text(call.document, "threadId"))

    def list_drafts(self, call: Call) -> Reply:
        found = find_messages(call, self._gmail.options, "DRAFT")
        page, token = page_of(found, call.page_size(), call.request.value("pageToken"))
        drafts = [call.mailbox.draft_of(message) for message in page]
        items = [{"id": each.id, "message": each.message.reference()} for each in drafts if each is not None]
        return listed("drafts", items, token)

    def get(self, call: Call, draft_id: str) -> Reply:
        draft = _draft(call, draft_id)
        return Reply(body={"id": draft.id, "message": call.shown(draft.message)})

    def create(self, call: Call) -> Reply:
        message = _message(call)
        raw = call.raw(message, "draft.message.raw")
        outgoing.check_draft(raw)
        thread_id = threads.for_written(call.mailbox, _content(raw), _text(message, "threadId"))
        return Reply(body=call.mailbox.create_draft(raw, call.now, thread_id).reference())

    def update(self, call: Call, draft_id: str) -> Reply:
        """Replaces the message. Assumed: without a `threadId` the draft stays in its thread."""
        draft = _draft(call, draft_id)
        self._replace(call, draft)
        return Reply(body=draft.reference())

    def send(self, call: Call) -> Reply:
        """Sends a draft as it is, or as the message that comes along says."""
        draft_id = _text(call.document, "id")
        if not draft_id:
            # Assumed: the refusal.
            raise errors.invalid_argument("Missing draft id")
        draft = _draft(call, draft_id)
        message = _message(call)
        if call.media is None and "raw" not in message:
            return self._send(call, draft.message.content.raw, draft=draft)
        return self._send(call, call.raw(message, "draft.message.raw"), draft=draft)

    def delete(self, call: Call, draft_id: str) -> Reply:
        call.mailbox.delete([_draft(call, draft_id).message], call.now)
        return Reply(status=204)

    def _replace(self, call: Call, draft: Draft) -> None:
        message = _message(call)
        raw = call.raw(message, "draft.message.raw")
        outgoing.check_draft(raw)
        wanted = _text(message, "threadId")
        thread_id = draft.message.thread_id
        if wanted and wanted != thread_id:
            thread_id = threads.for_written(call.mailbox, _content(raw), wanted) or thread_id
        call.mailbox.replace_draft(draft, raw, call.now, thread_id)

    def _send(self, call: Call, raw: bytes, *, draft: Draft | None = None, thread_id: str | None = None) -> Reply:
        prepared = self._gmail.prepare(call.mailbox, raw)
        if draft is None:
            thread_id = threads.for_written(call.mailbox, Content(prepared.sent), thread_id)
        message = self._gmail.send(call.mailbox, prepared, draft, thread_id)
        return Reply(body=message.labelled())


def _draft(call: Call, draft_id: str) -> Draft:
    draft = call.mailbox.draft(draft_id)
    if draft is None:
        raise errors.not_found()
    return draft


def _message(call: Call) -> JsonObject:
    """The message inside the draft of the body."""
    message = call.document.get("message") or {}
    if not isinstance(message, dict):
        raise errors.invalid_argument("Invalid value at 'draft.message'")
    return message


def _content(raw: bytes) -> Content:
    return Content(RawMail.parse(raw).to_bytes())


def _text(document: JsonObject, name: str) -> str:
    value = document.get(name) or ""
    if not isinstance(value, str):
        raise errors.invalid_argument(f"Invalid value at '{name}' (TYPE_STRING)")
    return value
