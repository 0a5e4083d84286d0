"""Addresses as they are configured. Belongs here: telling a server on this machine from one elsewhere."""

from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(address: str) -> bool:
    """Whether an http address is of this machine; not for one that cannot be read."""
    try:
        return urlsplit(address).hostname in _LOOPBACK
    except ValueError:
        return False
