"""Keeps a workspace's contacts the same in Postgres and in the tools its team works in.

The public Python API (docs/python.md) is `connect`, `BaseIntegrationSync` with the ready-made `AirtableSync`,
`MailchimpSync` and `GmailSync`, `SyncResult` and `IntegrationConfig`. Each is imported on first use, so that
`import integrations_pipeline` stays cheap and touches nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrations_pipeline.api.base import BaseIntegrationSync
    from integrations_pipeline.api.door import Integrations, connect
    from integrations_pipeline.api.ready import AirtableSync, GmailSync, MailchimpSync
    from integrations_pipeline.model.connection import IntegrationConfig
    from integrations_pipeline.model.plan import SyncResult

__all__ = [
    "AirtableSync",
    "BaseIntegrationSync",
    "GmailSync",
    "IntegrationConfig",
    "Integrations",
    "MailchimpSync",
    "SyncResult",
    "connect",
]
__version__ = "0.1.0"

_HOMES = {
    "AirtableSync": "api.ready",
    "BaseIntegrationSync": "api.base",
    "GmailSync": "api.ready",
    "IntegrationConfig": "model.connection",
    "Integrations": "api.door",
    "MailchimpSync": "api.ready",
    "SyncResult": "model.plan",
    "connect": "api.door",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
