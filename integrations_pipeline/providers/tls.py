"""The authorities whose certificates are trusted: httpx's own choice, read once.

Belongs here: that alone.
"""

import ssl
from functools import cache

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    """One for all clients of a process: each of its own would cost tens of milliseconds."""
    return httpx.create_ssl_context()
