"""The world that mail goes to and comes from: who got what, who answers, who cannot be reached.

Belongs here: deliveries and their counts, bounces that come by themselves, and mail that people and machines outside
send into a mailbox. Does not belong here: how such mail looks (`letters`), the API.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Literal, get_args

from integrations_sandbox.gmail import letters, threads
from integrations_sandbox.gmail.letters import BounceKind, Received, ReplyStyle, Vendor
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.model import ARRIVED, Content, Draft, Message
from integrations_sandbox.gmail.options import GmailOptions
from integrations_sandbox.gmail.outgoing import Outgoing
from integrations_sandbox.gmail.raw import RawMail, shown
from integrations_sandbox.stage import Stage, iso
from integrations_sandbox.wire import JsonObject

#: `delayed` is a delivery that the recipient's server has not taken yet.
Outcome = Literal["delivered", "bounced", "delayed"]
_OUTCOMES: Mapping[str, Outcome] = {"delayed": "delayed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One mail handed to one recipient's server. `mail` is what the recipient has; ids are the sender's."""

    id: str
    sender: str
    recipient: str
    mail: RawMail
    at: datetime
    outcome: Outcome
    message_id: str
    thread_id: str

    def header(self, name: str) -> str:
        """The first field of that name; an empty string if there is none."""
        return self.mail.text(name)

    @property
    def text(self) -> str:
        return Content(self.mail.to_bytes()).text

    def to_json(self) -> JsonObject:
        return {
            "id": self.id,
            "sender": self.sender,
            "recipient": self.recipient,
            "time": iso(self.at),
            "outcome": self.outcome,
            "message_id": self.message_id,
            "thread_id": self.thread_id,
            "headers": [[name, shown(name, value)] for name, value in self.mail.fields],
            "text": self.text,
        }


@dataclass(slots=True)
class _Trouble:
    kind: BounceKind
    times_left: int


class MailWorld:
    """Everything outside the mailboxes. Safe to call from any thread.

    What arrives in a mailbox is returned as the message that it has become there.
    """

    def __init__(self, stage: Stage, mailboxes: Mapping[str, Mailbox]) -> None:
        self._stage = stage
        self._mailboxes = mailboxes
        self._deliveries: list[Delivery] = []
        self._bouncing: dict[str, _Trouble] = {}

    # What was delivered

    def deliveries(self, recipient: str | None = None, header: str | tuple[str, str] | None = None) -> list[Delivery]:
        """Oldest first; of one recipient, with a header field, or with a field of that value: `("X-Id", "7")`."""
        with self._stage.lock:
            return [each for each in self._deliveries if _fits(each, recipient, header)]

    def count_by_recipient(self) -> Counter[str]:
        return Counter(each.recipient for each in self.deliveries())

    def count_by_header(self, name: str) -> Counter[tuple[str, str]]:
        """Deliveries for each recipient and value of that header field; mail without the field does not count."""
        return Counter((each.recipient, each.header(name)) for each in self.deliveries(header=name))

    def delivery(self, delivery_id: str) -> Delivery:
        """Raises ValueError for one that does not exist."""
        found = next((each for each in self.deliveries() if each.id == delivery_id), None)
        if found is None:
            raise ValueError(f"there is no delivery {delivery_id}")
        return found

    # Who cannot be reached

    def set_bouncing(self, address: str, kind: BounceKind | None, times: int = -1) -> None:
        """From now on mail to this address comes back like that, `times` times (-1: always); None ends it."""
        if kind is not None and kind not in letters.BOUNCE_KINDS:
            raise ValueError(f"kind must be one of {', '.join(sorted(letters.BOUNCE_KINDS))}")
        with self._stage.lock:
            self._bouncing.pop(address.lower(), None)
            if kind is not None:
                self._bouncing[address.lower()] = _Trouble(kind, times)

    def bouncing(self) -> JsonObject:
        with self._stage.lock:
            return {address: {"kind": each.kind, "times": each.times_left} for address, each in self._bouncing.items()}

    # What the world sends

    def reply(self, delivery: Delivery, text: str = "Sounds good.", style: ReplyStyle | None = None) -> Message:
        return self._answer(delivery, lambda received: letters.reply(received, text, style or ReplyStyle()))

    def auto_reply(self, delivery: Delivery, text: str = "We got your message.") -> Message:
        return self._answer(delivery, lambda received: letters.auto_reply(received, text))

    def out_of_office(
        self, delivery: Delivery, vendor: Vendor = "gmail", text: str = "I am away until Monday."
    ) -> Message:
        if vendor not in get_args(Vendor):
            raise ValueError(f"vendor must be one of {', '.join(get_args(Vendor))}")
        return self._answer(delivery, lambda received: letters.out_of_office(received, text, vendor))

    def bounce(self, delivery: Delivery, kind: BounceKind = "hard") -> Message:
        """Raises ValueError for an unknown kind."""
        if kind not in letters.BOUNCE_KINDS:
            raise ValueError(f"kind must be one of {', '.join(sorted(letters.BOUNCE_KINDS))}")
        with self._stage.lock:
            outcome = _OUTCOMES.get(kind, "bounced")
            where = next(n for n, each in enumerate(self._deliveries) if each.id == delivery.id)
            self._deliveries[where] = replace(self._deliveries[where], outcome=outcome)
            return self._answer(delivery, lambda received: letters.bounce(received, kind))

    def newsletter(self, address: str, sender: str = "news@shop.example.org", subject: str = "This week") -> Message:
        with self._stage.lock:
            raw = letters.newsletter(address, sender, subject, self._now(), self._unique())
            labels = ["UNREAD", "CATEGORY_PROMOTIONS", "INBOX"]
            return self.incoming(address, raw, labels)

    def incoming(self, address: str, raw: bytes, labels: Sequence[str] = ARRIVED) -> Message:
        """Any mail, put into a mailbox as it is but for what the receiving server writes on top."""
        with self._stage.lock:
            return self._arrive(self._mailbox(address), raw, labels)

    def letter(self, address: str, fields: Mapping[str, str], text: str) -> Message:
        """A mail to a mailbox with these header fields; To, Date and Message-ID are added where they are missing."""
        with self._stage.lock:
            raw = letters.plain({"To": address} | dict(fields), text, self._now(), self._unique())
            return self.incoming(address, raw)

    # What mailboxes send

    def send(self, mailbox: Mailbox, outgoing: Outgoing, draft: Draft | None, thread_id: str | None) -> Message:
        """Puts an accepted mail among the sent ones and hands it to every recipient once."""
        is_to_self = any(mailbox.is_own(recipient) for recipient in outgoing.recipients)
        labels = ["UNREAD", "SENT", "INBOX"] if is_to_self else ["SENT"]
        message = self._file(mailbox, outgoing.sent, labels, draft, thread_id)
        mailbox.sends.add(self._now())
        for delivery in [self._deliver(mailbox, outgoing, message, each) for each in outgoing.recipients]:
            self._hand_over(mailbox, delivery)
        return message

    def refuse_silently(
        self, mailbox: Mailbox, outgoing: Outgoing, draft: Draft | None, thread_id: str | None
    ) -> Message:
        """The day's mails are used up but the sender has not been told: nothing leaves, and a bounce comes."""
        message = self._file(mailbox, outgoing.sent, ["SENT"], draft, thread_id)
        for recipient in outgoing.recipients:
            received = self._received(RawMail.parse(outgoing.delivered), recipient)
            self._arrive(mailbox, letters.limit_bounce(received), ARRIVED)
        return message

    def send_elsewhere(self, mailbox: Mailbox, outgoing: Outgoing) -> Message:
        """The owner's own mail from another device, which lands in the thread that it answers."""
        return self.send(mailbox, outgoing, None, threads.for_arriving(mailbox, Content(outgoing.sent)))

    def _file(
        self, mailbox: Mailbox, raw: bytes, labels: Sequence[str], draft: Draft | None, thread_id: str | None
    ) -> Message:
        if draft is None:
            return mailbox.add(raw, labels, self._now(), thread_id)
        return mailbox.send_draft(draft, raw, labels, self._now())

    def _deliver(self, mailbox: Mailbox, outgoing: Outgoing, message: Message, recipient: str) -> Delivery:
        delivery = Delivery(
            id=f"delivery{len(self._deliveries) + 1}",
            sender=mailbox.address,
            recipient=recipient,
            mail=RawMail.parse(outgoing.delivered),
            at=self._now(),
            outcome="delivered",
            message_id=message.id,
            thread_id=message.thread_id,
        )
        self._deliveries.append(delivery)
        return delivery

    def _hand_over(self, mailbox: Mailbox, delivery: Delivery) -> None:
        trouble = self._bouncing.get(delivery.recipient)
        if trouble is not None and trouble.times_left != 0:
            trouble.times_left -= trouble.times_left > 0
            self.bounce(delivery, trouble.kind)
            return
        for other in self._local(delivery.recipient):
            if other is not mailbox:
                copy = delivery.mail.below(("Return-Path", f"<{delivery.sender}>"))
                self._arrive(other, copy.to_bytes(), ARRIVED)

    def _local(self, recipient: str) -> Iterator[Mailbox]:
        return (each for each in self._mailboxes.values() if each.is_own(recipient))

    def _answer(self, delivery: Delivery, write: Callable[[Received], bytes]) -> Message:
        with self._stage.lock:
            received = self._received(delivery.mail, delivery.recipient)
            return self._arrive(self._mailbox(delivery.sender), write(received), ARRIVED)

    def _received(self, mail: RawMail, recipient: str) -> Received:
        return Received(mail=mail, recipient=recipient, at=self._now(), unique=self._unique())

    def _arrive(self, mailbox: Mailbox, raw: bytes, labels: Sequence[str]) -> Message:
        now = self._now()
        received = f"by 2002:a05:6214:0:0:0:0:0 with SMTP id {self._unique()[:12]}; {format_datetime(now)}"
        mail = RawMail.parse(raw).below(("Delivered-To", mailbox.address), ("Received", received))
        content = Content(mail.to_bytes())
        return mailbox.add(content.raw, labels, now, threads.for_arriving(mailbox, content))

    def _mailbox(self, address: str) -> Mailbox:
        found = self._mailboxes.get(address.lower())
        if found is None:
            raise ValueError(f"there is no mailbox {address}")
        return found

    def _now(self) -> datetime:
        return self._stage.clock.now()

    def _unique(self) -> str:
        return self._stage.ids.new("", 40)


def is_told(mailbox: Mailbox, options: GmailOptions, now: datetime) -> bool:
    """Whether a sender whose day's mails are used up hears of it at once; else he hears of it by a bounce."""
    since = mailbox.sends.exceeded_at
    return since is None or (now - since).total_seconds() >= options.limit_lag_seconds


def _fits(delivery: Delivery, recipient: str | None, header: str | tuple[str, str] | None) -> bool:
    if recipient is not None and delivery.recipient != recipient.lower():
        return False
    if header is None:
        return True
    name, value = (header, None) if isinstance(header, str) else header
    texts = delivery.mail.texts(name)
    return bool(texts) if value is None else value in texts
