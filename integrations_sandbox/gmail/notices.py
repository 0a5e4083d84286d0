"""Bounces in the forms of other mail systems, as bytes: notices in words, with what was sent below or not at all.

Belongs here: how such notices look on the wire. Does not belong here: Gmail's own reports and those of the standard
(`letters`).
"""

from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.policy import SMTP as _SMTP
from types import MappingProxyType
from typing import Literal, Protocol, get_args

from integrations_sandbox.gmail.raw import RawMail, addresses

#: qmail and Yahoo write a text with a copy of the mail below it; Exim a text and a header field; `german` is a text in
#: that language by a provider's own program; `global` is RFC 6533's report, whose fields are in UTF-8.
NoticeKind = Literal["qmail", "yahoo", "exim", "german", "global"]
NOTICE_KINDS: frozenset[str] = frozenset(get_args(NoticeKind))
SMTP = _SMTP.clone(max_line_length=990)


class Bounced(Protocol):
    """The mail that came back; `letters.Received` is one."""

    @property
    def mail(self) -> RawMail: ...

    @property
    def recipient(self) -> str: ...

    @property
    def unique(self) -> str: ...


def notice(bounced: Bounced, kind: str, date: str) -> bytes:
    """Raises KeyError for an unknown kind. `date`: of the notice, as a header field has it."""
    return _WRITERS[kind](bounced, date)


def _letter(bounced: Bounced, sender: str, subject: str, date: str) -> EmailMessage:
    letter = EmailMessage(policy=SMTP)
    letter["Return-Path"] = "<>"
    letter["From"], letter["To"] = sender, ", ".join(addresses(bounced.mail.text("From")))
    letter["Subject"], letter["Date"] = subject, date
    letter["Message-ID"] = f"<{bounced.unique}@{_host(bounced)}>"
    return letter


def _host(bounced: Bounced) -> str:
    return bounced.recipient.partition("@")[2]


def _copy(bounced: Bounced) -> str:
    return bounced.mail.to_bytes().decode("utf-8", "replace").replace("\r\n", "\n")


def _qmail(bounced: Bounced, date: str) -> bytes:
    letter = _letter(bounced, f"MAILER-DAEMON@{_host(bounced)}", "failure notice", date)
    letter.set_content(
        f"Hi. This is the qmail-send program at {_host(bounced)}.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{bounced.recipient}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        f"--- Below this line is a copy of the message.\n\n{_copy(bounced)}"
    )
    return letter.as_bytes()


def _yahoo(bounced: Bounced, date: str) -> bytes:
    letter = _letter(bounced, "MAILER-DAEMON@yahoo.com", "Failure Notice", date)
    letter.set_content(
        "Sorry, we were unable to deliver your message to the following address.\n\n"
        f"<{bounced.recipient}>:\n554: delivery error: dd This user doesn't have a yahoo.com account "
        f"({bounced.recipient}) [0] - mta1.mail.yahoo.com\n\n"
        f"--- Below this line is a copy of the message.\n\n{_copy(bounced)}"
    )
    return letter.as_bytes()


def _exim(bounced: Bounced, date: str) -> bytes:
    sender = f"Mail Delivery System <Mailer-Daemon@{_host(bounced)}>"
    letter = _letter(bounced, sender, "Mail delivery failed: returning message to sender", date)
    letter["X-Failed-Recipients"] = bounced.recipient
    letter["Auto-Submitted"] = "auto-replied"
    letter.set_content(
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {bounced.recipient}\n    SMTP error from remote mail server after RCPT TO:<{bounced.recipient}>:\n"
        f"    host mx.{_host(bounced)} [192.0.2.25]: 550 5.1.1 <{bounced.recipient}>: Recipient address rejected:\n"
        "    User unknown in virtual mailbox table\n\n"
        f"------ This is a copy of the message, including all the headers. ------\n\n{_copy(bounced)}"
    )
    return letter.as_bytes()


def _german(bounced: Bounced, date: str) -> bytes:
    letter = _letter(
        bounced, f"Mailzustellung <mailer-daemon@{_host(bounced)}>", "Ihre Nachricht ist unzustellbar", date
    )
    letter.set_content(
        "Guten Tag,\n\nIhre Nachricht konnte nicht zugestellt werden. Die folgende Adresse existiert nicht:\n\n"
        f"    {bounced.recipient}\n\nBitte prüfen Sie die Schreibweise.\n\n"
        f"Ursprüngliche Nachricht:\n{_copy(bounced)}"
    )
    return letter.as_bytes()


def _global(bounced: Bounced, date: str) -> bytes:
    head = _letter(bounced, f"postmaster@{_host(bounced)}", "Undelivered Mail Returned to Sender", date)
    boundary = f"report-{bounced.unique}"
    kind_of_all = f'multipart/report; report-type=delivery-status; boundary="{boundary}"'
    status = (
        f"Reporting-MTA: dns; mx.{_host(bounced)}\r\n\r\nFinal-Recipient: utf-8; {bounced.recipient}\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 Empfänger unbekannt\r\n"
    )
    pieces = (
        ("text/plain; charset=utf-8", f"{bounced.recipient}: Empfänger unbekannt\r\n".encode()),
        ("message/global-delivery-status", status.encode()),
        ("message/global-headers", RawMail(bounced.mail.fields, b"").to_bytes()),
    )
    body = b"".join(
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode() + data + b"\r\n"
        for kind, data in pieces
    )
    last = f"MIME-Version: 1.0\r\nContent-Type: {kind_of_all}\r\n\r\n".encode()
    return head.as_bytes().removesuffix(b"\r\n") + last + body + f"--{boundary}--\r\n".encode()


_WRITERS: Mapping[str, Callable[[Bounced, str], bytes]] = MappingProxyType(
    {"qmail": _qmail, "yahoo": _yahoo, "exim": _exim, "german": _german, "global": _global}
)
