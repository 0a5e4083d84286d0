"""What a received message is: a reply, a bounce, a vacation answer, another machine's. Pure.

By the standard headers (RFC 3834, 3464, 6522) and the older ones that vendors still send. Belongs here: one
message by itself. Does not: which pitch it answers (`sync.replies`), reading reports (`reports`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from integrations_pipeline.mail.addresses import LIST_HEADERS, addresses_of, is_machine
from integrations_pipeline.mail.reports import Report, names_dead_address

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


_DAEMONS = ("mailer-daemon", "postmaster", "mailerdaemon")
#: Headers that only machines write, whatever they say in them (but "no").
_AUTOMATIC = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-mail-autoreply", "x-autoreply-from")
#: How mail systems begin the subject of a vacation answer, in the languages of their makers' programs.
_AWAY_SUBJECT = re.compile(
    r"\s*(out of (the )?office\b|ooo\b|abwesenheits\w*\b"
    r"|(automatic reply|auto[- ]?reply|auto[- ]response|auto(matic)? response"
    r"|abwesend|automatische (antwort|nachricht)|réponse automatique|absence|absent"
    r"|respuesta automática|fuera de (la )?oficina|risposta automatica|fuori (sede|ufficio)|resposta automática"
    r"|automatisch antwoord|afwezig|autosvar|frånvar\w*|fravær\w*|automaattinen vastaus|poissa|automatyczna odpowiedź"
    r"|poza biurem|automatická odpověď|автоответ|автоматический ответ|自動応答|自動回覆|自动答复|不在)"
    r"\s*([:\uff1a(\[–-]|$))",
    re.IGNORECASE,
)
#: How people say in such an answer that they are away.
_AWAY = re.compile(
    r"out of (the |my )?office|away (from|until|till|on|for)\b|\b(am|i'm|i’m|be|is|currently) away\b|vacation"
    r"|on \w* ?(leave|holidays?)\b|on (business )?travel|maternity|paternity|sabbatical"
    r"|back (in|at) the office|back on|return\w* (on|to (the office|work))|(limited|no) access to (my )?e-?mail"
    r"|abwesen|nicht im (büro|haus)|urlaub|elternzeit|en congé|en vacances|absent[e ]|de vacaciones|fuera de la oficina"
    r"|in ferie|fuori ufficio|de férias|met vakantie|afwezig|på semester|på ferie|lomalla|urlopie|в отпуске|不在|休暇",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"\(delay\)|delayed|(will|to) (be )?(retry|retried|try|tried|keep trying)|tried again|still trying"
    r"|not yet been delivered|no action is required|warning: could not send",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"undeliver|not (be )?delivered|deliver\w* (\w+ ){0,3}(fail|incomplete|problem)|failure|returned mail|rejected"
    r"|mail delivery failed|could ?n[o']t be (sent|delivered)|not sent|problem (while )?delivering|unzustellbar"
    r"|non remis",
    re.IGNORECASE,
)
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
    if sender.partition("@")[0] in _DAEMONS:
        return _kind_of_notice(received)
    if is_automatic(headers) or is_machine(sender):
        return MailKind.OUT_OF_OFFICE if _is_about_absence(received) else MailKind.AUTO_REPLY
    is_answer = bool(headers.get("in-reply-to"))
    is_mass = any(headers.get(name) for name in LIST_HEADERS) or _precedence(headers) in ("bulk", "list", "junk")
    return MailKind.LIST if is_mass and not is_answer else MailKind.REPLY


def _kind_of_notice(received: Received) -> MailKind:
    """A mail system's own words, without a report that a program could read."""
    told = f"{_first(received.headers, 'subject')} {received.snippet}"
    if _GOES_ON.search(told):
        return MailKind.DELAYED
    is_failure = received.headers.get("x-failed-recipients") or _FAILED.search(told)
    return MailKind.BOUNCE if is_failure else MailKind.AUTO_REPLY


def is_hard_bounce(received: Received) -> bool:
    """Whether a bounce says that its address will never take mail. Full mailboxes, limits, and what somebody's
    policy refused may be different next time; a notice in words must name an unknown address."""
    if received.report is not None:
        return received.report.is_hard
    return names_dead_address(received.snippet)


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
        or _AWAY_SUBJECT.match(_first(headers, "subject")) is not None
    )


def _is_about_absence(received: Received) -> bool:
    headers = received.headers
    told = " ".join(_first(headers, name) for name in ("auto-submitted", "x-autorespond", "x-autoreply-reason"))
    # Gmail's own vacation answers say no more than this, whatever their language.
    is_gmail = _precedence(headers) == "bulk" and bool(headers.get("x-autoreply")) and not headers.get("feedback-id")
    subject = _first(headers, "subject")
    return (
        is_gmail
        or "vacation" in told.lower()
        or _AWAY_SUBJECT.match(subject) is not None
        or _AWAY.search(f"{told} {subject} {received.snippet}") is not None
    )


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
    """A subject without the prefixes that answering adds, in lower case."""
    return " ".join(_PREFIXES.sub("", subject, count=1).split()).lower()
