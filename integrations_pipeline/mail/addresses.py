"""E-mail addresses: recipients checked, correspondents read from headers. Pure.

Belongs here: single addresses. The syntax of recipients is email-validator's, that of headers the standard
library's. Does not: messages (`compose`, `classify`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.headerregistry import Address, AddressHeader
from email.parser import HeaderParser
from email.utils import getaddresses
from typing import cast

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from integrations_pipeline.model import clean_text

#: Local parts behind which nobody reads, without the signs that their owners put into them.
_MACHINES = ("noreply", "donotreply", "mailerdaemon", "postmaster", "bounce", "bounces", "autoreply")
#: Headers of mail that went to many: its posters are no correspondents.
LIST_HEADERS = ("list-id", "list-post", "list-unsubscribe", "feedback-id")
#: The headers that name whom a message was exchanged with.
EVERYBODY = ("from", "reply-to", "to", "cc")
#: What the standard library's parser of addresses is known to raise on garbage, instead of naming a defect.
_BROKEN: tuple[type[Exception], ...] = (
    MessageError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    RecursionError,
)

#: Characters from which the better parser takes its time: 50,000 quotes a minute.
_LONG = 2_000
_WORD = r'=\?[^?\s"]+\?[bBqQ]\?[^?"]*\?='
#: Encoded words in a row, within quotes of their own or without: blanks between them are no part of the name.
_ENCODED = re.compile(rf'"\s*({_WORD}(?:\s*{_WORD})*)\s*"|({_WORD}(?:\s*{_WORD})*)')


def valid_recipient(text: str) -> str | None:
    """The address as it goes on the wire if the text is exactly one deliverable-looking address, else None.

    A domain in other letters is given in its ASCII form. A local part in other letters needs a mail system that
    takes UTF-8 on every step of the way, which nobody can know: it is refused.
    """
    found = _validated(text)
    return found.ascii_email if found else None


def spellings(text: str) -> list[str]:
    """A valid address in lower case, with its domain in ASCII and in its own letters."""
    found = _validated(text)
    return sorted({str(each).lower() for each in (found.ascii_email, found.normalized)}) if found else []


def _validated(text: str) -> ValidatedEmail | None:
    try:
        # `strict`: 64 characters before the @ are the most that a mail system has to take (RFC 5321, 4.5.3.1).
        return validate_email(
            text.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except (EmailNotValidError, UnicodeError):
        return None


def address_problem(text: str) -> str:
    """Why a contact cannot have this for an e-mail, or ""; empty is allowed. The address itself is not repeated."""
    if not text:
        return ""
    try:
        validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except (EmailNotValidError, UnicodeError):
        return "email is no valid address"
    return ""


def same_address(left: str, right: str) -> bool:
    return left.strip().lower() == right.strip().lower()


def addresses_of(headers: Iterable[str], name: str = "From") -> list[Address]:
    """The addresses in address headers: groups, quoted commas and encoded words understood, junk left out.

    Never raises: everybody who can send a mail can send a broken one.
    """
    return [each for value in headers for each in _read(" ".join(clean_text(value).split()), name)]


def _read(text: str, name: str) -> list[Address]:
    text = _ENCODED.sub(lambda found: _quoted(found[1] or found[2]), text)
    if len(text) > _LONG:
        return _read_loosely(text)
    try:
        parsed = HeaderParser(policy=policy.default).parsestr(f"{name}: {text}\n\n")[name]
        return [each for each in cast(AddressHeader, parsed).addresses if each.username and each.domain]
    except _BROKEN:
        return _read_loosely(text)


def _quoted(words: str) -> str:
    """Encoded words as a quoted text, in which commas and addresses are just letters."""
    try:
        text = " ".join(clean_text(str(make_header(decode_header(words)))).split())
    except _BROKEN:
        return ""
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def _read_loosely(text: str) -> list[Address]:
    """With the older parser, which knows less and falls less often."""
    found = []
    try:
        for name, address in getaddresses([text]):
            username, _, domain = address.rpartition("@")
            if username and domain:
                found.append(Address(display_name=name, username=username, domain=domain))
    except _BROKEN:
        pass
    return found


def is_machine(address: str) -> bool:
    """Whether nobody reads mail to this address."""
    local = address.partition("@")[0].lower()
    plain = re.sub(r"[-_.]", "", local.partition("+")[0])
    first = re.split(r"[-_.+]", local)[0]
    return plain in _MACHINES or first in _MACHINES or plain.startswith(("noreply", "donotreply"))


def correspondents(
    headers: Mapping[str, Sequence[str]], own: Iterable[str], fields: Iterable[str] = EVERYBODY
) -> dict[str, str]:
    """People a message was exchanged with: address in lower case → display name.

    `headers`: lower-case name → values. Own addresses (with a `+tag`, too), machines and mail from lists give
    nobody.
    """
    if any(headers.get(name) for name in LIST_HEADERS):
        return {}
    ours = {address.lower() for address in own}
    found: dict[str, str] = {}
    for name in fields:
        for each in addresses_of(headers.get(name, ()), name.title()):
            address = f"{each.username}@{each.domain}".lower()
            if ours & {address, _untagged(address)} or is_machine(address) or valid_recipient(address) is None:
                continue
            display = " ".join(each.display_name.split()).strip("'\" ")
            found[address] = found.get(address) or ("" if "@" in display else display)
    return found


def _untagged(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"
