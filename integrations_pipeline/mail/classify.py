"""What a received message is: a reply, a bounce, a vacation answer, another machine's. Pure.

By the standard headers (RFC 3834, 3464, 6522) and the older ones that vendors still send. Belongs here: one
message by itself. Does not: which pitch it answers (`sync.mailing.replies`), reading reports (`reports`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from enum import StrEnum

from integrations_pipeline.mail import words
from integrations_pipeline.mail.addresses import LIST_HEADERS, addresses_of, is_machine
from integrations_pipeline.mail.notices import goes_on, is_failure, names_dead_address
from integrations_pipeline.mail.reports import Report
from integrations_pipeline.model import clean_text

Headers = Mapping[str, Sequence[str]]


class MailKind(StrEnum):
    """`DELAYED` is a machine's word that it goes on trying: no reply and no bounce."""

    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    OUT_OF_OFFICE = "out_of_office"
    DELAYED = "delayed"
    LIST = "list"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as far as it matters: its headers by lower-case name, its report if it carries one, and how its
    text begins."""

    headers: Headers
    report: Report | None = None
    snippet: str = ""


_DAEMONS = ("mailer-daemon", "postmaster", "mailerdaemon", "mailer_daemon", "mail-daemon", "maildaemon")
#: Headers that only machines write, whatever they say in them (but "no").
_AUTOMATIC = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-mail-autoreply", "x-autoreply-from")
_PREFIXES = re.compile(
    r"\s*((re|aw|sv|fw|fwd|wg|antw|vs|ref|tr|res|enc|rv|odp|automatic reply|out of office|auto)"
    r"\s*(\[\d+\])?\s*[:\uff1a]\s*)+",
    re.IGNORECASE,
)


def classify(received: Received, own: Sequence[str]) -> MailKind:
    """The kind of a message, asked in this order.

    ======================================================  =============================
    what it is                                              kind
    ======================================================  =============================
    from one of our own addresses                           own
    a delivery report that says failed, or a daemon's text  bounce
    a delivery report that says delayed, or such a text     delayed
    an answer by a machine, about an absence                out_of_office
    an answer by another machine                            auto_reply
    a list's or a mass mailing that answers nothing         list
    anything else                                           reply
    ======================================================  =============================
    """
    headers = received.headers
    sender = sender_of(headers)
    if sender in {address.lower() for address in own}:
        return MailKind.OWN
    if received.report is not None:
        return MailKind.DELAYED if received.report.goes_on else MailKind.BOUNCE
    if _is_daemon(sender):
        return _kind_of_notice(received)
    if is_automatic(headers) or is_machine(sender) or _says_away(received):
        return MailKind.OUT_OF_OFFICE if _is_about_absence(received) else MailKind.AUTO_REPLY
    is_answer = bool(headers.get("in-reply-to"))
    is_mass = any(headers.get(name) for name in LIST_HEADERS) or _precedence(headers) in ("bulk", "list", "junk")
    return MailKind.LIST if is_mass and not is_answer else MailKind.REPLY


def _kind_of_notice(received: Received) -> MailKind:
    """A mail system's own words, without a report that a program could read."""
    told = f"{_first(received.headers, 'subject')} {received.snippet}"
    if goes_on(told):
        return MailKind.DELAYED
    has_failed = received.headers.get("x-failed-recipients") or is_failure(told)
    return MailKind.BOUNCE if has_failed else MailKind.AUTO_REPLY


def may_be_notice(headers: Headers) -> bool:
    """Whether a message may tell of a delivery in words only, so that it is worth reading whole."""
    sender = sender_of(headers)
    if not sender or _is_daemon(sender) or headers.get("x-failed-recipients"):
        return True
    return is_failure(_subject(headers)) and (is_automatic(headers) or is_machine(sender))


def _is_daemon(sender: str) -> bool:
    return sender.partition("@")[0].partition("+")[0].startswith(_DAEMONS)


def _says_away(received: Received) -> bool:
    """An answer in which no header and no subject tells a machine, but two things in its words do."""
    return words.AWAY.search(received.snippet) is not None and words.MEANWHILE.search(received.snippet) is not None


def is_hard_bounce(received: Received, addresses: Sequence[str]) -> bool:
    """Whether a bounce names one of these addresses (lower case) as one that will never take mail. Full mailboxes,
    limits, and what somebody's policy refused may be different next time; words must name an unknown address."""
    if received.report is not None:
        return received.report.is_hard_for(addresses)
    named = set(addresses) & set(failed_recipients(received))
    return bool(named) and names_dead_address(received.snippet)


def is_automatic(headers: Headers) -> bool:
    """RFC 3834's header, and the ones that came before it."""
    auto = _first(headers, "auto-submitted").lower().split(";")[0].strip()
    if auto and auto != "no":
        return True
    precedence = _precedence(headers)
    is_answer = bool(headers.get("in-reply-to"))
    return (
        any(_first(headers, name).strip().lower() not in ("", "no") for name in _AUTOMATIC)
        or precedence == "auto_reply"
        # Autoresponders older than RFC 3834; a list's own mail names the list.
        or (precedence in ("bulk", "junk") and is_answer and not headers.get("list-id"))
        # Nobody can answer it, and no report says why: RFC 5321 keeps the empty sender for machines.
        or _first(headers, "return-path").strip() == "<>"
        or _content_type(headers) == "multipart/report"
        or words.AWAY_SUBJECT.match(_subject(headers)) is not None
    )


def _is_about_absence(received: Received) -> bool:
    headers = received.headers
    told = " ".join(_first(headers, name) for name in ("auto-submitted", "x-autorespond", "x-autoreply-reason"))
    # The vacation answers of Google's mailboxes say no more than this, whatever their language.
    is_plain = _precedence(headers) == "bulk" and bool(headers.get("x-autoreply")) and not headers.get("feedback-id")
    subject = _subject(headers)
    return (
        is_plain
        or "vacation" in told.lower()
        or words.AWAY_SUBJECT.match(subject) is not None
        or words.AWAY.search(f"{told} {subject} {received.snippet}") is not None
    )


def _subject(headers: Headers) -> str:
    return in_words(_first(headers, "subject"))


def in_words(text: str) -> str:
    """A header's text as a person reads it: some servers tell it as it travelled, in encoded words."""
    if "=?" not in text:
        return text
    try:
        return clean_text(str(make_header(decode_header(text))))
    except (LookupError, ValueError, HeaderParseError):
        return text


def _precedence(headers: Headers) -> str:
    return _first(headers, "precedence").strip().lower()


def _content_type(headers: Headers) -> str:
    return _first(headers, "content-type").partition(";")[0].strip().lower()


def _first(headers: Headers, name: str) -> str:
    values = headers.get(name) or ("",)
    return values[0]


def sender_of(headers: Headers) -> str:
    """The author's address in lower case, or ""."""
    found = addresses_of(headers.get("from", ()))
    return f"{found[0].username}@{found[0].domain}".lower() if found else ""


def failed_recipients(received: Received) -> list[str]:
    """To whom a bounced message was, as far as the bounce tells."""
    told = received.report.recipients if received.report else ()
    named = addresses_of(received.headers.get("x-failed-recipients", ()), "To")
    return [*told, *(f"{each.username}@{each.domain}".lower() for each in named)]


def referenced_ids(headers: Headers) -> tuple[str, ...]:
    """Message-IDs that a message answers, nearest first."""
    told = [*headers.get("in-reply-to", ()), *reversed(" ".join(headers.get("references", ())).split())]
    return tuple(dict.fromkeys(each for value in told for each in re.findall(r"<[^<>\s]+>", value)))


def bare_subject(subject: str) -> str:
    """A subject without the prefixes that answering adds, by people and by machines, in lower case."""
    subject = in_words(subject)
    found = words.AWAY_SUBJECT.match(subject)
    subject = subject[found.end() :] if found and found[0].rstrip().endswith((":", "\uff1a")) else subject
    return " ".join(_PREFIXES.sub("", subject, count=1).split()).lower()
