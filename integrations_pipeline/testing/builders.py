"""What a provider is built from, in tests. Belongs here: stand-ins without a clock. Does not: the suite."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.base import FixedToken, ProviderContext


class FreePacer:
    """Never waits; remembers what it was asked: (key, seconds) per request, and per pause."""

    def __init__(self) -> None:
        self.waits: list[tuple[str, float]] = []
        self.pauses: list[tuple[str, float]] = []

    def wait(self, key: str, interval_seconds: float) -> None:
        self.waits.append((key, interval_seconds))

    def pause(self, key: str, seconds: float) -> None:
        self.pauses.append((key, seconds))

    def place(self, _key: str, _count: int) -> AbstractContextManager[bool]:
        return nullcontext(True)

    def sleeping(self, _sleep: Callable[[float], object]) -> "FreePacer":
        return self


def provider_context(
    *,
    token: str = "token",  # noqa: S107 - opens nothing
    settings: Mapping[str, Any] = MappingProxyType({}),
    mapping: Sequence[MappedField] = (),
    addresses: Mapping[str, str] = MappingProxyType({}),
    **more: Any,
) -> ProviderContext:
    """A context with this token and without any pause between requests; `more`: other fields of `ProviderContext`."""
    chosen: dict[str, Any] = {"credentials": {}, "pacer": FreePacer(), "tokens": FixedToken(value=token)} | more
    return ProviderContext(settings=settings, mapping=mapping, addresses=addresses, **chosen)
