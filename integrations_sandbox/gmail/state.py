"""The state of the sandboxed Gmail and what people can do to it.

Belongs here: mailboxes, tokens, options and the world in one object; acting as a mailbox's owner. Does not belong
here: HTTP, the public API's rules about scopes and parameters (`api`), what happens outside (`world`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.gmail import errors, outgoing
from integrations_sandbox.gmail.limits import UnitLimiter
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.methods import MAIL
from integrations_sandbox.gmail.model import Draft, Message, SendAs
from integrations_sandbox.gmail.options import GmailOptions
from integrations_sandbox.gmail.outgoing import Outgoing, Stamp
from integrations_sandbox.gmail.raw import is_valid_recipients
from integrations_sandbox.gmail.uploads import Uploads
from integrations_sandbox.gmail.world import MailWorld, is_told
from integrations_sandbox.stage import Grant, Stage, iso

CLIENT_ID = "100000000001-sandbox.apps.googleusercontent.com"


class Gmail:
    """Everything the sandboxed Gmail knows; `world` is what lies outside the mailboxes.

    Methods for people take the address of a mailbox and raise ValueError for one that does not exist. All are safe to
    call from any thread.
    """

    def __init__(self, stage: Stage, options: GmailOptions) -> None:
        self.stage = stage
        self._first_options = options
        self.reset()

    def reset(self) -> None:
        """Back to the start: no mailboxes, options as given at the start."""
        with self.stage.lock:
            self.options = self._first_options
            self._mailboxes: dict[str, Mailbox] = {}
            self.limiter = UnitLimiter(self.options.rate_limit_scale)
            self.uploads = Uploads(self.stage.ids)
            self.world = MailWorld(self.stage, self._mailboxes)

    def set_options(self, **changes: Any) -> None:
        """Changes options of the running server. Raises TypeError or ValueError for one that does not exist."""
        with self.stage.lock:
            self.options = replace(self.options, **changes)
            self.limiter.scale = self.options.rate_limit_scale

    # Mailboxes and tokens

    @property
    def mailboxes(self) -> list[Mailbox]:
        return list(self._mailboxes.values())

    def create_mailbox(
        self,
        address: str,
        *,
        display_name: str = "",
        signature: str = "",
        aliases: Iterable[str | SendAs] = (),
    ) -> Mailbox:
        """`aliases` are further addresses to send from: verified ones, or a SendAs each for everything else."""
        primary = SendAs(address=address, display_name=display_name, signature=signature, is_primary=True)
        others = [SendAs(address=each) if isinstance(each, str) else each for each in aliases]
        senders = [replace(each, address=each.address.lower()) for each in [primary, *others]]
        if not all(is_valid_recipients(each.address) for each in senders):
            raise ValueError("an address is name@host.tld")
        senders[0].is_default = not any(each.is_default for each in others)
        with self.stage.lock:
            if senders[0].address in self._mailboxes:
                raise ValueError(f"there is a mailbox {senders[0].address} already")
            mailbox = Mailbox(senders, self.stage.ids)
            self._mailboxes[mailbox.address] = mailbox
            return mailbox

    def find_mailbox(self, address: str) -> Mailbox | None:
        return self._mailboxes.get(address.lower())

    def mailbox(self, address: str) -> Mailbox:
        found = self.find_mailbox(address)
        if found is None:
            raise ValueError(f"there is no mailbox {address}")
        return found

    def token(self, address: str, scopes: Iterable[str] = (MAIL,), expires_in: float | None = None) -> str:
        """A fresh access token for that mailbox, as if its owner had consented to these scopes (full URLs)."""
        with self.stage.lock:
            now = self.stage.clock.now()
            grant = Grant(
                token=self.stage.ids.new("ya29.", 60),
                provider="google",
                account=address.lower(),
                scopes=frozenset(scopes),
                client_id=CLIENT_ID,
                expires_at=None if expires_in is None else now + timedelta(seconds=expires_in),
            )
            self.stage.grants.add(grant)
            return grant.token

    def revoke_token(self, token: str) -> None:
        with self.stage.lock:
            self.stage.grants.revoke([token])

    # Acting as a mailbox's owner

    def messages(self, address: str) -> list[Message]:
        """Newest first, drafts among them."""
        with self.stage.lock:
            return self.mailbox(address).messages

    def message(self, address: str, message_id: str) -> Message:
        with self.stage.lock:
            found = self.mailbox(address).message(message_id)
            if found is None:
                raise ValueError(f"there is no message {message_id}")
            return found

    def relabel(self, address: str, message_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        with self.stage.lock:
            self.mailbox(address).relabel(self.message(address, message_id), add, remove, self.stage.clock.now())

    def trash_message(self, address: str, message_id: str) -> None:
        with self.stage.lock:
            self.trash(self.mailbox(address), [self.message(address, message_id)])

    def delete_message(self, address: str, message_id: str) -> None:
        """Forever."""
        with self.stage.lock:
            self.mailbox(address).delete([self.message(address, message_id)], self.stage.clock.now())

    def send_elsewhere(self, address: str, raw: bytes) -> Message:
        """The owner's own mail from another device: its Message-ID stays, and it counts for the day's mails."""
        with self.stage.lock:
            mailbox = self.mailbox(address)
            options = replace(self.options, message_id="preserve", adds_text_part=False)
            stamp = replace(self._stamp(), way="smtp.gmail.com with ESMTPSA")
            return self.world.send_elsewhere(mailbox, outgoing.prepare(raw, mailbox, options, stamp))

    def expire_history(self, address: str) -> None:
        """Every history id given out so far is answered with 404 from now on."""
        with self.stage.lock:
            self.mailbox(address).history.expire()

    # Faults

    def add_error(self, reason: str, *, is_applied: bool = False, **rule: Any) -> FaultRule:
        """A fault that answers with the body of that reason (a key of `errors.BY_NAME`); `rule` as in FaultRule.

        With `is_applied` the request does its work first. Raises ValueError for an unknown reason.
        """
        refusal = errors.BY_NAME.get(reason)
        if refusal is None:
            raise ValueError(f"reason must be one of {', '.join(errors.BY_NAME)}")
        fault = FaultRule(
            action="status_after" if is_applied else "status",
            status=refusal.status,
            body=refusal.body,
            headers=dict(refusal.headers),
            **rule,
        )
        with self.stage.lock:
            self.stage.faults.add(fault)
        return fault

    # Shared with `api`

    def trash(self, mailbox: Mailbox, messages: Sequence[Message]) -> None:
        """Assumed: what goes to the trash leaves the inbox."""
        for message in messages:
            mailbox.relabel(message, ["TRASH"], ["INBOX"], self.stage.clock.now())

    def prepare(self, mailbox: Mailbox, raw: bytes) -> Outgoing:
        return outgoing.prepare(raw, mailbox, self.options, self._stamp())

    def send(self, mailbox: Mailbox, prepared: Outgoing, draft: Draft | None, thread_id: str | None) -> Message:
        """Raises WireError 429 when the day's mails are used up and it is time to say so."""
        now = self.stage.clock.now()
        if not mailbox.sends.is_exceeded(self.options.daily_send_limit, now):
            return self.world.send(mailbox, prepared, draft, thread_id)
        if is_told(mailbox, self.options, now):
            raise errors.sending_limit(iso(mailbox.sends.free_at(now)))
        return self.world.refuse_silently(mailbox, prepared, draft, thread_id)

    def _stamp(self) -> Stamp:
        return Stamp(unique=self.stage.ids.new("", 40), at=self.stage.clock.now())
