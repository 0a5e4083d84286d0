"""The handlers of what belongs to the mailbox as a whole.

Belongs here: profile, history, labels, settings, watch. Does not belong here: messages, threads and drafts.
"""

from datetime import timedelta
from typing import Any

from integrations_sandbox.gmail import errors
from integrations_sandbox.gmail.calls import Call, Handlers
from integrations_sandbox.gmail.history import (
    KINDS,
    HistoryQuery,
    PageOddities,
    cut_off,
    read_page_token,
)
from integrations_sandbox.gmail.model import Label
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.wire import JsonObject, Reply

#: A watch ends by itself after seven days.
WATCH_DAYS = 7
_LOOKS = {"messageListVisibility": "message_visibility", "labelListVisibility": "list_visibility", "color": "color"}
_CHOICES = {
    "messageListVisibility": ("show", "hide"),
    "labelListVisibility": ("labelShow", "labelShowIfUnread", "labelHide"),
}


class MailboxCalls:
    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail

    def handlers(self) -> Handlers:
        return {
            "getProfile": self.get_profile,
            "watch": self.watch,
            "stop": self.stop,
            "history.list": self.list_history,
            "labels.list": self.list_labels,
            "labels.get": self.get_label,
            "labels.create": self.create_label,
            "labels.patch": self.patch_label,
            "labels.update": self.update_label,
            "labels.delete": self.delete_label,
            "settings.sendAs.list": self.list_senders,
            "settings.sendAs.get": self.get_sender,
        }

    def get_profile(self, call: Call) -> Reply:
        mailbox = call.mailbox
        return Reply(
            body={
                "emailAddress": mailbox.address,
                "messagesTotal": len(mailbox.messages),
                "threadsTotal": len(mailbox.thread_ids),
                "historyId": str(mailbox.history.current),
            }
        )

    # Push: the answers only; nothing is published

    def watch(self, call: Call) -> Reply:
        topic = call.document.get("topicName")
        if not isinstance(topic, str) or not topic.startswith("projects/") or "/topics/" not in topic:
            raise errors.invalid_argument("Invalid topicName does not match projects/*/topics/*")
        call.mailbox.watch = dict(call.document)
        expires_at = call.now + timedelta(days=WATCH_DAYS)
        expiration = str(int(expires_at.timestamp() * 1000))
        return Reply(body={"historyId": str(call.mailbox.history.current), "expiration": expiration})

    def stop(self, call: Call) -> Reply:
        call.mailbox.watch = None
        return Reply(status=204)

    # History

    def list_history(self, call: Call) -> Reply:
        options, history = self._gmail.options, call.mailbox.history
        history.expire_before(cut_off(call.now, options.history_seconds))
        query = _history_query(call)
        if not history.is_known(query.start):
            raise errors.not_found()
        oddities = PageOddities(
            repeats_records=options.repeats_history,
            blank_pages=options.blank_history_pages,
            has_labels=options.history_has_labels,
        )
        return Reply(body=history.page(query, oddities))

    # Labels

    def list_labels(self, call: Call) -> Reply:
        return Reply(body={"labels": [label.to_json() for label in call.mailbox.labels]})

    def get_label(self, call: Call, label_id: str) -> Reply:
        label = _label(call, label_id)
        members = [message for message in call.mailbox.messages if label.id in message.labels]
        unread = [message for message in members if "UNREAD" in message.labels]
        counts = {
            "messagesTotal": len(members),
            "messagesUnread": len(unread),
            "threadsTotal": len({message.thread_id for message in members}),
            "threadsUnread": len({message.thread_id for message in unread}),
        }
        return Reply(body=label.to_json() | counts)

    def create_label(self, call: Call) -> Reply:
        name = _name(call, None)
        return Reply(body=call.mailbox.create_label(name, **_looks(call.document)).to_json())

    def patch_label(self, call: Call, label_id: str) -> Reply:
        label = _own_label(call, label_id)
        looks = _looks(call.document)
        if "name" in call.document:
            label.name = _name(call, label)
        for key, value in looks.items():
            setattr(label, key, value)
        return Reply(body=label.to_json())

    def update_label(self, call: Call, label_id: str) -> Reply:
        if "name" not in call.document:
            raise errors.invalid_argument("Invalid label name")
        return self.patch_label(call, label_id)

    def delete_label(self, call: Call, label_id: str) -> Reply:
        call.mailbox.delete_label(_own_label(call, label_id), call.now)
        return Reply(status=204)

    # Settings

    def list_senders(self, call: Call) -> Reply:
        return Reply(body={"sendAs": [sender.to_json() for sender in call.mailbox.senders.values()]})

    def get_sender(self, call: Call, address: str) -> Reply:
        sender = call.mailbox.senders.get(address.lower())
        if sender is None:
            raise errors.not_found()
        return Reply(body=sender.to_json())


def _history_query(call: Call) -> HistoryQuery:
    start = call.request.value("startHistoryId") or ""
    if not start.isdigit():
        raise errors.invalid_argument("Missing/invalid parameter: startHistoryId")
    kinds = call.request.values("historyTypes")
    for kind in kinds:
        if kind not in KINDS:
            raise errors.invalid_argument(f"Invalid value at 'history_types' (TYPE_ENUM), \"{kind}\"")
    token = call.request.value("pageToken")
    try:
        after, blank_count = read_page_token(token) if token else (None, 0)
    except ValueError as error:
        raise errors.invalid_argument("Invalid pageToken") from error
    return HistoryQuery(
        start=int(start),
        size=call.page_size(),
        kinds=frozenset(kinds),
        label=call.request.value("labelId"),
        after=after,
        blank_count=blank_count,
    )


def _label(call: Call, label_id: str) -> Label:
    label = call.mailbox.label(label_id)
    if label is None:
        raise errors.not_found()
    return label


def _own_label(call: Call, label_id: str) -> Label:
    """Raises WireError for a system label, which nobody changes. Assumed: the wording."""
    label = _label(call, label_id)
    if label.is_system:
        raise errors.invalid_argument("Invalid update request")
    return label


def _name(call: Call, label: Label | None) -> str:
    name = call.document.get("name")
    if not isinstance(name, str) or not name.strip():
        raise errors.invalid_argument("Invalid label name")
    taken = {each.name.lower(): each for each in call.mailbox.labels}
    other = taken.get(name.lower())
    if other is not None and other.is_system:
        raise errors.invalid_argument("Invalid label name")
    if other is not None and other is not label:
        raise errors.label_exists()
    return name


def _looks(document: JsonObject) -> dict[str, Any]:
    for key, choices in _CHOICES.items():
        if document.get(key, choices[0]) not in choices:
            raise errors.invalid_argument(f"Invalid value at 'label.{key}'")
    return {attribute: document[key] for key, attribute in _LOOKS.items() if key in document}
