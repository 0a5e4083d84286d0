"""A connection as callers in Python see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationConfig:
    """One connection as `BaseIntegrationSync` sees it; credentials are decrypted and never logged."""

    workspace_id: str
    integration_name: str
    id: str | None = None
    oauth_provider: str | None = None
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    status: str = "active"
    enabled: bool = True
    error_message: str | None = None
    error_count: int = 0
    last_sync_at: datetime | None = None
    sync_frequency_minutes: int = 15
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def access_token(self) -> str | None:
        return self.credentials.get("access_token")

    @property
    def refresh_token(self) -> str | None:
        return self.credentials.get("refresh_token")

    @property
    def api_key(self) -> str | None:
        return self.credentials.get("api_key")

    @property
    def token_expires_at(self) -> datetime | None:
        text = self.credentials.get("token_expires_at")
        return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
