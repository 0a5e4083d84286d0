"""The addresses of destinations, as the variable holds them: told apart, and named without their secrets. Pure.

Belongs here: text. Does not: what apprise makes of it (`destinations`); the settings need this at every start, and
apprise would cost all commands a third of their time.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

#: A line, or a comma before the next address; commas inside of an address are its own.
_BREAK = re.compile(r"[\r\n]+|,\s*(?=[A-Za-z][A-Za-z0-9+.\-]*://)")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s\x00-\x20\x7f]+")
#: As the cost of guessing an address from its hash; n, r and p of RFC 7914.
_COST, _BLOCK, _PARALLEL, _LENGTH = 2**13, 8, 1, 16


def split(text: str) -> tuple[str, ...]:
    """The addresses of the variable, each once, in their order."""
    return tuple(dict.fromkeys(found for part in _BREAK.split(text) if (found := part.strip().rstrip(",").rstrip())))


def mistakes(name: str, addresses: Sequence[str]) -> list[str]:
    """One line per address that cannot be one; an address may hold secrets anywhere, so none is repeated."""
    return [
        f"{name}: destination {number} is no address as apprise writes them, such as slack://… or mailtos://…"
        for number, address in enumerate(addresses, 1)
        if not _ADDRESS.fullmatch(address)
    ]


@lru_cache(maxsize=256)
def digest(address: str) -> str:
    """What the database knows of a destination. A slow hash: some addresses hold passwords that people chose."""
    salt = b"integrations alert destination"
    return hashlib.scrypt(address.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=_LENGTH).hex()
