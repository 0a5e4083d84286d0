"""What a check of a mailbox looks at: what the grant allows, the addresses, the day's limit. Nothing is written.

Belongs here: the questions and what their answers mean. Does not: requests (`client`).
"""

from dataclasses import dataclass

from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.findings import Findings
from integrations_pipeline.providers.gmail.client import GmailClient
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.providers.mailbox import Mailbox

#: E-mails in 24 hours, by the kind of account (https://support.google.com/mail/answer/22839,
#: https://support.google.com/a/answer/166852); a trial of Workspace has less, which nothing tells.
CONSUMER_LIMIT = 500
WORKSPACE_LIMIT = 2_000
_CONSUMER_DOMAINS = ("@gmail.com", "@googlemail.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailCheck:
    client: GmailClient
    mailbox: Mailbox
    settings: GmailSettings

    def report(self) -> CheckReport:
        """Each right is tried by itself: a grant for metadata alone knows the mailbox, too, but may not search it."""
        found = Findings()
        with found.until_ended():
            with found.asking("the mailbox and its addresses (gmail.readonly)", is_vital=True):
                self.mailbox.account()
            with found.asking("where the mailbox stands (gmail.readonly)", is_vital=True):
                self.mailbox.position()
            with found.asking("the mailbox's messages (gmail.readonly)", is_vital=True):
                self.client.search("in:sent", 1)
            if self.settings.daily_send_limit:
                with found.asking("drafts and sending (gmail.compose)", is_vital=True):
                    self.client.require_writing()
            else:
                found.notes.append(
                    "daily_send_limit is 0: nothing is sent, and whether the grant allows it was not asked"
                )
            with found.asking("what kind of account it is"):
                self._look_at_limit(found)
        return found.report()

    def _look_at_limit(self, found: Findings) -> None:
        address = str(self.client.profile().get("emailAddress") or "").lower()
        is_consumer = address.endswith(_CONSUMER_DOMAINS)
        most, kind = (CONSUMER_LIMIT, "consumer") if is_consumer else (WORKSPACE_LIMIT, "Workspace")
        limit = self.settings.daily_send_limit
        if limit > most:
            found.notes.append(
                f"daily_send_limit is {limit}, and Gmail lets a {kind} account send {most} e-mails in 24 hours, those "
                "that people send by hand among them: beyond that it refuses, or accepts and returns them"
            )
