"""A Gmail mailbox: drafts, sending, what was sent, what came in.

Belongs here: `GmailMailbox`, which implements `providers.mailbox.Mailbox` on the client. Does not: deciding
what to send or what a message means, whom it meets (`people`), what a check looks at (`check`).
"""

import html
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from integrations_pipeline.errors import CursorExpiredError, NeedsAttentionError, PermanentError
from integrations_pipeline.mail.addresses import same_address, valid_recipient
from integrations_pipeline.mail.classify import Received, may_be_notice
from integrations_pipeline.mail.compose import PITCH_HEADER, Sender
from integrations_pipeline.mail.notices import read_bounce
from integrations_pipeline.mail.reports import is_report
from integrations_pipeline.model import clean_text
from integrations_pipeline.providers.base import CheckReport, ProviderContext
from integrations_pipeline.providers.gmail import wire
from integrations_pipeline.providers.gmail.check import GmailCheck
from integrations_pipeline.providers.gmail.client import GmailClient, Message, pages
from integrations_pipeline.providers.gmail.limits import API_URL
from integrations_pipeline.providers.gmail.people import MOST_MESSAGES, GmailPeople
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.providers.mailbox import Account, Draft, MailChanges, People, SentMessage, StoredMessage

SENT, DRAFT = "SENT", "DRAFT"
#: Headers that tell a sent message.
_SENT_HEADERS = ("Message-ID", PITCH_HEADER)
#: Headers that tell whose a message is.
_NAMING = (*_SENT_HEADERS, "From", "To", "Cc", "In-Reply-To", "References")
#: Drafts looked through for one whose creation was not answered, where the history does not tell which are new;
#: each costs a request.
MOST_DRAFTS = 100
#: Drafts whose ids are asked for, a page of 500 at a time.
MOST_DRAFT_PAGES = 5
#: Sent messages to one recipient that are looked through, and how many of them are read.
MOST_SENT, MOST_READ = 200, 50
#: Messages that a message answers and that are searched for.
MOST_NAMED = 3
#: Gmail's clock and the database's may differ so much.
CLOCKS_APART = timedelta(minutes=5)


class GmailMailbox:
    """One mailbox with one grant."""

    def __init__(self, client: GmailClient, settings: GmailSettings, *, most_messages: int = MOST_MESSAGES) -> None:
        """`most_messages`: of the past, that one run reads for the people met."""
        self._client = client
        self._settings = settings
        self._most_messages = most_messages
        self._account: Account | None = None
        #: Messages read in this run: replies and correspondents are looked for in the same ones.
        self._read: dict[str, StoredMessage | None] = {}
        #: Sent messages met while looking for one: they do not change.
        self._met: dict[str, Message | None] = {}
        #: What a person should know about how far this run has read.
        self.remark = ""
        #: Threads read in this run for what a message in them answers.
        self._threads: dict[str, list[Message]] = {}

    @property
    def call_count(self) -> int:
        return self._client.call_count

    def check(self) -> CheckReport:
        return GmailCheck(client=self._client, mailbox=self, settings=self._settings).report()

    def people(self, cursor: Mapping[str, Any]) -> People:
        return GmailPeople(
            client=self._client, mailbox=self, harvest=self._settings.harvest, most_messages=self._most_messages
        ).met(cursor)

    def account(self) -> Account:
        if self._account is None:
            self._account = self._read_account()
        return self._account

    def _read_account(self) -> Account:
        main: str = self._client.profile()["emailAddress"]
        aliases = self._client.send_as()
        wanted = self._settings.send_as or next((a["sendAsEmail"] for a in aliases if a.get("isDefault")), main)
        chosen = next((a for a in aliases if same_address(a["sendAsEmail"], wanted)), {})
        is_verified = chosen.get("isPrimary") or chosen.get("verificationStatus") == "accepted"
        if not same_address(wanted, main) and not is_verified:
            raise NeedsAttentionError(
                "send_as is no verified alias of the mailbox: verify it there, or correct the connection's setting"
            )
        address = valid_recipient(chosen.get("sendAsEmail", wanted))
        if address is None:
            raise NeedsAttentionError(
                "the mailbox has an address from which no mail can be sent: choose another send_as"
            )
        sender = Sender(
            address=address,
            name=chosen.get("displayName", ""),
            signature=self._settings.signature,
            list_unsubscribe=self._settings.list_unsubscribe,
        )
        addresses = {main.lower(), *(a["sendAsEmail"].lower() for a in aliases)}
        return Account(sender=sender, addresses=sorted(addresses))

    # Drafts

    def create_draft(self, raw: bytes, thread_id: str | None) -> Draft:
        try:
            return _draft(self._client.create_draft(raw, thread_id))
        except PermanentError as error:
            if thread_id is None or error.code != wire.GONE:
                raise
        # Somebody deleted the thread here; the recipient still has it, and the headers name it.
        return _draft(self._client.create_draft(raw, None))

    def find_drafts(self, pitch_ids: Set[str], position: str, made_at: datetime) -> list[tuple[str, Draft]]:
        found: dict[str, str] = {}
        for message in self._new_drafts(position, made_at - CLOCKS_APART):
            if _has(message, DRAFT) and _pitch_of(message) in pitch_ids:
                found[message["id"]] = _pitch_of(message)
        drafts: list[tuple[str, Draft]] = []
        for page in pages(self._client.drafts) if found else ():
            listed = [(each["message"]["id"], _draft(each)) for each in page.get("drafts", [])]
            drafts += [(found[message_id], draft) for message_id, draft in listed if message_id in found]
            if len(drafts) >= len(found):
                break
        return drafts

    def _new_drafts(self, position: str, after: datetime) -> Iterator[Message]:
        """The history tells exactly which drafts are new; without it they are read from the newest on, until one is
        older."""
        try:
            told = list(self.changes({"history_id": position}, label=DRAFT))
        except CursorExpiredError:
            yield from self._newest_drafts(after)
            return
        gone = frozenset().union(*(page.gone for page in told))
        for message_id in dict.fromkeys(key for page in told for key, _ in page.added if key not in gone):
            message = self._client.message(message_id, _SENT_HEADERS)
            if message is not None:
                yield message

    def _newest_drafts(self, after: datetime) -> Iterator[Message]:
        for each in self._client.newest([DRAFT], size=MOST_DRAFTS).get("messages", []):
            message = self._client.message(each["id"], _SENT_HEADERS)
            if message is not None and wire.internal_time(message) < after:
                return
            if message is not None:
                yield message

    def draft_messages(self) -> Set[str]:
        listing = pages(lambda token: self._client.newest([DRAFT], token, 500))
        return {each["id"] for page in islice(listing, MOST_DRAFT_PAGES) for each in page.get("messages", [])}

    def draft_exists(self, draft_id: str) -> bool:
        return self._client.draft(draft_id) is not None

    def delete_draft(self, draft_id: str) -> bool:
        return self._client.delete_draft(draft_id)

    # Sending

    def send_draft(self, draft_id: str) -> SentMessage:
        answer = self._client.send_draft(draft_id)
        return SentMessage(message_id=answer["id"], thread_id=answer["threadId"])

    def find_sent(
        self, pitch_id: str, recipient: str, thread_ids: Sequence[str], known: Set[str]
    ) -> SentMessage | None:
        candidates = (each for thread_id in thread_ids for each in self._client.thread(thread_id, _SENT_HEADERS))
        found = next((each for each in candidates if _is_sent(each, pitch_id)), None)
        if found is None:
            ids = [each["id"] for each in self._client.messages(f'in:sent to:"{_quoted(recipient)}"', MOST_SENT)]
            listed = (self._meet(each) for each in [each for each in ids if each not in known][:MOST_READ])
            found = next((each for each in listed if each is not None and _is_sent(each, pitch_id)), None)
        return None if found is None else _to_sent(found)

    def _meet(self, message_id: str) -> Message | None:
        if message_id not in self._met:
            self._met[message_id] = self._client.message(message_id, _SENT_HEADERS)
        return self._met[message_id]

    def read_sent(self, message_id: str) -> SentMessage | None:
        message = self._client.message(message_id, _SENT_HEADERS)
        return None if message is None else _to_sent(message)

    # Receiving

    def position(self) -> Mapping[str, str]:
        return {"history_id": self._client.profile()["historyId"]}

    def changes(
        self, cursor: Mapping[str, str], *, is_sent_only: bool = False, label: str = ""
    ) -> Iterator[MailChanges]:
        # The end is the one of the first page: what comes in meanwhile is told again, never left out.
        end: Mapping[str, str] | None = None
        for page in pages(partial(self._history, str(cursor.get("history_id") or ""), label or is_sent_only * SENT)):
            if end is None:
                end = {"history_id": page["historyId"]} if "historyId" in page else cursor
            # The history tells labels now and then.
            added = [_pair(each) for each in _told(page, "messagesAdded") if label or not _has(each, DRAFT)]
            gone = frozenset(each["id"] for each in _told(page, "messagesDeleted"))
            yield MailChanges(added=added, cursor=end, gone=gone)

    def _history(self, start: str, label: str, token: str) -> Message:
        page = self._client.history(start, token, label) if start else None
        if page is None:
            raise CursorExpiredError("Gmail no longer knows the history id: the tracked threads are read again")
        return page

    def since(self, moment: datetime, *, is_sent_only: bool = False) -> Iterator[tuple[str, str]]:
        labels = [SENT] if is_sent_only else []
        for page in pages(lambda token: self._client.newest(labels, token)):
            for each in page.get("messages", []):
                message = self.read_message(each["id"])
                if message is not None and message.received_at < moment:
                    return
                yield _pair(each)

    def thread_messages(self, thread_id: str) -> Sequence[tuple[str, str]]:
        return [(each["id"], thread_id) for each in self._client.thread(thread_id, ["From"])]

    def read_message(self, message_id: str) -> StoredMessage | None:
        if message_id not in self._read:
            self._read[message_id] = self._read_message(message_id)
        return self._read[message_id]

    def _read_message(self, message_id: str) -> StoredMessage | None:
        message = self._client.message(message_id)
        if message is None:
            return None
        found = _to_stored(message)
        headers = found.received.headers
        if is_report(" ".join(headers.get("content-type", ()))) or may_be_notice(headers):
            found = replace(found, received=self._with_report(message_id, found.received))
        return found

    def _with_report(self, message_id: str, received: Received) -> Received:
        """What a mail system says of a delivery stands in the body: the whole message is read for it, once."""
        whole = self._client.raw_message(message_id)
        return received if whole is None else replace(received, report=read_bounce(whole))

    def find_named(self, rfc822_ids: Sequence[str], thread_id: str) -> StoredMessage | None:
        there = {_id_of(each): each for each in self._thread(thread_id) if not _has(each, DRAFT)}
        for rfc822_id in rfc822_ids[:MOST_NAMED]:
            found = there.get(rfc822_id) or self._search(rfc822_id)
            if found is not None:
                return _to_stored(found)
        return None

    def sent_in_thread(self, thread_id: str) -> StoredMessage | None:
        sent = [each for each in self._thread(thread_id) if _has(each, SENT)]
        return _to_stored(sent[-1]) if sent else None

    def _thread(self, thread_id: str) -> list[Message]:
        if thread_id not in self._threads:
            self._threads[thread_id] = self._client.thread(thread_id, _NAMING) if thread_id else []
        return self._threads[thread_id]

    def _search(self, rfc822_id: str) -> Message | None:
        listed = self._client.messages(f"rfc822msgid:{_quoted(rfc822_id.strip('<>'))}", 1)
        message = self._client.message(listed[0]["id"], _NAMING) if listed else None
        return message if message is not None and _id_of(message) == rfc822_id else None

    def close(self) -> None:
        self._client.close()


def open_mailbox(context: ProviderContext, *, most_messages: int = MOST_MESSAGES) -> GmailMailbox:
    settings = GmailSettings.model_validate(dict(context.settings))
    return GmailMailbox(GmailClient(context, api_url=context.addresses[API_URL]), settings, most_messages=most_messages)


def _draft(body: Message) -> Draft:
    message = body["message"]
    return Draft(draft_id=body["id"], message_id=message["id"], thread_id=message["threadId"])


def _pitch_of(message: Message) -> str:
    return (wire.headers_of(message).get(PITCH_HEADER.lower()) or [""])[0].strip()


def _pair(message: Message) -> tuple[str, str]:
    return message["id"], message["threadId"]


def _has(message: Message, label: str) -> bool:
    return label in message.get("labelIds", [])


def _told(page: Message, kind: str) -> Iterator[Message]:
    """The messages of one kind of change in a page of the history."""
    for record in page.get("history", []):
        for entry in record.get(kind, []):
            yield entry["message"]


def _id_of(message: Message) -> str:
    return (wire.headers_of(message).get("message-id") or [""])[0].strip()


def _to_stored(message: Message) -> StoredMessage:
    headers = wire.headers_of(message)
    return StoredMessage(
        message_id=message["id"],
        thread_id=message["threadId"],
        received_at=wire.internal_time(message),
        received=Received(headers=headers, snippet=html.unescape(message.get("snippet", ""))),
        labels=frozenset(message.get("labelIds", [])),
    )


def _is_sent(message: Message, pitch_id: str) -> bool:
    """Whether the message left the mailbox and is this pitch."""
    return _has(message, SENT) and not _has(message, DRAFT) and _pitch_of(message) == pitch_id


def _to_sent(message: Message) -> SentMessage:
    return SentMessage(
        message_id=message["id"],
        thread_id=message["threadId"],
        rfc822_id=_id_of(message),
        sent_at=wire.internal_time(message),
    )


def _quoted(text: str) -> str:
    """Within a search, quotes in an address would end the term."""
    return clean_text(text).replace('"', "")
