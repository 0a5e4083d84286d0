"""Bounces told in words: the notices of mail systems that send no report that a program could read. Pure.

Belongs here: reading such a notice, whatever its language, into a `Report`. Does not: reports in parts (`reports`),
what else a received message can be (`classify`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.parser import BytesParser, HeaderParser

from flufl.bounce import all_failures

from integrations_pipeline.mail import words
from integrations_pipeline.mail.addresses import addresses_of, is_machine
from integrations_pipeline.mail.compose import PITCH_HEADER, both_forms
from integrations_pipeline.mail.reports import (
    BROKEN,
    RETURNED,
    Fate,
    Report,
    codes_in,
    is_dead_code,
    original_in,
    read_report,
    says_dead,
    with_original,
)
from integrations_pipeline.model import clean_text

#: Characters of a notice that are read: what it has to say stands at its head.
_READ = 20_000
#: A server's answer without an enhanced code.
_BASIC = re.compile(r"(?:^|[\s:(<#])([45])(?:21|41|5[0-5]|7[01])(?=[\s-])")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]")
_HEADER_LINE = re.compile(
    rf">? ?(return-path|received|dkim-signature|mime-version|message-id|{PITCH_HEADER}|from|to|date|subject|cc"
    r"|content-type|references|in-reply-to|list-unsubscribe|x-[a-z-]+):",
    re.IGNORECASE,
)


def is_failure(text: str) -> bool:
    """Whether a mail system's words say that a message did not arrive."""
    return words.FAILED.search(text) is not None


def goes_on(text: str) -> bool:
    """Whether they say that it goes on trying, and not that it did and gave up."""
    return words.GOES_ON.search(text) is not None and words.GAVE_UP.search(text) is None


def names_dead_address(text: str) -> bool:
    """Whether a text says that an address does not exist: by a code, and only without one by its words."""
    codes = codes_in(text)
    if codes:
        return any(is_dead_code(code, text) for code in codes)
    classes = {found[1] for found in _BASIC.finditer(text)}
    return classes != {"4"} and says_dead(text)


def read_notice(raw: bytes) -> Report | None:
    """What a mail system's notice says, in words or in another program's form; None if it tells of no delivery."""
    try:
        message = BytesParser(policy=policy.default).parsebytes(raw)
        text, original = _parted(message)
        report = _read(message, text)
    except BROKEN:
        return None
    if report is None:
        report = _second_opinion(raw)
    return report if report is None or original is None else with_original(report, original)


def _read(message: EmailMessage, text: str) -> Report | None:
    given = _named_in(message, "X-Failed-Recipients")
    action = _action(f"{clean_text(str(message.get('Subject', '')))}\n{text}", text)
    if not action and not given:
        return None
    ours = {*_named_in(message, "To"), *_named_in(message, "Delivered-To"), *_named_in(message, "From")}
    fates = tuple(_fates(text, given or _addresses(text, ours), action or "failed"))
    return Report(fates=fates or (Fate(action=action or "failed"),))


def _action(told: str, text: str) -> str:
    """What became of the message, in the words of a report; "" if nothing is said of that. Codes count more than
    words: what failed in the end was often tried for long."""
    classes = {code[0] for code in codes_in(text)} or {found[1] for found in _BASIC.finditer(text)}
    if classes == {"5"}:
        return "failed"
    if goes_on(told):
        return "delayed"
    has_failed = "5" in classes or words.FAILED.search(told) or words.GAVE_UP.search(told)
    return "failed" if has_failed else ""


def _fates(text: str, addresses: Sequence[str], action: str) -> Iterator[Fate]:
    """One for each address: what stands from its line to the next address's is about it; where no address has a
    verdict of its own, all of the text is about each."""
    lines = text.splitlines()
    begins = {address: _line_of(lines, address) for address in addresses}
    own = {address: _part_of(lines, start, begins.values()) for address, start in begins.items()}
    is_told_apart = any(codes_in(part) or words.DEAD.search(part) for part in own.values())
    for address in addresses:
        said = own[address] if is_told_apart else text
        codes = codes_in(said)
        status = next((code for code in codes if is_dead_code(code, said)), codes[0] if codes else "")
        yield Fate(action=action, status=status, named=(address,), is_dead=names_dead_address(said))


def _part_of(lines: Sequence[str], start: int | None, begins: Iterable[int | None]) -> str:
    if start is None:
        return ""
    after = [line for line in begins if line is not None and line > start]
    return "\n".join(lines[start : min(after, default=len(lines))])


def _line_of(lines: Sequence[str], address: str) -> int | None:
    return next((number for number, line in enumerate(lines) if address in line.lower()), None)


def _addresses(text: str, ours: set[str]) -> list[str]:
    found = dict.fromkeys(each.lower() for each in _ADDRESS.findall(text))
    return [each for each in found if each not in ours and not is_machine(each)]


def _named_in(message: EmailMessage, name: str) -> list[str]:
    values = [str(value) for value in message.get_all(name, [])]
    return [f"{each.username}@{each.domain}".lower() for each in addresses_of(values, "To")]


def _parted(message: EmailMessage) -> tuple[str, Message | None]:
    """What the notice says itself, and what it returns, if anything."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in message.walk():
        kind = part.get_content_type()
        if kind in RETURNED:
            return _joined(texts), original_in(part)
        if kind in texts:
            texts[kind].append(_content(part))
    return _cut(_joined(texts))


def _content(part: EmailMessage) -> str:
    decoded = part.get_payload(decode=True)
    charset = part.get_content_charset() or "utf-8"
    try:
        text = decoded.decode(charset, "replace") if isinstance(decoded, bytes) else ""
    except LookupError:
        text = decoded.decode("latin-1") if isinstance(decoded, bytes) else ""
    return clean_text(text[:_READ]).replace("\r\n", "\n")


def _joined(texts: dict[str, list[str]]) -> str:
    plain = "\n".join(texts["text/plain"])
    return plain if plain.strip() else "\n".join(both_forms(f"<p>{each}</p>")[0] for each in texts["text/html"])


def _cut(text: str) -> tuple[str, Message | None]:
    """A notice that returns the message below its own words: by the line that says so, or by the header that begins."""
    lines = text.splitlines()
    marked = words.COPY.search(text)
    start = text[: marked.start()].count("\n") if marked else len(lines)
    begin = next((n for n in range(len(lines)) if _begins_header(lines, n)), None)
    end = min(start, begin if begin is not None else len(lines))
    if begin is None:
        return "\n".join(lines[:end]), None
    header = [line.removeprefix("> ").removeprefix(">") for line in lines[begin:]]
    parsed = HeaderParser(policy=policy.default).parsestr("\n".join(header))
    return "\n".join(lines[:end]), parsed


def _begins_header(lines: Sequence[str], start: int) -> bool:
    """Whether a message's header begins here: three of its lines in a row, folded ones aside."""
    count = 0
    for line in lines[start : start + 12]:
        if _HEADER_LINE.match(line):
            count += 1
        elif not count or not line[:1].isspace() or not line.strip():
            break
    return count >= 3


def _second_opinion(raw: bytes) -> Report | None:
    """What flufl.bounce makes of it, which knows the forms of many older programs. It tells whom, not why: nobody is
    dead by its word."""
    try:
        temporary, permanent = all_failures(message_from_bytes(raw))
    except (*BROKEN, AssertionError, MessageError):
        return None
    told = [("delayed", each) for each in temporary] + [("failed", each) for each in permanent]
    fates = [Fate(action=action, named=(each.decode("utf-8", "replace").lower(),)) for action, each in told]
    return Report(fates=tuple(fates)) if fates else None


def read_bounce(raw: bytes) -> Report | None:
    """What a whole message says of a delivery, in parts or in words; None if it says nothing of any."""
    report = read_report(raw)
    if report is not None and report.recipients:
        return report
    if report is None and _is_other_report(raw):
        return None
    told = read_notice(raw)
    if report is None or told is None:
        return report or told
    return replace(report, fates=told.fates)


def _is_other_report(raw: bytes) -> bool:
    """Read receipts and complaints."""
    return message_from_bytes(raw).get_content_type() == "multipart/report"
