"""E-mail addresses: recipients checked, correspondents read from headers. Pure.

Belongs here: single addresses. The syntax of recipients is email-validator's, that of headers the standard
library's. Does not: messages (`compose`, `classify`).
"""

from collections.abc import Iterable, Mapping, Sequence
from email import policy
from email.headerregistry import Address, AddressHeader
from email.parser import HeaderParser
from typing import cast

from email_validator import EmailNotValidError, validate_email

#: Local parts behind which nobody reads.
_MACHINES = ("no-reply", "noreply", "do-not-reply", "donotreply", "mailer-daemon", "postmaster", "bounce", "bounces")
#: Headers of mail that went to many: its posters are no correspondents.
LIST_HEADERS = ("list-id", "list-post", "list-unsubscribe", "feedback-id")


def valid_recipient(text: str) -> str | None:
    """The address in normal form if the text is exactly one deliverable-looking address, else None."""
    try:
        return validate_email(text.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        return None


def same_address(left: str, right: str) -> bool:
    return left.strip().lower() == right.strip().lower()


def addresses_of(headers: Iterable[str], name: str = "From") -> list[Address]:
    """The addresses in address headers: groups, quoted commas and encoded words understood, junk left out."""
    found: list[Address] = []
    for value in headers:
        text = " ".join(value.split())
        parsed = HeaderParser(policy=policy.default).parsestr(f"{name}: {text}\n\n")[name]
        found += [each for each in cast(AddressHeader, parsed).addresses if each.username and each.domain]
    return found


def is_machine(address: str) -> bool:
    """Whether nobody reads mail to this address."""
    local = address.partition("@")[0].lower()
    return any(local == name or local.startswith((f"{name}-", f"{name}+", f"{name}_")) for name in _MACHINES)


def correspondents(headers: Mapping[str, Sequence[str]], own: Iterable[str]) -> dict[str, str]:
    """People a message was exchanged with: address in lower case → display name.

    `headers`: lower-case name → values. Own addresses, machines and mail from lists give nobody.
    """
    if any(headers.get(name) for name in LIST_HEADERS):
        return {}
    ours = {address.lower() for address in own}
    found: dict[str, str] = {}
    for name in ("from", "reply-to", "to", "cc"):
        for each in addresses_of(headers.get(name, ()), name.title()):
            address = each.addr_spec.lower()
            if address in ours or is_machine(address) or valid_recipient(address) is None:
                continue
            display = each.display_name.strip().strip("'\"")
            found[address] = found.get(address) or ("" if "@" in display else display)
    return found
