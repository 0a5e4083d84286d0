"""A Gmail mailbox: drafts, sending, what was sent, what came in.

Belongs here: `GmailMailbox`, which implements `providers.mailbox.Mailbox` on the client. Does not: deciding
what to send or what a message means.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from integrations_pipeline.errors import CursorExpiredError, NeedsAttentionError, RetryableError
from integrations_pipeline.mail.addresses import same_address
from integrations_pipeline.mail.classify import Received, read_raw
from integrations_pipeline.mail.compose import PITCH_HEADER, Sender
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

    def account(self) -> Account:
        if self._account is None:
            self._account = self._read_account()
        return self._account

    def _read_account(self) -> Account:
        main = str(self._client.profile()["emailAddress"])
        aliases = [each for each in self._client.send_as() if each.get("sendAsEmail")]
        wanted = self._settings.send_as or next((str(a["sendAsEmail"]) for a in aliases if a.get("isDefault")), main)
        chosen = next((a for a in aliases if same_address(str(a["sendAsEmail"]), wanted)), {})
        is_verified = bool(chosen.get("isPrimary")) or chosen.get("verificationStatus") == "accepted"
        if not same_address(wanted, main) and not is_verified:
            raise NeedsAttentionError(
                "send_as is no verified alias of the mailbox: verify it there, or correct the connection's setting"
            )
        sender = Sender(
            address=wanted,
            name=str(chosen.get("displayName") or ""),
            signature=self._settings.signature,
            list_unsubscribe=self._settings.list_unsubscribe,
        )
        addresses = {main.lower(), *(str(a["sendAsEmail"]).lower() for a in aliases)}
        return Account(sender=sender, addresses=sorted(addresses))

    # Drafts

    def create_draft(self, raw: bytes, thread_id: str | None) -> Draft:
        return _draft(self._client.create_draft(raw, thread_id))

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

    def delete_draft(self, draft_id: str) -> None:
        self._client.delete_draft(draft_id)

    # Sending

    def send_draft(self, draft_id: str) -> SentMessage:
        answer = self._client.send_draft(draft_id)
        return SentMessage(message_id=str(answer["id"]), thread_id=str(answer.get("threadId") or ""))

    def find_sent(self, pitch_id: str, recipient: str, thread_id: str | None) -> SentMessage | None:
        in_thread = self._client.thread(thread_id, _SENT_HEADERS) if thread_id else []
        for message in in_thread:
            if (found := _sent(message, pitch_id)) is not None:
                return found
        for each in self._client.messages(f'in:sent to:"{_quoted(recipient)}"', MOST_SENT):
            candidate = self._client.message(str(each["id"]), _SENT_HEADERS)
            if candidate is not None and (found := _sent(candidate, pitch_id)) is not None:
                return found
        return None

    def read_sent(self, message_id: str) -> SentMessage | None:
        message = self._client.message(message_id, _SENT_HEADERS)
        return None if message is None else _to_sent(message)

    # Receiving

    def position(self) -> Mapping[str, str]:
        return {"history_id": str(self._client.profile()["historyId"])}

    def changes(self, cursor: Mapping[str, str]) -> Iterator[MailChanges]:
        # The end is the one of the first page: what comes in meanwhile is told again, never left out.
        end: Mapping[str, str] = cursor
        token = ""
        while True:
            page = self._client.history(cursor["history_id"], token)
            if page is None:
                raise CursorExpiredError("Gmail no longer knows the history id: the tracked threads are read again")
            added = [
                (str(entry["message"]["id"]), str(entry["message"].get("threadId") or ""))
                for record in page.get("history") or []
                for entry in record.get("messagesAdded") or []
            ]
            end = {"history_id": str(page["historyId"])} if not token and page.get("historyId") else end
            yield MailChanges(added=added, cursor=end)
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
        received = Received(headers=wire.headers_of(message), snippet=str(message.get("snippet") or ""))
        if _may_report(received):
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
        return replace(received, report=read_raw(wire.decode(str(whole["raw"]))).report)

    def close(self) -> None:
        self._client.close()


def _draft(body: Message) -> Draft:
    message = body.get("message") or {}
    if not body.get("id"):
        raise RetryableError("Gmail's answer about a draft names none")
    return Draft(
        draft_id=str(body["id"]), message_id=str(message.get("id") or ""), thread_id=str(message.get("threadId") or "")
    )


def _pitch_of(message: Message) -> str:
    return (wire.headers_of(message).get(PITCH_HEADER.lower()) or [""])[0].strip()


def _sent(message: Message, pitch_id: str) -> SentMessage | None:
    """The message as sent, if it left the mailbox and is this pitch."""
    labels = message.get("labelIds") or []
    is_sent = SENT in labels and DRAFT not in labels
    return _to_sent(message) if is_sent and _pitch_of(message) == pitch_id else None


def _to_sent(message: Message) -> SentMessage:
    return SentMessage(
        message_id=str(message["id"]),
        thread_id=str(message.get("threadId") or ""),
        rfc822_id=(wire.headers_of(message).get("message-id") or [""])[0].strip(),
        pitch_id=_pitch_of(message),
        sent_at=wire.internal_time(message),
    )


def _may_report(received: Received) -> bool:
    kind = " ".join(received.headers.get("content-type", ())).lower()
    return "multipart/report" in kind or "delivery-status" in kind


def _quoted(text: str) -> str:
    """Within a search, quotes in an address would end the term."""
    return text.replace('"', "")
