"""One person's mailbox: every change of it, with the history that the change leaves.

Belongs here: adding, removing and relabelling messages, drafts, labels, sender addresses. Does not belong here: which
thread a message joins (`threads`), what sending changes in a message (`outgoing`), HTTP.
"""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from integrations_sandbox.gmail.history import History, event
from integrations_sandbox.gmail.limits import DailySends
from integrations_sandbox.gmail.model import (
    SYSTEM_LABELS,
    Content,
    Draft,
    Label,
    Message,
    SendAs,
    Shelf,
)
from integrations_sandbox.gmail.raw import RawMail
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject


class Mailbox:
    """The first of `senders` is the primary address. Called with the stage's lock held."""

    def __init__(self, senders: Sequence[SendAs], ids: IdSource) -> None:
        self.senders = {sender.address: sender for sender in senders}
        self.address = senders[0].address
        self.history = History(random.Random(self.address))
        self.sends = DailySends()
        self.watch: JsonObject | None = None
        self._ids = ids
        self._shelf = Shelf(labels={name: Label(name, name, is_system=True) for name in SYSTEM_LABELS})

    # Reading

    @property
    def messages(self) -> list[Message]:
        """All messages, drafts among them, newest first."""
        return sorted(self._shelf.messages.values(), key=lambda each: each.order, reverse=True)

    @property
    def labels(self) -> list[Label]:
        return list(self._shelf.labels.values())

    @property
    def thread_ids(self) -> list[str]:
        return list(self._shelf.threads)

    def message(self, message_id: str) -> Message | None:
        return self._shelf.messages.get(message_id)

    def thread(self, thread_id: str) -> list[Message]:
        """Its messages, oldest first; empty for a thread that does not exist."""
        members = [self._shelf.messages[each] for each in self._shelf.threads.get(thread_id, [])]
        return sorted(members, key=lambda each: each.order)

    def draft(self, draft_id: str) -> Draft | None:
        return self._shelf.drafts.get(draft_id)

    def draft_of(self, message: Message) -> Draft | None:
        return next((each for each in self._shelf.drafts.values() if each.message is message), None)

    def label(self, label_id: str) -> Label | None:
        return self._shelf.labels.get(label_id)

    def find(self, message_ids: Iterable[str]) -> list[Message]:
        """The messages that have one of these Message-IDs, in the order of the ids."""
        found = [self._shelf.by_message_id.get(each, []) for each in message_ids]
        return [self._shelf.messages[each] for group in found for each in group]

    def is_own(self, address: str) -> bool:
        """Whether mail to this address arrives here."""
        sender = self.senders.get(address.lower())
        return sender is not None and sender.status == "accepted"

    # Messages

    def add(
        self,
        raw: bytes,
        labels: Iterable[str],
        at: datetime,
        thread_id: str | None = None,
        received_at: datetime | None = None,
    ) -> Message:
        """Without a thread it begins one, which bears the message's id. `received_at` is for mail that is older."""
        message = self._store(raw, labels, at, thread_id)
        message.received_at = received_at or at
        message.history_id = self.history.add(at, [event("messageAdded", message)])
        return message

    def delete(self, messages: Sequence[Message], at: datetime) -> None:
        """Forever, drafts with their messages; one record of history for all."""
        for message in messages:
            self._remove(message)
        if messages:
            self.history.add(at, [event("messageDeleted", message) for message in messages])

    def relabel(self, message: Message, add: Iterable[str], remove: Iterable[str], at: datetime) -> None:
        """Only real changes leave history."""
        gone = set(remove)
        added = [each for each in dict.fromkeys(add) if each not in message.labels]
        removed = [each for each in message.labels if each in gone]
        if not added and not removed:
            return
        message.labels = [each for each in message.labels if each not in gone] + added
        changes = [("labelAdded", added), ("labelRemoved", removed)]
        record = self.history.add(at, [event(kind, message, labels) for kind, labels in changes if labels])
        message.history_id = record

    # Drafts

    def create_draft(self, raw: bytes, at: datetime, thread_id: str | None) -> Draft:
        draft = Draft("r" + str(self._number(10**18, 9 * 10**18)), self.add(raw, ["DRAFT"], at, thread_id))
        self._shelf.drafts[draft.id] = draft
        return draft

    def replace_draft(self, draft: Draft, raw: bytes, at: datetime, thread_id: str | None) -> None:
        """The draft keeps its id; its message is another afterwards."""
        old, new = draft.message, self._store(raw, ["DRAFT"], at, thread_id)
        draft.message = new
        self._remove(old)
        new.history_id = self.history.add(at, [event("messageDeleted", old), event("messageAdded", new)])

    def send_draft(self, draft: Draft, raw: bytes, labels: Iterable[str], at: datetime) -> Message:
        """The draft and its message are gone, and a new message is in their thread."""
        old, sent = draft.message, self._store(raw, labels, at, draft.message.thread_id)
        self._remove(old)
        sent.history_id = self.history.add(at, [event("messageDeleted", old), event("messageAdded", sent)])
        return sent

    # Labels

    def create_label(self, name: str, **looks: Any) -> Label:
        used = [int(each.id.removeprefix("Label_")) for each in self.labels if not each.is_system]
        label = Label(f"Label_{max(used, default=0) + 1}", name, **looks)
        self._shelf.labels[label.id] = label
        return label

    def delete_label(self, label: Label, at: datetime) -> None:
        """Also takes it from all messages."""
        for message in self.messages:
            self.relabel(message, (), [label.id], at)
        del self._shelf.labels[label.id]

    def _store(self, raw: bytes, labels: Iterable[str], at: datetime, thread_id: str | None) -> Message:
        shelf = self._shelf
        shelf.count += 1
        content = Content(RawMail.parse(raw).to_bytes())
        new_id = self._new_id(at)
        message = Message(
            id=new_id,
            thread_id=thread_id or new_id,
            number=shelf.count,
            stored_at=at,
            received_at=at,
            content=content,
            labels=list(dict.fromkeys(labels)),
        )
        shelf.messages[message.id] = message
        shelf.threads.setdefault(message.thread_id, []).append(message.id)
        if content.message_id:
            shelf.by_message_id.setdefault(content.message_id, []).append(message.id)
        return message

    def _remove(self, message: Message) -> None:
        shelf = self._shelf
        draft = self.draft_of(message)
        if draft is not None:
            del shelf.drafts[draft.id]
        del shelf.messages[message.id]
        shelf.threads[message.thread_id].remove(message.id)
        if not shelf.threads[message.thread_id]:
            del shelf.threads[message.thread_id]
        if message.content.message_id:
            shelf.by_message_id[message.content.message_id].remove(message.id)

    def _new_id(self, at: datetime) -> str:
        """Sixteen hexadecimal digits that grow with time, like the real ones. Assumed: unique in the mailbox only."""
        while True:
            new_id = f"{(int(at.timestamp() * 1000) << 20) + self._number(0, 1 << 20):016x}"
            if new_id not in self._shelf.messages and new_id not in self._shelf.threads:
                return new_id

    def _number(self, least: int, below: int) -> int:
        return least + int.from_bytes(self._ids.new("", 16).encode()) % (below - least)
