"""The handlers of messages and threads.

Belongs here: users.messages.* and users.threads.* but for sending. Does not belong here: drafts and sending
(`draft_calls`), labels, history and settings (`mailbox_calls`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from integrations_sandbox.gmail import errors, parts, threads
from integrations_sandbox.gmail.calls import (
    MOST_LABELS_CHANGED,
    Call,
    Handlers,
    find_message,
    has_labels,
    listed,
    page_of,
)
from integrations_sandbox.gmail.model import FIXED_LABELS, Content, Message
from integrations_sandbox.gmail.options import GmailOptions
from integrations_sandbox.gmail.raw import RawMail
from integrations_sandbox.gmail.search import read_query
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.wire import JsonObject, Reply

_HIDDEN = frozenset(["SPAM", "TRASH"])


class MessageCalls:
    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail

    def handlers(self) -> Handlers:
        return {
            "messages.list": self.list_messages,
            "messages.get": self.get,
            "messages.insert": self.insert,
            "messages.import": self.import_message,
            "messages.modify": self.modify,
            "messages.trash": self.trash,
            "messages.untrash": self.untrash,
            "messages.delete": self.delete,
            "messages.batchModify": self.batch_modify,
            "messages.batchDelete": self.batch_delete,
            "messages.attachments.get": self.get_attachment,
            "threads.list": self.list_threads,
            "threads.get": self.get_thread,
            "threads.modify": self.modify_thread,
            "threads.trash": self.trash_thread,
            "threads.untrash": self.untrash_thread,
            "threads.delete": self.delete_thread,
        }

    # Messages

    def list_messages(self, call: Call) -> Reply:
        found = find_messages(call, self._gmail.options)
        page, token = page_of(found, call.page_size(), call.request.value("pageToken"))
        return listed("messages", [message.reference() for message in page], token)

    def get(self, call: Call, message_id: str) -> Reply:
        return Reply(body=call.shown(find_message(call.mailbox, message_id)))

    def insert(self, call: Call) -> Reply:
        return self._store(call, call.request.value("internalDateSource") or "receivedTime")

    def import_message(self, call: Call) -> Reply:
        return self._store(call, call.request.value("internalDateSource") or "dateHeader")

    def _store(self, call: Call, date_source: str) -> Reply:
        """Keeps a message as it is. Assumed: without a `threadId` it joins threads as mail that arrives does."""
        content = Content(RawMail.parse(call.raw(call.document, "message.raw")).to_bytes())
        labels = call.strings("labelIds")
        _check_labels(call, labels, frozenset(["DRAFT", "CHAT"]))
        wanted = call.document.get("threadId")
        thread_id = (
            threads.for_written(call.mailbox, content, wanted)
            if wanted
            else threads.for_arriving(call.mailbox, content)
        )
        at = _date_of(content, call.now) if date_source == "dateHeader" else call.now
        return Reply(body=call.mailbox.add(content.raw, labels, call.now, thread_id, at).labelled())

    def modify(self, call: Call, message_id: str) -> Reply:
        message = find_message(call.mailbox, message_id)
        add, remove = _label_changes(call)
        call.mailbox.relabel(message, add, remove, call.now)
        return Reply(body=message.labelled())

    def trash(self, call: Call, message_id: str) -> Reply:
        message = find_message(call.mailbox, message_id)
        self._gmail.trash(call.mailbox, [message])
        return Reply(body=message.labelled())

    def untrash(self, call: Call, message_id: str) -> Reply:
        message = find_message(call.mailbox, message_id)
        call.mailbox.relabel(message, (), ["TRASH"], call.now)
        return Reply(body=message.labelled())

    def delete(self, call: Call, message_id: str) -> Reply:
        call.mailbox.delete([find_message(call.mailbox, message_id)], call.now)
        return Reply(status=204)

    def batch_modify(self, call: Call) -> Reply:
        """Assumed: messages that are not there are passed over, as is documented for deleting."""
        ids = call.ids()
        add, remove = _label_changes(call)
        for message in _existing(call, ids):
            call.mailbox.relabel(message, add, remove, call.now)
        return Reply(status=204)

    def batch_delete(self, call: Call) -> Reply:
        call.mailbox.delete(_existing(call, call.ids()), call.now)
        return Reply(status=204)

    def get_attachment(self, call: Call, message_id: str, attachment_id: str) -> Reply:
        message = find_message(call.mailbox, message_id)
        part_id = attachment_id.rpartition("_")[2]
        found = next((part for part in message.content.root.walk() if part.id == part_id), None)
        if found is None or not attachment_id.startswith("ANGjdJ"):
            raise errors.invalid_argument("Invalid attachment token")
        return Reply(body={"size": len(found.data), "data": parts.encoded(found.data)})

    # Threads

    def list_threads(self, call: Call) -> Reply:
        """Each thread stands where its newest message that fits stands."""
        newest: dict[str, Message] = {}
        for message in find_messages(call, self._gmail.options):
            newest.setdefault(message.thread_id, message)
        page, token = page_of(list(newest.values()), call.page_size(), call.request.value("pageToken"))
        return listed("threads", [self._thread(call, each.thread_id) for each in page], token)

    @staticmethod
    def _thread(call: Call, thread_id: str) -> JsonObject:
        members = call.mailbox.thread(thread_id)
        history_id = max(member.history_id for member in members)
        return {"id": thread_id, "snippet": members[-1].content.snippet, "historyId": str(history_id)}

    def get_thread(self, call: Call, thread_id: str) -> Reply:
        members = _members(call, thread_id)
        if (call.request.value("format") or "").lower() == "raw":
            raise errors.invalid_argument("Invalid value at 'format' (TYPE_ENUM), \"raw\"")
        document: JsonObject = {"id": thread_id, "historyId": str(max(each.history_id for each in members))}
        return Reply(body=document | {"messages": [call.shown(member) for member in members]})

    def modify_thread(self, call: Call, thread_id: str) -> Reply:
        members = _members(call, thread_id)
        add, remove = _label_changes(call)
        for member in members:
            call.mailbox.relabel(member, add, remove, call.now)
        return _thread_reply(thread_id, members)

    def trash_thread(self, call: Call, thread_id: str) -> Reply:
        members = _members(call, thread_id)
        self._gmail.trash(call.mailbox, members)
        return _thread_reply(thread_id, members)

    def untrash_thread(self, call: Call, thread_id: str) -> Reply:
        members = _members(call, thread_id)
        for member in members:
            call.mailbox.relabel(member, (), ["TRASH"], call.now)
        return _thread_reply(thread_id, members)

    def delete_thread(self, call: Call, thread_id: str) -> Reply:
        call.mailbox.delete(_members(call, thread_id), call.now)
        return Reply(status=204)


def find_messages(call: Call, options: GmailOptions, label: str | None = None) -> list[Message]:
    """The messages that a list is about, newest first."""
    query, wanted = call.query(), call.request.values("labelIds") + ([label] if label else [])
    found = [message for message in call.mailbox.messages if has_labels(message, wanted)]
    reaches_hidden = call.flag("includeSpamTrash") or not _HIDDEN.isdisjoint(wanted)
    if query:
        search = read_query(query, call.mailbox, call.now, options.utc_offset_hours)
        reaches_hidden = reaches_hidden or search.reaches_hidden
        lag = options.search_lag_seconds
        found = [
            message
            for message in found
            if (call.now - message.stored_at).total_seconds() >= lag and search.matches(message)
        ]
    return found if reaches_hidden else [message for message in found if _HIDDEN.isdisjoint(message.labels)]


def _members(call: Call, thread_id: str) -> list[Message]:
    members = call.mailbox.thread(thread_id)
    if not members:
        find_message(call.mailbox, thread_id)
        raise errors.not_found()
    return members


def _existing(call: Call, ids: Sequence[str]) -> list[Message]:
    found = (call.mailbox.message(each) for each in dict.fromkeys(ids))
    return [message for message in found if message is not None]


def _thread_reply(thread_id: str, members: Sequence[Message]) -> Reply:
    return Reply(body={"id": thread_id, "messages": [member.labelled() for member in members]})


def _label_changes(call: Call) -> tuple[list[str], list[str]]:
    add, remove = call.strings("addLabelIds"), call.strings("removeLabelIds")
    if not add and not remove:
        raise errors.invalid_argument("No label add or removes specified")
    if set(add) & set(remove):
        raise errors.invalid_argument("Cannot both add and remove the same label")
    if max(len(add), len(remove)) > MOST_LABELS_CHANGED:
        # Assumed: the wording; the limit is documented.
        raise errors.invalid_argument(f"Cannot change more than {MOST_LABELS_CHANGED} labels")
    _check_labels(call, [*add, *remove], FIXED_LABELS)
    return add, remove


def _check_labels(call: Call, labels: Sequence[str], fixed: frozenset[str]) -> None:
    for label in labels:
        if label in fixed or call.mailbox.label(label) is None:
            raise errors.invalid_argument(f"Invalid label: {label}")


def _date_of(content: Content, otherwise: datetime) -> datetime:
    try:
        found = parsedate_to_datetime(content.mail.text("Date"))
    except ValueError:
        return otherwise
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
