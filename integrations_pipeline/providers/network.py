"""Connections whose every wait ends with the request: an answer that comes byte by byte, its head too, is given up.

httpx's own transport limits each single wait, and a byte now and then goes on for ever. Belongs here: connecting,
waiting, and a proxy that the environment names. Does not: what is sent (`http`), how much is read (`bounds`).
"""

import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from integrations_pipeline.providers.tls import tls_context

#: The key of the moment at which a request gives up, among its extensions; by the clock of its transport.
DUE = "due"
#: Connections at most, and how long an idle one is kept: httpx's own figures.
_LIMITS = {"max_connections": 100, "max_keepalive_connections": 20, "keepalive_expiry": 5.0}


class _Due(threading.local):
    """When the request of this thread gives up; its answer is read in the same thread."""

    moment: float | None = None

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def left(self, seconds: float | None) -> float | None:
        """How long a wait may last that has these seconds for itself."""
        if self.moment is None:
            return seconds
        left = self.moment - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout("the request is over")
        return left if seconds is None else min(seconds, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, due: _Due) -> None:
        self._inner = inner
        self._due = due

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._due.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._due.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._due.left(timeout)), self._due)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, due: _Due) -> None:
        self._inner = httpcore.SyncBackend()
        self._due = due

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = self._inner.connect_tcp(host, port, self._due.left(timeout), local_address, socket_options)
        return _Stream(found, self._due)


class _Body(httpx.SyncByteStream):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._inner

    def close(self) -> None:
        with _as_httpx():
            self._inner.close()


class Network(httpx.BaseTransport):
    """Requests over TCP and TLS; one that carries `extensions[DUE]` is over then, whatever it waits for.

    A proxy is used as the environment says when the first request for a host is sent, as by httpx itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._due = _Due(clock)
        self._lock = threading.Lock()
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self._proxies: dict[tuple[str, bytes], str] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._due.moment = request.extensions.get(DUE)
        url = request.url
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            answer = self._pool(url).handle_request(sent)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        with self._lock:
            place = (url.scheme, url.netloc)
            if place not in self._proxies:
                self._proxies[place] = proxy_of(url)
            proxy = self._proxies[place]
            if proxy not in self._pools:
                self._pools[proxy] = self._connected(proxy)
            return self._pools[proxy]

    def _connected(self, proxy: str) -> httpcore.ConnectionPool:
        shared: dict[str, Any] = {"ssl_context": tls_context(), "network_backend": _Backend(self._due), **_LIMITS}
        if not proxy:
            return httpcore.ConnectionPool(**shared)
        address = httpx.URL(proxy)
        login = (address.username, address.password) if address.username else None
        return httpcore.HTTPProxy(str(address.copy_with(userinfo=b"")), proxy_auth=login, **shared)


def proxy_of(url: httpx.URL) -> str:
    """The address of the proxy that the environment names for this one, or ""."""
    known = urllib.request.getproxies()
    found = known.get(url.scheme) or known.get("all") or ""
    if not found or urllib.request.proxy_bypass(url.netloc.decode()):
        return ""
    return found if "://" in found else f"http://{found}"


@contextmanager
def _as_httpx() -> Iterator[None]:
    """The errors of the connection as httpx's own, which have the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        raise _kind(error)(str(error)) from error
    except httpcore.UnsupportedProtocol as error:
        raise httpx.UnsupportedProtocol(str(error)) from error


def _kind(error: Exception) -> type[httpx.TransportError]:
    named = (getattr(httpx, each.__name__, None) for each in type(error).__mro__)
    return next(each for each in named if isinstance(each, type) and issubclass(each, httpx.TransportError))
