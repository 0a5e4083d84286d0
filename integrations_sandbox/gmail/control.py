# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""The control operations of Gmail: act as a mailbox's owner or as the world outside, and see what was delivered.

Belongs here: the translation between control requests and the methods of the state and its world. Does not belong
here: the operations themselves.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from integrations_sandbox.gmail import parts
from integrations_sandbox.gmail.letters import ReplyStyle
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.methods import MAIL
from integrations_sandbox.gmail.model import ARRIVED, SendAs
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.wire import ControlRow, JsonObject, Reply, Request

_BOX = "sandbox/gmail/mailboxes/{}"
_DELIVERY = "sandbox/gmail/deliveries/{}"


class GmailControl:
    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail

    def rows(self) -> Sequence[ControlRow]:
        return [
            ("GET", "sandbox/gmail/options", self.options, "message_id, daily_send_limit, …"),
            ("PATCH", "sandbox/gmail/options", self.set_options, "change some of them"),
            ("GET", "sandbox/gmail/mailboxes", self.mailboxes, "all mailboxes"),
            ("POST", "sandbox/gmail/mailboxes", self.create_mailbox, '{"address", "aliases": […], "signature"}'),
            ("POST", "sandbox/gmail/tokens", self.create_token, '{"address", "scopes": […], "expires_in"}'),
            ("DELETE", "sandbox/gmail/tokens/{}", self.revoke_token, "revoke a token"),
            ("POST", "sandbox/gmail/faults", self.add_error, '{"reason": "backendError", "path_regex", "times"}'),
            ("POST", _BOX + "/expire-history", self.expire_history, "answer known history ids with 404"),
            ("GET", _BOX + "/messages", self.messages, "all messages, newest first"),
            ("POST", _BOX + "/messages", self.incoming, 'mail arrives: {"raw"} or {"headers", "text"}'),
            ("POST", _BOX + "/sent", self.send_elsewhere, 'the owner sends from elsewhere: {"raw"}'),
            ("POST", _BOX + "/newsletter", self.newsletter, '{"from", "subject"}'),
            ("POST", _BOX + "/messages/{}/labels", self.relabel, '{"add": […], "remove": […]}'),
            ("POST", _BOX + "/messages/{}/trash", self.trash, "move a message to the trash"),
            ("DELETE", _BOX + "/messages/{}", self.delete, "delete a message forever"),
            ("GET", "sandbox/gmail/deliveries", self.deliveries, "what left; ?recipient=&header=X-Id:7"),
            ("GET", "sandbox/gmail/delivery-counts", self.counts, "how often; ?header=X-Id"),
            ("POST", _DELIVERY + "/reply", self.reply, '{"text", "from_address", "is_quoting"}'),
            ("POST", _DELIVERY + "/bounce", self.bounce, '{"kind": "hard"}'),
            ("POST", _DELIVERY + "/auto-reply", self.auto_reply, '{"text"}'),
            ("POST", _DELIVERY + "/out-of-office", self.out_of_office, '{"vendor": "exchange", "text"}'),
            ("GET", "sandbox/gmail/bouncing", self.bouncing, "addresses that bounce by themselves"),
            ("POST", "sandbox/gmail/bouncing", self.set_bouncing, '{"address", "kind": "hard", "times": -1}'),
        ]

    # Options, mailboxes, tokens, faults

    def options(self, request: Request) -> Reply:
        return Reply(body=asdict(self._gmail.options))

    def set_options(self, request: Request) -> Reply:
        self._gmail.set_options(**request.json())
        return self.options(request)

    def mailboxes(self, request: Request) -> Reply:
        return Reply(body={"mailboxes": [_mailbox_json(each) for each in self._gmail.mailboxes]})

    def create_mailbox(self, request: Request) -> Reply:
        document = request.json()
        aliases = [SendAs(**each) if isinstance(each, dict) else each for each in document.pop("aliases", [])]
        return Reply(body=_mailbox_json(self._gmail.create_mailbox(**document, aliases=aliases)))

    def create_token(self, request: Request) -> Reply:
        document = request.json()
        token = self._gmail.token(document["address"], document.get("scopes", [MAIL]), document.get("expires_in"))
        return Reply(body={"token": token})

    def revoke_token(self, request: Request, token: str) -> Reply:
        self._gmail.revoke_token(token)
        return Reply(body={})

    def add_error(self, request: Request) -> Reply:
        return Reply(body=asdict(self._gmail.add_error(**request.json())))

    # A mailbox's owner

    def expire_history(self, request: Request, address: str) -> Reply:
        self._gmail.expire_history(address)
        return Reply(body={})

    def messages(self, request: Request, address: str) -> Reply:
        found = self._gmail.messages(address)
        return Reply(body={"messages": [each.metadata([]) | {"text": each.content.text} for each in found]})

    def send_elsewhere(self, request: Request, address: str) -> Reply:
        return Reply(body=self._gmail.send_elsewhere(address, parts.decoded(request.json()["raw"])).labelled())

    def relabel(self, request: Request, address: str, message_id: str) -> Reply:
        document = request.json()
        self._gmail.relabel(address, message_id, document.get("add", []), document.get("remove", []))
        return Reply(body=self._gmail.message(address, message_id).labelled())

    def trash(self, request: Request, address: str, message_id: str) -> Reply:
        self._gmail.trash_message(address, message_id)
        return Reply(body=self._gmail.message(address, message_id).labelled())

    def delete(self, request: Request, address: str, message_id: str) -> Reply:
        self._gmail.delete_message(address, message_id)
        return Reply(body={})

    # The world

    def incoming(self, request: Request, address: str) -> Reply:
        document = request.json()
        if "raw" in document:
            labels = document.get("labels", ARRIVED)
            message = self._gmail.world.incoming(address, parts.decoded(document["raw"]), labels)
        else:
            message = self._gmail.world.letter(address, document["headers"], document.get("text", ""))
        return Reply(body=message.labelled())

    def newsletter(self, request: Request, address: str) -> Reply:
        document = request.json()
        given = {key: document[name] for name, key in (("from", "sender"), ("subject", "subject")) if name in document}
        return Reply(body=self._gmail.world.newsletter(address, **given).labelled())

    def deliveries(self, request: Request) -> Reply:
        """`header` is a name, or a name and a value with a colon between."""
        name, colon, value = (request.value("header") or "").partition(":")
        header = (name, value.strip()) if colon else name or None
        found = self._gmail.world.deliveries(request.value("recipient"), header)
        return Reply(body={"deliveries": [each.to_json() for each in found]})

    def counts(self, request: Request) -> Reply:
        """Without a header, by recipient; with one, by recipient and value."""
        name = request.value("header")
        if name is None:
            by_recipient = self._gmail.world.count_by_recipient()
            rows = [{"recipient": each, "count": count} for each, count in by_recipient.items()]
        else:
            by_header = self._gmail.world.count_by_header(name)
            rows = [{"recipient": who, "value": value, "count": count} for (who, value), count in by_header.items()]
        return Reply(body={"counts": rows})

    def reply(self, request: Request, delivery_id: str) -> Reply:
        document = request.json()
        given: dict[str, Any] = {"text": document.pop("text")} if "text" in document else {}
        delivery = self._gmail.world.delivery(delivery_id)
        return Reply(body=self._gmail.world.reply(delivery, **given, style=ReplyStyle(**document)).labelled())

    def bounce(self, request: Request, delivery_id: str) -> Reply:
        delivery = self._gmail.world.delivery(delivery_id)
        return Reply(body=self._gmail.world.bounce(delivery, **request.json()).labelled())

    def auto_reply(self, request: Request, delivery_id: str) -> Reply:
        delivery = self._gmail.world.delivery(delivery_id)
        return Reply(body=self._gmail.world.auto_reply(delivery, **request.json()).labelled())

    def out_of_office(self, request: Request, delivery_id: str) -> Reply:
        delivery = self._gmail.world.delivery(delivery_id)
        return Reply(body=self._gmail.world.out_of_office(delivery, **request.json()).labelled())

    def bouncing(self, request: Request) -> Reply:
        return Reply(body={"bouncing": self._gmail.world.bouncing()})

    def set_bouncing(self, request: Request) -> Reply:
        document = request.json()
        self._gmail.world.set_bouncing(document["address"], document["kind"], document.get("times", -1))
        return self.bouncing(request)


def _mailbox_json(mailbox: Mailbox) -> JsonObject:
    return {
        "address": mailbox.address,
        "send_as": [sender.to_json() for sender in mailbox.senders.values()],
        "messages_total": len(mailbox.messages),
        "history_id": str(mailbox.history.current),
    }
