"""Keeps a workspace's contacts the same in Postgres and in the tools its team works in.

The public Python API is `BaseIntegrationSync`, the ready-made `AirtableSync`, `MailchimpSync` and `GmailSync`,
`SyncResult` and `IntegrationConfig`; it is imported on first use, so that `import integrations_pipeline` stays
cheap and touches nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrations_pipeline.model import IntegrationConfig, SyncResult
    from integrations_pipeline.sync.integration import AirtableSync, BaseIntegrationSync, GmailSync, MailchimpSync

__all__ = ["AirtableSync", "BaseIntegrationSync", "GmailSync", "IntegrationConfig", "MailchimpSync", "SyncResult"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__ and name.endswith("Sync"):
        from integrations_pipeline.sync import integration  # noqa: PLC0415 - on first use

        return getattr(integration, name)
    if name in __all__:
        from integrations_pipeline import model  # noqa: PLC0415 - on first use

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
