"""What the later chapters of the demonstration need of its beginning. Belongs here: that contract alone."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.sync.runtime import Runtime
from integrations_sandbox import SandboxServer

#: The workspace that the later chapters go on with, and how its people are called.
SLUG = "blue-note"


def email_of(number: int) -> str:
    """The e-mail of one of the workspace's people; those from 200 to 499 are on both sides."""
    return f"person{number}@{SLUG}.example.org"


class Told(Protocol):
    """The story so far."""

    runtime: Runtime
    sandbox: SandboxServer

    @property
    def first_id(self) -> UUID: ...

    def connect(self, new: NewConnection) -> None: ...

    def sync_first(self, provider: str, title: str) -> list[dict[str, Any]]: ...

    def update_local(self, slug: str, number: int, fields: Mapping[str, str]) -> None: ...

    def update_remote(self, slug: str, number: int, fields: Mapping[str, str]) -> None: ...

    def contact(self, number: int) -> dict[str, str]: ...

    def record(self, number: int) -> Mapping[str, Any]: ...
