"""A Gmail mailbox: drafts, sending, what was sent, what came in.

Belongs here: `GmailMailbox`, which implements `providers.mailbox.Mailbox` on the client. Does not: deciding
what to send or what a message means.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from integrations_pipeline.errors import CursorExpiredError, InDoubtError, NeedsAttentionError, PermanentError
from integrations_pipeline.mail.addresses import same_address, valid_recipient
from integrations_pipeline.mail.classify import Received
from integrations_pipeline.mail.compose import PITCH_HEADER, Sender
from integrations_pipeline.mail.reports import is_report, read_report
from integrations_pipeline.model import clean_text
from integrations_pipeline.providers.gmail import wire
from integrations_pipeline.providers.gmail.client import GmailClient, Message
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.providers.mailbox import Account, Draft, MailChanges, SentMessage, StoredMessage

SENT, DRAFT = "SENT", "DRAFT"
#: Headers that tell a sent message.
_SENT_HEADERS = ("Message-ID", PITCH_HEADER)
#: Drafts looked through for one whose creation was not answered; each costs a request.
MOST_DRAFTS = 100
#: Sent messages to one recipient that are looked through.
MOST_SENT = 50


class GmailMailbox:
    """One mailbox with one grant."""

    def __init__(self, client: GmailClient, settings: GmailSettings) -> None:
        self._client = client
        self._settings = settings
        self._account: Account | None = None
        #: Messages read in this run: replies and correspondents are looked for in the same ones.
        self._read: dict[str, StoredMessage | None] = {}
        #: Sent messages met while looking for one: they do not change.
        self._met: dict[str, Message | None] = {}

    def account(self) -> Account:
        if self._account is None:
            self._account = self._read_account()
        return self._account

    def _read_account(self) -> Account:
        main = str(self._client.profile().get("emailAddress") or "")
        aliases = [each for each in self._client.send_as() if each.get("sendAsEmail")]
        wanted = self._settings.send_as or next((str(a["sendAsEmail"]) for a in aliases if a.get("isDefault")), main)
        chosen = next((a for a in aliases if same_address(str(a["sendAsEmail"]), wanted)), {})
        is_verified = bool(chosen.get("isPrimary")) or chosen.get("verificationStatus") == "accepted"
        if not same_address(wanted, main) and not is_verified:
            raise NeedsAttentionError(
                "send_as is no verified alias of the mailbox: verify it there, or correct the connection's setting"
            )
        address = valid_recipient(str(chosen.get("sendAsEmail") or wanted))
        if address is None:
            raise NeedsAttentionError(
                "the mailbox has an address from which no mail can be sent: choose another send_as"
            )
        sender = Sender(
            address=address,
            name=str(chosen.get("displayName") or ""),
            signature=self._settings.signature,
            list_unsubscribe=self._settings.list_unsubscribe,
        )
        addresses = {main.lower(), *(str(a["sendAsEmail"]).lower() for a in aliases)}
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

    def find_draft(self, pitch_id: str) -> Draft | None:
        seen, token = 0, ""
        while seen < MOST_DRAFTS:
            page = self._client.drafts(token)
            for each in page.get("drafts") or []:
                seen += 1
                message = self._client.message(str(each["message"]["id"]), _SENT_HEADERS)
                if message is not None and _pitch_of(message) == pitch_id:
                    return _draft(each)
            token = str(page.get("nextPageToken") or "")
            if not token:
                return None
        return None

    def draft_exists(self, draft_id: str) -> bool:
        return self._client.draft(draft_id) is not None

    def delete_draft(self, draft_id: str) -> bool:
        return self._client.delete_draft(draft_id)

    # Sending

    def send_draft(self, draft_id: str) -> SentMessage:
        answer = self._client.send_draft(draft_id)
        return SentMessage(message_id=str(answer["id"]), thread_id=str(answer.get("threadId") or ""))

    def find_sent(
        self, pitch_id: str, recipient: str, thread_ids: Sequence[str], after: datetime
    ) -> SentMessage | None:
        candidates = (each for thread_id in thread_ids for each in self._client.thread(thread_id, _SENT_HEADERS))
        found = next((each for each in candidates if _is_sent(each, pitch_id)), None)
        if found is None:
            query = f'in:sent to:"{_quoted(recipient)}" after:{int(after.timestamp())}'
            listed = (self._meet(str(each["id"])) for each in self._client.messages(query, MOST_SENT))
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
        return {"history_id": str(self._client.profile()["historyId"])}

    def changes(self, cursor: Mapping[str, str], *, is_sent_only: bool = False) -> Iterator[MailChanges]:
        # The end is the one of the first page: what comes in meanwhile is told again, never left out.
        end: Mapping[str, str] = cursor
        token = ""
        while True:
            start = str(cursor.get("history_id") or "")
            page = self._client.history(start, token, SENT if is_sent_only else "") if start else None
            if page is None:
                raise CursorExpiredError("Gmail no longer knows the history id: the tracked threads are read again")
            added = [
                _pair(entry["message"])
                for record in page.get("history") or []
                for entry in record.get("messagesAdded") or []
            ]
            end = {"history_id": str(page["historyId"])} if not token and page.get("historyId") else end
            yield MailChanges(added=added, cursor=end)
            token = str(page.get("nextPageToken") or "")
            if not token:
                return

    def since(self, moment: datetime, *, is_sent_only: bool = False) -> Iterator[tuple[str, str]]:
        token = ""
        while True:
            page = self._client.newest([SENT] if is_sent_only else [], token)
            for each in page.get("messages") or []:
                message = self.read_message(str(each["id"]))
                if message is not None and message.received_at < moment:
                    return
                yield _pair(each)
            token = str(page.get("nextPageToken") or "")
            if not token:
                return

    def thread_messages(self, thread_id: str) -> Sequence[tuple[str, str]]:
        return [(str(each["id"]), thread_id) for each in self._client.thread(thread_id, ["From"])]

    def read_message(self, message_id: str) -> StoredMessage | None:
        if message_id not in self._read:
            self._read[message_id] = self._read_message(message_id)
        return self._read[message_id]

    def _read_message(self, message_id: str) -> StoredMessage | None:
        message = self._client.message(message_id)
        if message is None:
            return None
        received = Received(headers=wire.headers_of(message), snippet=html.unescape(str(message.get("snippet") or "")))
        if is_report(" ".join(received.headers.get("content-type", ()))):
            received = self._with_report(message_id, received)
        return StoredMessage(
            message_id=str(message["id"]),
            thread_id=str(message.get("threadId") or ""),
            received_at=wire.internal_time(message),
            received=received,
            labels=frozenset(map(str, message.get("labelIds") or [])),
        )

    def _with_report(self, message_id: str, received: Received) -> Received:
        """Reports are parts of the body: the whole message is read for them."""
        whole = self._client.message(message_id, form="raw")
        if whole is None or not whole.get("raw"):
            return received
        return replace(received, report=read_report(wire.decode(str(whole["raw"]))))

    def close(self) -> None:
        self._client.close()


def _draft(body: Message) -> Draft:
    message = body.get("message") or {}
    if not body.get("id"):
        raise InDoubtError("Gmail's answer about a draft names none")
    return Draft(
        draft_id=str(body["id"]), message_id=str(message.get("id") or ""), thread_id=str(message.get("threadId") or "")
    )


def _pitch_of(message: Message) -> str:
    return (wire.headers_of(message).get(PITCH_HEADER.lower()) or [""])[0].strip()


def _pair(message: Message) -> tuple[str, str]:
    return str(message["id"]), str(message.get("threadId") or "")


def _is_sent(message: Message, pitch_id: str) -> bool:
    """Whether the message left the mailbox and is this pitch."""
    labels = message.get("labelIds") or []
    return SENT in labels and DRAFT not in labels and _pitch_of(message) == pitch_id


def _to_sent(message: Message) -> SentMessage:
    return SentMessage(
        message_id=str(message["id"]),
        thread_id=str(message.get("threadId") or ""),
        rfc822_id=(wire.headers_of(message).get("message-id") or [""])[0].strip(),
        pitch_id=_pitch_of(message),
        sent_at=wire.internal_time(message),
    )


def _quoted(text: str) -> str:
    """Within a search, quotes in an address would end the term."""
    return clean_text(text).replace('"', "")
